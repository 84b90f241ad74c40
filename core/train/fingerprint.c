/* What a model is, in 32 bytes: the same for the same nodes, values and constants, however the model was made. */
#include <string.h>

#include "base/sha256.h"
#include "train/checkpoint.h"

static void add_int(qe__sha256_state *sha, int64_t v) { qe__sha256_update(sha, &v, sizeof v); }

static void add_text(qe__sha256_state *sha, const char *text) {
  add_int(sha, text != NULL ? (int64_t)strlen(text) : -1);
  if (text != NULL) qe__sha256_update(sha, text, strlen(text));
}

static void add_tensor(qe__sha256_state *sha, const qe_tensor_t *t) {
  add_int(sha, t != NULL ? (int64_t)t->dtype : -1);
  if (t == NULL) return;
  add_int(sha, t->rank);
  qe__sha256_update(sha, t->dims, t->rank * sizeof t->dims[0]);
  qe__sha256_update(sha, t->data, t->bytes);
}

static void add_qparams(qe__sha256_state *sha, const qe_qparams_t *q) {
  add_int(sha, q->count);
  if (q->count == 0) return;
  add_int(sha, q->axis);
  qe__sha256_update(sha, q->scales, q->count * sizeof q->scales[0]);
  qe__sha256_update(sha, q->zero_points, q->count * sizeof q->zero_points[0]);
}

static void add_attr(qe__sha256_state *sha, const qe__attr *a) {
  add_text(sha, a->name);
  add_int(sha, (int64_t)a->kind);
  add_int(sha, a->i);
  qe__sha256_update(sha, &a->f, sizeof a->f);
  add_text(sha, a->s);
  add_int(sha, (int64_t)a->count);
  for (size_t i = 0; i < a->count; i++) {
    if (a->ints != NULL) add_int(sha, a->ints[i]);
    if (a->floats != NULL) qe__sha256_update(sha, &a->floats[i], sizeof a->floats[i]);
    if (a->strings != NULL) add_text(sha, a->strings[i]);
  }
  add_tensor(sha, a->tensor);
}

static void add_ids(qe__sha256_state *sha, uint32_t n, const qe__value_id *ids) {
  add_int(sha, n);
  for (uint32_t i = 0; i < n; i++) add_int(sha, ids[i]);
}

static void add_node(qe__sha256_state *sha, const qe__node *n) {
  add_text(sha, n->op->name);
  add_text(sha, n->op->domain);
  add_text(sha, n->name);
  add_ids(sha, n->n_in, n->in);
  add_ids(sha, n->n_out, n->out);
  add_int(sha, n->n_attr);
  for (uint32_t i = 0; i < n->n_attr; i++) add_attr(sha, &n->attr[i]);
  add_int(sha, n->quantized);
  qe__sha256_update(sha, &n->act.lo, sizeof n->act.lo);
  qe__sha256_update(sha, &n->act.hi, sizeof n->act.hi);
}

static void add_value(qe__sha256_state *sha, const qe__value *v) {
  add_text(sha, v->name);
  add_int(sha, (int64_t)v->dtype);
  add_int(sha, v->rank);
  for (int32_t d = 0; d < v->rank; d++) {
    add_int(sha, v->dims[d]);
    add_text(sha, v->symbols[d]);
  }
  add_tensor(sha, v->data);
  add_qparams(sha, &v->q.view);
}

void qe__model_fingerprint(const qe__graph *g, uint8_t out[QE__CHECKPOINT_HASH]) {
  qe__sha256_state sha;
  qe__sha256_init(&sha);
  for (uint32_t k = 0; k < g->n_nodes; k++) add_node(&sha, g->nodes[k]);
  for (uint32_t v = 0; v < g->n_values; v++) add_value(&sha, &g->values[v]);
  add_ids(&sha, g->n_inputs, g->inputs);
  add_ids(&sha, g->n_outputs, g->outputs);
  qe__sha256_final(&sha, out);
}
