/*
 * Recurrent layers that start from zeros and drop their last state get inputs and outputs for it, so that a session can
 * carry it from call to call (qe_model_expose_state).
 */
#include <string.h>

#include "graph/build.h"

enum { IN_X = 0, IN_R = 2, IN_H = 5, IN_C = 6 };

static bool is_dynamic(const qe__node *n) {
  const uint16_t op = n->op->id;
  return op == QE__OP_DynamicQuantizeLSTM || op == QE__OP_DynamicQuantizeGRU || op == QE__OP_DynamicQuantizeRNN;
}

static bool is_lstm(const qe__node *n) { return n->op->id == QE__OP_LSTM || n->op->id == QE__OP_DynamicQuantizeLSTM; }

static bool is_recurrent(const qe__node *n) {
  const uint16_t op = n->op->id;
  return is_lstm(n) || is_dynamic(n) || op == QE__OP_GRU || op == QE__OP_RNN;
}

static bool has_input(const qe__node *n, uint32_t i) { return i < n->n_in && n->in[i] != QE__NO_VALUE; }

/* The layer decides its own start: what is made of its last state is the model's business. */
static bool starts_by_itself(const qe__node *n) { return has_input(n, IN_H) || (is_lstm(n) && has_input(n, IN_C)); }

/* A later call cannot know what a layer that reads from the end has to begin with. */
static qe_status_t check_direction(const qe__node *n) {
  const char *direction = qe__node_string(n, "direction", "forward");
  if (strcmp(direction, "forward") == 0) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED,
                  "node '%s' (%s) is %s: it reads the sequence from its end, so it cannot run piece by piece; give it "
                  "whole sequences",
                  n->name, n->op->name, direction);
}

/* The codes of a state would need parameters that only its layer knows. */
static qe_status_t check_float(const qe__node *n) {
  if (!n->quantized) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED,
                  "node '%s' (%s) is quantized, its state has parameters of its own; expose the states of the float "
                  "model, then quantize it",
                  n->name, n->op->name);
}

/* ---- the batch: which input's dimension is it? ---- */

/* A different stand-in for every dynamic dimension: even, large enough for kernels, unlike usual sizes. */
static int64_t stand_in(uint32_t count) { return 2 * (1009 + 26 * (int64_t)count); }

/* Gives all dynamic dimensions of the inputs stand-ins and lets shapes follow. */
static void spread(qe__graph *g) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    qe__value *v = &g->values[g->inputs[i]];
    for (int32_t d = 0; d < v->rank; d++) {
      if (v->dims[d] >= 0) continue;
      int64_t size = stand_in(count++);
      for (uint32_t k = 0; v->symbols[d] && k <= i; k++) { /* one symbol, one size */
        const qe__value *other = &g->values[g->inputs[k]];
        for (int32_t e = 0; e < (k < i ? other->rank : d); e++) {
          if (other->symbols[e] && strcmp(other->symbols[e], v->symbols[d]) == 0) size = other->dims[e];
        }
      }
      v->dims[d] = size;
    }
  }
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    if (qe__build_infer(g, g->nodes[k]) != QE_OK) qe__clear_error();
  }
}

/* A symbol that no input uses yet; NULL when out of memory. */
static char *fresh_symbol(const qe__graph *g) {
  for (uint32_t k = 0;; k++) {
    char *name = k ? qe__format("batch_%u", (unsigned)k) : qe__strdup("batch");
    bool taken = false;
    for (uint32_t i = 0; name && i < g->n_inputs; i++) {
      for (size_t d = 0; d < QE_MAX_RANK; d++) {
        const char *symbol = g->values[g->inputs[i]].symbols[d];
        taken = taken || (symbol && strcmp(symbol, name) == 0);
      }
    }
    if (!taken) return name;
    qe__free(name);
  }
}

/* Where a size of the probe comes from: the symbol of that dimension (made when it has none). *out NULL: unknown. */
static qe_status_t symbol_of(qe__graph *g, const qe__graph *probe, int64_t size, const char **out) {
  *out = NULL;
  for (uint32_t i = 0; i < probe->n_inputs && !*out; i++) {
    const qe__value *v = &probe->values[probe->inputs[i]];
    qe__value *own = &g->values[g->inputs[i]];
    for (int32_t d = 0; d < v->rank; d++) {
      if (own->dims[d] >= 0 || v->dims[d] != size) continue;
      if (!own->symbols[d] && !(own->symbols[d] = fresh_symbol(g))) return QE_ERROR_OUT_OF_MEMORY;
      *out = own->symbols[d];
      break;
    }
  }
  return QE_OK;
}

/* ---- inputs and outputs ---- */

typedef struct layer {
  qe__graph *g;
  const qe__graph *probe;
  qe__node *node;
  int64_t hidden, batch; /* batch -1: dynamic */
  const char *symbol;    /* of the batch, or NULL */
} layer;

static qe_status_t measure(layer *l, uint32_t index) {
  const qe__node *n = l->node;
  const qe__value *r = &l->g->values[n->in[IN_R]];
  const qe__value *x = &l->g->values[n->in[IN_X]], *probe = &l->probe->values[l->probe->nodes[index]->in[IN_X]];
  const int32_t d = qe__node_int(n, "layout", 0) ? 0 : 1;
  l->hidden = qe__node_int(n, "hidden_size", r->rank == 3 ? r->dims[is_dynamic(n) ? 1 : 2] : -1);
  l->batch = x->rank == 3 ? x->dims[d] : -1;
  l->symbol = NULL;
  if (l->batch >= 0 || probe->rank != 3) return QE_OK;
  return symbol_of(l->g, l->probe, probe->dims[d], &l->symbol);
}

/* Makes `slot` of a list readable, filling up with "not given". */
static qe_status_t reach(qe__value_id **list, uint32_t *count, uint32_t slot) {
  if (slot < *count) return QE_OK;
  qe__value_id *grown = qe__realloc(*list, (size_t)slot + 1, sizeof *grown);
  if (!grown) return QE_ERROR_OUT_OF_MEMORY;
  *list = grown;
  while (*count <= slot) grown[(*count)++] = QE__NO_VALUE;
  return QE_OK;
}

static qe_status_t shape(const layer *l, qe__value_id id) {
  qe__value *v = &l->g->values[id];
  const int32_t d = qe__node_int(l->node, "layout", 0) ? 0 : 1;
  v->rank = 3;
  v->dims[d] = l->batch;
  v->dims[1 - d] = 1;
  v->dims[2] = l->hidden;
  if (l->symbol && !v->symbols[d] && !(v->symbols[d] = qe__strdup(l->symbol))) return QE_ERROR_OUT_OF_MEMORY;
  return QE_OK;
}

/* "<node>.h" for input `slot`, "<node>.h_next" for output `result`. */
static qe_status_t expose(const layer *l, uint32_t slot, uint32_t result, const char *letter) {
  qe__graph *g = l->g;
  qe__node *n = l->node;
  const qe_dtype_t dtype = g->values[n->in[IN_X]].dtype;
  qe__value_id in, out;
  char *first = qe__format("%s.%s", n->name, letter), *next = qe__format("%s.%s_next", n->name, letter);
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  if (!first || !next) goto done;
  QE_TRY_GOTO(qe__graph_add_value(g, first, dtype == QE_DTYPE_NONE ? QE_FLOAT32 : dtype, &in), done);
  QE_TRY_GOTO(shape(l, in), done);
  QE_TRY_GOTO(qe__graph_add_input(g, in), done);
  QE_TRY_GOTO(reach(&n->in, &n->n_in, slot), done);
  n->in[slot] = in;
  QE_TRY_GOTO(qe__graph_add_value(g, next, g->values[in].dtype, &out), done);
  QE_TRY_GOTO(shape(l, out), done);
  QE_TRY_GOTO(reach(&n->out, &n->n_out, result), done);
  if (n->out[result] == QE__NO_VALUE) n->out[result] = out;
  else QE_TRY_GOTO(qe__graph_add_node(g, "Identity", NULL, 1, &n->out[result], 1, &out, NULL), done);
  status = qe__graph_add_output(g, out);
done:
  qe__free(first);
  qe__free(next);
  return status;
}

static qe_status_t expose_all(qe__graph *g, const qe__graph *probe, uint32_t *count) {
  const uint32_t n_nodes = g->n_nodes; /* new ones follow */
  for (uint32_t k = 0; k < n_nodes; k++) {
    layer l = {.g = g, .probe = probe, .node = g->nodes[k]};
    if (!is_recurrent(l.node)) continue;
    QE_TRY(check_direction(l.node));
    if (starts_by_itself(l.node)) continue;
    QE_TRY(check_float(l.node));
    QE_TRY(measure(&l, k));
    QE_TRY(expose(&l, IN_H, 1, "h"));
    if (is_lstm(l.node)) QE_TRY(expose(&l, IN_C, 2, "c"));
    *count += is_lstm(l.node) ? 2 : 1;
  }
  return qe__graph_verify(g);
}

qe_status_t qe_model_expose_state(qe_model_t *model, uint32_t *count) {
  QE_CHECK_ARG(count, "count is NULL");
  *count = 0;
  QE_CHECK_ARG(model, "model is NULL");
  qe__graph *probe = NULL, *g = NULL; /* the model changes as a whole or not at all */
  qe_status_t status;
  QE_TRY_GOTO(qe__graph_clone(model->graph, &probe), done);
  QE_TRY_GOTO(qe__graph_clone(model->graph, &g), done);
  spread(probe);
  QE_TRY_GOTO(expose_all(g, probe, count), done);
  qe__graph *old = model->graph;
  model->graph = g;
  g = old;
done:
  if (status != QE_OK) *count = 0;
  qe__graph_destroy(&probe);
  qe__graph_destroy(&g);
  return status;
}
