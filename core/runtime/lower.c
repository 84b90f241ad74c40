/*
 * Lowering: what a quantized node is made of. Unary ops become table lookups, ops that move codes become the plain
 * integer op (inputs of other parameters go through a requantization table first), ops with a quantized kernel stay,
 * everything else becomes dequantize, float op, quantize. Depends on parameters only, never on shapes.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "registry/quant_rule.h"
#include "runtime/accumulator.h"
#include "runtime/plan.h"
#include "runtime/table.h"

typedef struct lowering {
  qe__graph *g;
  qe__lowered *out;
  size_t cap_note, cap_model_node;
  int32_t current;           /* index of the model's node being lowered */
  const char *current_name;
  qe__value_id *dequantized; /* per value of the model: its float copy, or QE__NO_VALUE */
  uint32_t n_model_values;
  bool has_codes;            /* some node of the model works on codes */
} lowering;

static const qe_qparams_t *params_of(const qe__graph *g, qe__value_id v) {
  return g->values[v].q.view.count ? &g->values[v].q.view : NULL;
}

static bool code8_per_tensor(const qe__graph *g, qe__value_id v) {
  return v != QE__NO_VALUE && qe__dtype_is_code8(g->values[v].dtype) && g->values[v].q.view.count == 1;
}

/* ---- emitting nodes ---- */

static qe_status_t record(lowering *l, const char *note) {
  const uint32_t index = l->g->n_nodes - 1;
  QE_TRY(qe__grow((void **)&l->out->note, &l->cap_note, index, sizeof(char *)));
  QE_TRY(qe__grow((void **)&l->out->model_node, &l->cap_model_node, index, sizeof(int32_t)));
  l->out->n_notes = index + 1;
  l->out->note[index] = NULL;
  l->out->model_node[index] = l->current;
  if (note && !(l->out->note[index] = qe__strdup(note))) return QE_ERROR_OUT_OF_MEMORY;
  return QE_OK;
}

static qe_status_t push(lowering *l, qe__node *n, const char *note) {
  QE_TRY(qe__grow((void **)&l->g->nodes, &l->g->cap_nodes, l->g->n_nodes, sizeof(qe__node *)));
  l->g->nodes[l->g->n_nodes++] = n;
  return record(l, note);
}

static qe_status_t emit(lowering *l, const char *op, uint32_t n_in, const qe__value_id *in, qe__value_id out, qe__node **node) {
  char *base = qe__format("%s/%s", l->current_name, op);
  if (!base) return QE_ERROR_OUT_OF_MEMORY;
  char *name = qe__graph_fresh_name(l->g, base);
  qe__free(base);
  if (!name) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__graph_add_node(l->g, op, name, n_in, in, 1, &out, node);
  qe__free(name);
  QE_TRY(status);
  return record(l, NULL);
}

/* q may point into the graph's values, which move when one is added: it is copied first. */
static qe_status_t new_value(lowering *l, qe__value_id like, qe_dtype_t dtype, const qe_qparams_t *q, qe__value_id *out) {
  const qe_qparams_t params = q ? *q : (qe_qparams_t){0};
  char *base = qe__format("%s/%s", l->g->values[like].name, q ? "codes" : "real");
  if (!base) return QE_ERROR_OUT_OF_MEMORY;
  char *name = qe__graph_fresh_name(l->g, base);
  qe__free(base);
  if (!name) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__graph_add_value(l->g, name, dtype, out);
  qe__free(name);
  QE_TRY(status);
  return q ? qe__qparams_set(&l->g->values[*out].q, &params, dtype, 0, NULL) : QE_OK;
}

static qe_status_t dequantized(lowering *l, qe__value_id v, qe__value_id *out) {
  *out = v;
  if (!params_of(l->g, v)) return QE_OK;
  if ((uint32_t)v < l->n_model_values && l->dequantized[v] != QE__NO_VALUE) {
    *out = l->dequantized[v];
    return QE_OK;
  }
  qe__node *node;
  QE_TRY(new_value(l, v, QE_FLOAT32, NULL, out));
  QE_TRY(emit(l, "DequantizeLinear", 1, &v, *out, &node));
  node->quantized = true;
  if ((uint32_t)v < l->n_model_values) l->dequantized[v] = *out;
  if (params_of(l->g, v)->axis >= 0) QE_TRY(qe__node_set_int(node, "axis", params_of(l->g, v)->axis));
  return QE_OK;
}

static qe_status_t quantized(lowering *l, qe__value_id real, qe__value_id codes) {
  qe__node *node;
  QE_TRY(emit(l, "QuantizeLinear", 1, &real, codes, &node));
  node->quantized = true;
  if (params_of(l->g, codes)->axis >= 0) QE_TRY(qe__node_set_int(node, "axis", params_of(l->g, codes)->axis));
  return QE_OK;
}

static qe_status_t table_constant(lowering *l, const uint8_t table[256], qe__value_id *out) {
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_from_data(QE_UINT8, 1, &(int64_t){256}, table, &t));
  const qe_status_t status = qe__graph_add_constant(l->g, NULL, t, out);
  qe_tensor_release(&t);
  return status;
}

static qe__table_spec spec_of(const qe__graph *g, qe__value_id x, qe_dtype_t y_dtype, const qe_qparams_t *y, const qe__act *act) {
  const qe_qparams_t *q = params_of(g, x);
  qe__table_spec spec = {.x_dtype = g->values[x].dtype, .y_dtype = y_dtype, .x_scale = q->scales[0], .y_scale = y->scales[0],
                         .x_zero_point = q->zero_points[0], .y_zero_point = y->zero_points[0]};
  qe__act_codes(act, y_dtype, y, &spec.lo, &spec.hi);
  return spec;
}

/* x with other parameters: a table, or (not 8-bit) dequantize and quantize. */
static qe_status_t requantized(lowering *l, qe__value_id x, qe_dtype_t dtype, const qe_qparams_t *q, qe__value_id *out) {
  static const qe__act no_act = {-INFINITY, INFINITY};
  const bool per_tensor = q->count == 1;
  qe__value_id real;
  QE_TRY(new_value(l, x, dtype, q, out));
  if (!code8_per_tensor(l->g, x) || !qe__dtype_is_code8(dtype) || !per_tensor) {
    QE_TRY(dequantized(l, x, &real));
    return quantized(l, real, *out);
  }
  uint8_t table[256];
  const qe__table_spec spec = spec_of(l->g, x, dtype, &l->g->values[*out].q.view, &no_act);
  qe__table_requantize(&spec, table);
  qe__value_id in[2] = {x, QE__NO_VALUE};
  QE_TRY(table_constant(l, table, &in[1]));
  return emit(l, "Lookup", 2, in, *out, NULL);
}

/* ---- one quantized node ---- */

static qe_status_t lower_to_float(lowering *l, qe__node *n) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] != QE__NO_VALUE) QE_TRY(dequantized(l, n->in[i], &n->in[i]));
  }
  n->quantized = false;
  qe__value_id codes[QE__MAX_OUTPUTS];
  for (uint32_t i = 0; i < n->n_out; i++) {
    codes[i] = n->out[i];
    if (n->out[i] == QE__NO_VALUE || !params_of(l->g, n->out[i])) continue;
    QE_TRY(new_value(l, n->out[i], QE_FLOAT32, NULL, &n->out[i]));
  }
  QE_TRY(push(l, n, "in float between dequantize and quantize"));
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (codes[i] != n->out[i]) QE_TRY(quantized(l, n->out[i], codes[i]));
  }
  return QE_OK;
}

static qe_status_t lower_to_table(lowering *l, qe__node *n) {
  uint8_t table[256];
  const qe__value_id x = n->in[0], y = n->out[0];
  if (!code8_per_tensor(l->g, x) || !code8_per_tensor(l->g, y)) return lower_to_float(l, n);
  const qe__table_spec spec = spec_of(l->g, x, l->g->values[y].dtype, params_of(l->g, y), &n->act);
  if (!qe__table_build(l->g, n, &spec, table)) return lower_to_float(l, n);
  qe__value_id t;
  QE_TRY(table_constant(l, table, &t));
  qe__value_id *in = qe__calloc(2, sizeof *in);
  if (!in) return QE_ERROR_OUT_OF_MEMORY;
  in[0] = x;
  in[1] = t;
  char *note = qe__format("%s as a 256-entry table", n->op->name);
  if (!note) {
    qe__free(in);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  qe__free(n->in);
  n->in = in;
  n->n_in = 2;
  n->op = qe__op_at(QE__OP_Lookup);
  n->quantized = false;
  n->act = (qe__act){-INFINITY, INFINITY};
  const qe_status_t status = push(l, n, note);
  qe__free(note);
  return status;
}

/* Data inputs of ops that move codes: Where's condition, Gather's indices and shape-like inputs stay as they are. */
static bool moves_input(const qe__node *n, uint32_t i) {
  switch (n->op->id) {
    case QE__OP_Where: return i > 0;
    case QE__OP_Gather: case QE__OP_GatherElements: return i == 0;
    default: return n->op->kernel_in == 255 || i < n->op->kernel_in;
  }
}

/* Pad fills with the code of its real value. */
static qe_status_t pad_value_code(lowering *l, qe__node *n, const qe_qparams_t *q, qe_dtype_t dtype) {
  int32_t lo, hi;
  float real = 0.0f;
  (void)qe__dtype_integer_range(dtype, &lo, &hi);
  if (n->n_in > 2 && n->in[2] != QE__NO_VALUE) {
    const qe__value *v = &l->g->values[n->in[2]];
    if (v->q.view.count || (v->data && v->dtype != QE_FLOAT32)) return QE_OK; /* already a code */
    if (!v->data || v->data->count != 1) return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (Pad): the padding value of a quantized tensor must be a constant", n->name);
    real = (float)qe__tensor_float_at(v->data, 0);
  } else if (n->n_in < 3) {
    qe__value_id *in = qe__realloc(n->in, 3, sizeof *in);
    if (!in) return QE_ERROR_OUT_OF_MEMORY;
    for (uint32_t i = n->n_in; i < 3; i++) in[i] = QE__NO_VALUE;
    n->in = in;
    n->n_in = 3;
  }
  const int32_t code = qe__quantize_value(real, q->scales[0], q->zero_points[0], lo, hi);
  const uint8_t bits = (uint8_t)(code & 0xff);
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_from_data(dtype, 0, NULL, &bits, &t));
  const qe_status_t status = qe__graph_add_constant(l->g, NULL, t, &n->in[2]);
  qe_tensor_release(&t);
  return status;
}

static qe_status_t lower_to_move(lowering *l, qe__node *n) {
  bool requantizes = false;
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    const qe__value *y = &l->g->values[n->out[i]], *y0 = &l->g->values[n->out[0]];
    if (!code8_per_tensor(l->g, n->out[i]) || y->dtype != y0->dtype || !qe__qparams_equal(&y->q.view, &y0->q.view)) return lower_to_float(l, n);
  }
  const qe__value_id y = n->out[0];
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE || !moves_input(n, i)) continue;
    if (!params_of(l->g, n->in[i])) return lower_to_float(l, n);
  }
  const bool clamps = n->act.lo > -INFINITY || n->act.hi < INFINITY;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE || !moves_input(n, i)) continue;
    const qe_dtype_t dtype = l->g->values[y].dtype;
    if (l->g->values[n->in[i]].dtype == dtype && qe__qparams_equal(params_of(l->g, n->in[i]), params_of(l->g, y))) continue;
    QE_TRY(requantized(l, n->in[i], dtype, params_of(l->g, y), &n->in[i]));
    requantizes = true;
  }
  if (n->op->id == QE__OP_Pad) QE_TRY(pad_value_code(l, n, params_of(l->g, y), l->g->values[y].dtype));
  n->quantized = false;
  const qe__act act = n->act;
  n->act = (qe__act){-INFINITY, INFINITY};
  if (!clamps) return push(l, n, requantizes ? "moves codes; inputs requantized" : "moves codes");
  /* a fused activation on moved codes: one more table */
  qe__value_id moved, in[2];
  QE_TRY(new_value(l, y, l->g->values[y].dtype, params_of(l->g, y), &moved));
  n->out[0] = moved;
  QE_TRY(push(l, n, "moves codes"));
  uint8_t table[256];
  const qe__table_spec spec = spec_of(l->g, moved, l->g->values[y].dtype, params_of(l->g, y), &act);
  qe__table_requantize(&spec, table);
  in[0] = moved;
  QE_TRY(table_constant(l, table, &in[1]));
  return emit(l, "Lookup", 2, in, y, NULL);
}

/* X and Y codes per tensor, W and R codes with one pair of parameters or one per gate row, everything else in float. */
static bool recurrent_ready(const qe__graph *g, const qe__node *n) {
  if (!code8_per_tensor(g, n->out[0]) || n->act.lo > -INFINITY || n->act.hi < INFINITY) return false;
  for (uint32_t i = 1; i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE) continue;
    const qe__value *v = &g->values[n->in[i]];
    const qe_qparams_t *q = &v->q.view;
    if (i < 3 ? !qe__dtype_is_code8(v->dtype) || (q->count != 1 && q->axis != 1) : q->count != 0) return false;
  }
  for (uint32_t i = 1; i < n->n_out; i++) {
    if (n->out[i] != QE__NO_VALUE && params_of(g, n->out[i])) return false;
  }
  return true;
}

static bool kernel_ready(const qe__graph *g, const qe__node *n) {
  if (!code8_per_tensor(g, n->in[0])) return false;
  if (qe__op_is_recurrent(n->op->id)) return recurrent_ready(g, n);
  const qe__value *y = &g->values[n->out[0]];
  if (qe__op_is_weighted(n->op->id)) {
    const qe__value *w = &g->values[n->in[1]];
    if (!qe__dtype_is_code8(w->dtype) || !w->q.view.count) return false;
    if (y->dtype != QE_FLOAT32 && !code8_per_tensor(g, n->out[0])) return false;
    if (n->n_in > 2 && n->in[2] != QE__NO_VALUE) {
      const qe_dtype_t want = y->dtype == QE_FLOAT32 ? QE_FLOAT32 : QE_INT32;
      if (g->values[n->in[2]].dtype != want) return false;
    }
    if (n->op->id == QE__OP_Gemm && (qe__node_float(n, "alpha", 1.0f) != 1.0f || qe__node_float(n, "beta", 1.0f) != 1.0f || qe__node_int(n, "transA", 0))) return false;
    return true;
  }
  for (uint32_t i = 1; i < n->n_in; i++) {
    if (n->op->kernel_in != 255 && i >= n->op->kernel_in) break;
    if (n->in[i] != QE__NO_VALUE && !code8_per_tensor(g, n->in[i])) return false;
  }
  return code8_per_tensor(g, n->out[0]);
}

/* In a model that works on codes somewhere, why a product is computed in float. */
static const char *why_float(const lowering *l, const qe__node *n) {
  if (!l->has_codes || !qe__op_is_weighted(n->op->id) || qe__node_works_on_codes(n)) return NULL;
  return l->g->values[n->in[1]].data ? "float: its weight is not quantized" : "float: both operands are computed";
}

static qe_status_t lower_node(lowering *l, qe__node *n, bool no_fuse) {
  if (n->op->id == QE__OP_QuantizeLinear || n->op->id == QE__OP_DequantizeLinear) {
    n->quantized = n->n_in == 1; /* parameters in the operand, not in inputs */
    return push(l, n, NULL);
  }
  if (!n->quantized) {
    QE_TRY(qe__check_accumulator(l->g, n));
    return push(l, n, why_float(l, n));
  }
  if (no_fuse) return lower_to_float(l, n);
  switch (qe__node_qexec(n)) {
    case QE__X_TABLE: return lower_to_table(l, n);
    case QE__X_MOVE: return lower_to_move(l, n);
    case QE__X_KERNEL:
      if (!kernel_ready(l->g, n)) return lower_to_float(l, n);
      QE_TRY(qe__check_accumulator(l->g, n));
      return push(l, n, NULL);
    case QE__X_FLOAT: break;
  }
  return lower_to_float(l, n);
}

/* Values that are not the same in every run: what any input of the graph, or its shape, takes part in. */
static qe_status_t find_varying_values(qe__lowered *out) {
  const qe__graph *g = out->graph;
  out->varies = qe__calloc(g->n_values ? g->n_values : 1, sizeof(bool));
  if (!out->varies) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < g->n_inputs; i++) out->varies[g->inputs[i]] = true;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    bool any = false;
    for (uint32_t i = 0; i < n->n_in; i++) any = any || (n->in[i] != QE__NO_VALUE && out->varies[n->in[i]]);
    for (uint32_t i = 0; any && i < n->n_out; i++) {
      if (n->out[i] != QE__NO_VALUE) out->varies[n->out[i]] = true;
    }
  }
  return QE_OK;
}

/* Values whose content decides shapes or parameters: shape-like inputs, and what they are computed from. */
static qe_status_t find_needed_values(qe__lowered *out) {
  const qe__graph *g = out->graph;
  out->needs_value = qe__calloc(g->n_values ? g->n_values : 1, sizeof(bool));
  if (!out->needs_value) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t k = g->n_nodes; k-- > 0;) { /* readers before producers */
    const qe__node *n = g->nodes[k];
    const uint16_t id = n->op->id;
    if (id == QE__OP_Shape || id == QE__OP_Size) continue;
    bool all = id == QE__OP_Range || id == QE__OP_OneHot;
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] != QE__NO_VALUE && out->needs_value[n->out[i]]) all = true;
    }
    for (uint32_t i = 0; i < n->n_in; i++) {
      if (n->in[i] == QE__NO_VALUE) continue;
      if (all || (n->op->kernel_in != 255 && i >= n->op->kernel_in)) out->needs_value[n->in[i]] = true;
    }
  }
  return QE_OK;
}

qe_status_t qe__lower(const qe__graph *model, bool no_fuse, qe__lowered *out) {
  memset(out, 0, sizeof *out);
  qe_status_t status;
  qe__node **nodes = NULL;
  uint32_t n_nodes = 0, done = 0;
  QE_TRY(qe__graph_clone(model, &out->graph));
  qe__graph *g = out->graph;
  lowering l = {.g = g, .out = out, .n_model_values = g->n_values};
  for (uint32_t k = 0; k < model->n_nodes; k++) l.has_codes = l.has_codes || qe__node_works_on_codes(model->nodes[k]);
  l.dequantized = qe__calloc(g->n_values ? g->n_values : 1, sizeof(qe__value_id));
  if (!l.dequantized) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  for (uint32_t i = 0; i < g->n_values; i++) l.dequantized[i] = QE__NO_VALUE;
  nodes = g->nodes;
  n_nodes = g->n_nodes;
  g->nodes = NULL;
  g->n_nodes = 0;
  g->cap_nodes = 0;
  for (; done < n_nodes; done++) {
    l.current = (int32_t)done;
    l.current_name = model->nodes[done]->name;
    status = lower_node(&l, nodes[done], no_fuse);
    if (status != QE_OK) goto done;
  }
  status = find_needed_values(out);
  if (status == QE_OK) status = find_varying_values(out);
done:
  for (; status != QE_OK && done < n_nodes; done++) { /* nodes not taken over by the graph */
    bool owned = false;
    for (uint32_t i = g->n_nodes; i-- > 0 && !owned;) owned = g->nodes[i] == nodes[done];
    if (!owned) qe__node_destroy(nodes[done]);
  }
  qe__free(nodes);
  qe__free(l.dequantized);
  if (status != QE_OK) qe__lowered_free(out);
  return status;
}

void qe__lowered_free(qe__lowered *l) {
  for (uint32_t i = 0; i < l->n_notes; i++) qe__free(l->note[i]);
  qe__free(l->note);
  qe__free(l->model_node);
  qe__free(l->needs_value);
  qe__free(l->varies);
  qe__graph_destroy(&l->graph);
  memset(l, 0, sizeof *l);
}
