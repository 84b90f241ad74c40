/* Looking at the nodes around a node, and making one node of several. */
#include "onnx/match.h"

#include <math.h>
#include <string.h>

#include "onnx/fuse_util.h"

qe_status_t qe__match_begin(qe__match *m, const qe__import *im) {
  *m = (qe__match){.im = im, .g = im->g, .n_values = im->g->n_values};
  return qe__graph_uses(m->g, &m->uses);
}

void qe__match_end(qe__match *m) { qe__uses_free(&m->uses); }

static bool known(const qe__match *m, qe__value_id v) { return v != QE__NO_VALUE && (uint32_t)v < m->n_values; }

uint32_t qe__match_readers(const qe__match *m, qe__value_id v) {
  if (!known(m, v)) return 0;
  return m->uses.start[v + 1] - m->uses.start[v] + (m->uses.is_output[v] ? 1 : 0);
}

static bool plain(const qe__node *n, uint16_t op) {
  return !n->dead && n->op->id == op && !n->quantized && n->act.lo == -INFINITY && n->act.hi == INFINITY;
}

qe__node *qe__match_maker(const qe__match *m, qe__value_id v, uint16_t op) {
  const int32_t p = known(m, v) ? m->uses.producer[v] : -1;
  return p >= 0 && plain(m->g->nodes[p], op) && m->g->nodes[p]->out[0] == v ? m->g->nodes[p] : NULL;
}

qe__node *qe__match_inner(const qe__match *m, qe__value_id v, uint16_t op) {
  return known(m, v) && qe__fuse_single_use(&m->uses, v) ? qe__match_maker(m, v, op) : NULL;
}

qe__node *qe__match_reader(const qe__match *m, qe__value_id v, uint16_t op) {
  if (!known(m, v) || !qe__fuse_single_use(&m->uses, v)) return NULL;
  qe__node *n = m->g->nodes[m->uses.node[m->uses.start[v]]];
  return plain(n, op) ? n : NULL;
}

bool qe__match_scalar(const qe__match *m, qe__value_id v, qe__value_id beside, bool any, float *out) {
  const qe_tensor_t *t = v != QE__NO_VALUE ? m->g->values[v].data : NULL;
  if (t == NULL || t->count != 1 || (!any && t->dtype != QE_FLOAT32) || m->g->values[v].q.view.count != 0) return false;
  if (t->rank > 0 && qe__import_rank(m->im, beside) < (int32_t)t->rank) return false;
  *out = (float)qe__tensor_float_at(t, 0);
  return true;
}

bool qe__match_with_scalar(const qe__match *m, const qe__node *n, float *constant, qe__value_id *other) {
  if (n->n_in != 2) return false;
  for (uint32_t k = 0; k < 2; k++) {
    *other = n->in[1 - k];
    if (*other != QE__NO_VALUE && qe__match_scalar(m, n->in[k], *other, false, constant)) return true;
  }
  return false;
}

/* ---- products ---- */

static bool add_value(qe__factors *f, qe__value_id v) {
  if (v == QE__NO_VALUE || f->n_values == QE__MATCH_FACTORS) return false;
  f->values[f->n_values++] = v;
  return true;
}

static qe__node *product_node(const qe__match *m, qe__value_id v) {
  static const uint16_t ops[] = {QE__OP_Mul, QE__OP_Div, QE__OP_Pow};
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    qe__node *n = qe__match_inner(m, v, ops[i]);
    if (n != NULL) return n;
  }
  return NULL;
}

static bool add_node(const qe__match *m, qe__node *n, qe__factors *f);

static bool add_factor(const qe__match *m, qe__value_id v, qe__factors *f) {
  qe__node *n = f->depth < QE__MATCH_DEPTH ? product_node(m, v) : NULL;
  if (n == NULL) return add_value(f, v);
  const qe__factors before = *f;
  f->depth++;
  const bool added = add_node(m, n, f);
  f->depth = before.depth;
  if (added) {
    if (f->n_nodes == QE__MATCH_FACTORS) return false;
    f->nodes[f->n_nodes++] = n;
    return true;
  }
  *f = before; /* a quotient or power of another kind: one factor */
  return add_value(f, v);
}

static bool add_node(const qe__match *m, qe__node *n, qe__factors *f) {
  float c;
  qe__value_id other;
  if (n->n_in != 2 || n->in[0] == QE__NO_VALUE || n->in[1] == QE__NO_VALUE) return false;
  switch (n->op->id) {
    case QE__OP_Mul:
      if (!qe__match_with_scalar(m, n, &c, &other)) {
        return add_factor(m, n->in[0], f) && add_factor(m, n->in[1], f);
      }
      if (f->n_multipliers == QE__MATCH_FACTORS) return false;
      f->multipliers[f->n_multipliers++] = c;
      return add_factor(m, other, f);
    case QE__OP_Div:
      if (!qe__match_scalar(m, n->in[1], n->in[0], false, &c) || f->n_divisors == QE__MATCH_FACTORS) return false;
      f->divisors[f->n_divisors++] = c;
      return add_factor(m, n->in[0], f);
    case QE__OP_Pow:
      if (!qe__match_scalar(m, n->in[1], n->in[0], true, &c) || (c != 2.0f && c != 3.0f)) return false;
      for (int i = 0; i < (int)c; i++) {
        if (!add_value(f, n->in[0])) return false;
      }
      return true;
    default: return false;
  }
}

bool qe__match_product(const qe__match *m, qe__node *root, qe__factors *f) {
  *f = (qe__factors){0};
  return plain(root, root->op->id) && add_node(m, root, f);
}

bool qe__match_factors(const qe__match *m, qe__value_id v, qe__factors *f) {
  *f = (qe__factors){0};
  return add_factor(m, v, f);
}

/* ---- rewriting ---- */

qe_status_t qe__match_become(qe__node *last, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_merged,
                             qe__node *const *merged) {
  for (uint32_t i = 0; i < n_merged; i++) QE_TRY(qe__fuse_origin(last, merged[i]->name));
  QE_TRY(qe__fuse_origin(last, last->name));
  QE_TRY(qe__node_become(last, op, n_in, in));
  while (last->n_attr > 0) qe__node_remove_attr(last, last->attr[0].name);
  for (uint32_t i = 0; i < n_merged; i++) {
    if (merged[i] != last) qe__node_kill(merged[i]);
  }
  return QE_OK;
}
