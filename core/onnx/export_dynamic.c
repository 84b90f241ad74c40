/*
 * Nodes of the dynamic flow. ONNX has no product of codes with a float result, so MatMulIntegerToFloat is written as the
 * ops it rounds like, which any runtime runs and the importer recognises; with operators on integers asked for, it is
 * the one of com.microsoft.
 */
#include <math.h>

#include "onnx/export.h"

#define MS "com.microsoft"

/* B as it is multiplied: where the node has it transposed, a Transpose that all such readers share. */
static qe_status_t second_operand(qe__export *ex, const qe__node *n, char *b, char **out) {
  static const int64_t perm[2] = {1, 0};
  const qe__value_id v = n->in[1];
  *out = b;
  if (qe__node_int(n, "transB", 0) == 0) return QE_OK;
  if (ex->transposed[v] == NULL) {
    Onnx__NodeProto *node;
    QE_TRY(qe__export_between(ex, b, "transposed", &ex->transposed[v]));
    QE_TRY(qe__export_node(ex, "", "Transpose", NULL, 1, &b, 1, &ex->transposed[v], &node));
    QE_TRY(qe__export_attr_ints(ex, node, "perm", 2, perm));
  }
  *out = ex->transposed[v];
  return QE_OK;
}

static bool is_one(const qe__graph *g, qe__value_id v) {
  const qe_tensor_t *t = v != QE__NO_VALUE ? g->values[v].data : NULL;
  return t != NULL && t->dtype == QE_FLOAT32 && t->count == 1 && t->rank == 0 && qe__tensor_float_at(t, 0) == 1.0;
}

/* scale of A * scale of B; a 1 is left out. */
static qe_status_t scales(qe__export *ex, const qe__node *n, char **in, char *out, char **scale) {
  for (uint32_t k = 2; k < 4; k++) {
    *scale = in[5 - k];
    if (is_one(ex->g, n->in[k])) return QE_OK;
  }
  QE_TRY(qe__export_between(ex, out, "scale", scale));
  return qe__export_node(ex, "", "Mul", NULL, 2, in + 2, 1, scale, NULL);
}

qe_status_t qe__export_integer_product(qe__export *ex, const qe__node *n, char **in, char *out) {
  char *b, *product, *real, *scale, *scaled = out;
  char *at[7] = {NULL};
  for (uint32_t i = 0; i < 7 && i < n->n_in; i++) at[i] = in[i];
  QE_TRY(second_operand(ex, n, at[1], &b));
  at[1] = b;
  if (ex->format == QE_FORMAT_QOPERATOR) {
    return qe__export_node(ex, MS, n->op->name, n->name, 7, at, 1, &out, NULL);
  }
  const bool has_bias = n->n_in > 6 && n->in[6] != QE__NO_VALUE;
  Onnx__NodeProto *cast;
  QE_TRY(qe__export_between(ex, out, "product", &product));
  QE_TRY(qe__export_node(ex, "", "MatMulInteger", NULL, 4, (char *const[]){at[0], b, at[4], at[5]}, 1, &product, NULL));
  QE_TRY(qe__export_between(ex, out, "real", &real));
  QE_TRY(qe__export_node(ex, "", "Cast", NULL, 1, &product, 1, &real, &cast));
  QE_TRY(qe__export_attr_int(ex, cast, "to", QE_FLOAT32));
  QE_TRY(scales(ex, n, at, out, &scale));
  if (has_bias) QE_TRY(qe__export_between(ex, out, "scaled", &scaled));
  QE_TRY(qe__export_node(ex, "", "Mul", has_bias ? NULL : n->name, 2, (char *const[]){real, scale}, 1, &scaled, NULL));
  if (!has_bias) return QE_OK;
  return qe__export_node(ex, "", "Add", n->name, 2, (char *const[]){scaled, at[6]}, 1, &out, NULL);
}
