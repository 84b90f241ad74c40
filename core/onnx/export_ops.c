/* Nodes in ONNX's own form: what the canonical form has beyond it (a bias of MatMul, Silu, fused clamps) becomes nodes
 * again. */
#include <math.h>
#include <string.h>

#include "onnx/export.h"
#include "onnx/functions.h"

/* The clamp as a node of its own, Relu where it is one. */
static qe_status_t write_act(qe__export *ex, const qe__node *n, const qe__act *act, char *in, char *out) {
  char *base = qe__arena_format(&ex->arena, "%s/act", n->name);
  char *name = base != NULL ? qe__export_node_name(ex, base) : NULL;
  if (name == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  if (act->lo == 0.0f && act->hi == INFINITY) return qe__export_node(ex, "", "Relu", name, 1, &in, 1, &out, NULL);
  char *inputs[3] = {in, NULL, NULL};
  if (act->lo != -INFINITY) {
    QE_TRY(qe__export_scalar_f32(ex, qe__arena_format(&ex->arena, "%s_min", out), act->lo, &inputs[1]));
  }
  if (act->hi != INFINITY) {
    QE_TRY(qe__export_scalar_f32(ex, qe__arena_format(&ex->arena, "%s_max", out), act->hi, &inputs[2]));
  }
  return qe__export_node(ex, "", "Clip", name, 3, inputs, 1, &out, NULL);
}

static qe_status_t write_matmul(qe__export *ex, const qe__node *n, char **in, char *out) {
  if (n->n_in < 3 || n->in[2] == QE__NO_VALUE) return qe__export_node(ex, "", "MatMul", n->name, 2, in, 1, &out, NULL);
  char *product;
  QE_TRY(qe__export_between(ex, out, "product", &product));
  QE_TRY(qe__export_node(ex, "", "MatMul", n->name, 2, in, 1, &product, NULL));
  return qe__export_node(ex, "", "Add", NULL, 2, (char *const[]){product, in[2]}, 1, &out, NULL);
}

static qe_status_t write_silu(qe__export *ex, const qe__node *n, char **in, char *out) {
  char *gate;
  QE_TRY(qe__export_between(ex, out, "gate", &gate));
  QE_TRY(qe__export_node(ex, "", "Sigmoid", NULL, 1, in, 1, &gate, NULL));
  return qe__export_node(ex, "", "Mul", n->name, 2, (char *const[]){in[0], gate}, 1, &out, NULL);
}

static qe_status_t write_dropout(qe__export *ex, const qe__node *n, char **in, char *out) {
  char *inputs[2] = {in[0], NULL};
  if (qe__node_attr(n, "ratio") != NULL) {
    QE_TRY(qe__export_scalar_f32(ex, qe__arena_format(&ex->arena, "%s_ratio", out), qe__node_float(n, "ratio", 0.5f),
                                 &inputs[1]));
  }
  return qe__export_node(ex, "", "Dropout", n->name, 2, inputs, 1, &out, NULL);
}

static bool axes_are_attribute(const qe__export *ex, const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_ReduceMean:
    case QE__OP_ReduceMax:
    case QE__OP_ReduceMin:
    case QE__OP_ReduceProd:
    case QE__OP_ReduceL2:
    case QE__OP_ReduceSumSquare: return ex->opset < 18;
    default:
      return false;
  }
}

qe_status_t qe__export_input(qe__export *ex, const qe__node *n, uint32_t i, char **name) {
  return qe__export_value(ex, i == 1 && axes_are_attribute(ex, n) ? QE__NO_VALUE : n->in[i], name);
}

/* Axes as an attribute, in order of the attributes' names. */
static qe_status_t write_reduce(qe__export *ex, const qe__node *n, char **in, char *out) {
  Onnx__NodeProto *node;
  QE_TRY(qe__export_node(ex, "", n->op->name, n->name, 1, in, 1, &out, &node));
  const qe_tensor_t *axes = n->n_in > 1 && n->in[1] != QE__NO_VALUE ? ex->g->values[n->in[1]].data : NULL;
  if (axes != NULL && axes->count > 0) {
    int64_t values[QE_MAX_RANK];
    if (axes->count > QE_MAX_RANK) {
      return qe__fail(QE_ERROR_SHAPE, "node '%s': %lld axes", n->name, (long long)axes->count);
    }
    for (int64_t i = 0; i < axes->count; i++) values[i] = qe__tensor_int_at(axes, i);
    QE_TRY(qe__export_attr_ints(ex, node, "axes", (size_t)axes->count, values));
  }
  const qe__attr *keepdims = qe__node_attr(n, "keepdims");
  return keepdims != NULL ? qe__export_attr(ex, node, keepdims) : QE_OK;
}

static qe_status_t write_op(qe__export *ex, const qe__node *n, char **in, char **out) {
  Onnx__NodeProto *node;
  switch (n->op->id) {
    case QE__OP_MatMul: return write_matmul(ex, n, in, out[0]);
    case QE__OP_MatMulIntegerToFloat: return qe__export_integer_product(ex, n, in, out[0]);
    case QE__OP_Silu: return write_silu(ex, n, in, out[0]);
    case QE__OP_Dropout: return write_dropout(ex, n, in, out[0]);
    default: break;
  }
  if (axes_are_attribute(ex, n)) return write_reduce(ex, n, in, out[0]);
  if (strcmp(n->op->domain, QE__FUNCTION_DOMAIN) == 0) return qe__export_call(ex, n, in, out);
  QE_TRY(qe__export_node(ex, n->op->domain, n->op->name, n->name, n->n_in, in, n->n_out, out, &node));
  QE_TRY(qe__export_attrs(ex, node, n));
  const bool has_split = n->n_in > 1 && n->in[1] != QE__NO_VALUE;
  if (n->op->id == QE__OP_Split && ex->opset >= 18 && !has_split && qe__node_attr(n, "num_outputs") == NULL) {
    return qe__export_attr_int(ex, node, "num_outputs", n->n_out);
  }
  return QE_OK;
}

qe_status_t qe__export_plain(qe__export *ex, const qe__node *n, char **in, char **out, const qe__act *act) {
  if (act->lo == -INFINITY && act->hi == INFINITY) return write_op(ex, n, in, out);
  char *final = out[0], *linear;
  QE_TRY(qe__export_between(ex, final, "linear", &linear));
  out[0] = linear;
  QE_TRY(write_op(ex, n, in, out));
  out[0] = final;
  return write_act(ex, n, act, linear, final);
}
