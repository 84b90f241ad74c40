/*
 * LayerNormalization written out, as exporters for opsets below 17 do:
 *   m = mean(x); d = x - m; y = d / sqrt(mean(d^2) + eps) * scale [+ bias]
 * with d^2 as Pow or Mul, one Sub or two equal ones, a Div or a Mul by the Reciprocal, and the operands of Add and Mul
 * in any order; and the form in which scale and mean are brought together first (TensorFlow's):
 *   r = 1 / sqrt(mean(d^2) + eps) * scale; y = x * r + (bias - m * r)
 */
#include "onnx/recognize.h"

enum { MAX_MERGED = 16 };

typedef struct norm {
  const qe__match *m;
  qe__value_id x, mean;
  qe__node *mean_node;
  int64_t n_axes;
  float epsilon;
  uint32_t n;
  qe__node *nodes[MAX_MERGED];
  uint32_t mean_readers; /* inputs of the pattern that read the mean */
} norm;

static void take(norm *t, qe__node *n) {
  for (uint32_t i = 0; i < t->n; i++) {
    if (t->nodes[i] == n) return;
  }
  if (t->n < MAX_MERGED) t->nodes[t->n++] = n;
}

/* The number of axes that a ReduceMean takes the mean over, when they are the last ones and are kept; else 0. */
static int64_t last_axes(const qe__match *m, const qe__node *n) {
  const qe_tensor_t *axes = n->n_in > 1 && n->in[1] != QE__NO_VALUE ? m->g->values[n->in[1]].data : NULL;
  if (axes == NULL || axes->count < 1 || axes->count > QE_MAX_RANK || qe__node_int(n, "keepdims", 1) == 0) return 0;
  const int32_t rank = qe__import_rank(m->im, n->in[0]);
  uint32_t seen = 0;
  for (int64_t i = 0; i < axes->count; i++) {
    int64_t axis = qe__tensor_int_at(axes, i);
    if (axis >= 0) axis = rank >= 0 ? axis - rank : 0;
    if (axis >= 0 || axis < -axes->count) return 0;
    seen |= UINT32_C(1) << (-axis - 1);
  }
  return seen == (UINT32_C(1) << axes->count) - 1 ? axes->count : 0;
}

/* v = x - mean(x); sets x on first sight. */
static qe__node *centered(norm *t, qe__value_id v) {
  qe__node *sub = qe__match_maker(t->m, v, QE__OP_Sub);
  if (sub == NULL || sub->n_in != 2) return NULL;
  qe__node *mean = qe__match_maker(t->m, sub->in[1], QE__OP_ReduceMean);
  if (mean == NULL || mean->in[0] != sub->in[0] || sub->in[0] == QE__NO_VALUE) return NULL;
  if (t->mean_node == NULL) {
    t->x = sub->in[0];
    t->mean = sub->in[1];
    t->mean_node = mean;
    t->n_axes = last_axes(t->m, mean);
  }
  if (t->n_axes == 0 || t->mean_node != mean || sub->in[0] != t->x) return NULL;
  return sub;
}

/* v = d * d: *d is the Sub; *readers counts the inputs that read its result here. */
static bool square(norm *t, qe__value_id v, qe__node **d, uint32_t *readers) {
  qe__node *pow = qe__match_inner(t->m, v, QE__OP_Pow), *mul = qe__match_inner(t->m, v, QE__OP_Mul);
  float two;
  if (pow != NULL) {
    if (pow->n_in != 2 || pow->in[0] == QE__NO_VALUE || !qe__match_scalar(t->m, pow->in[1], pow->in[0], true, &two) ||
        two != 2.0f) {
      return false;
    }
    *d = centered(t, pow->in[0]);
    *readers = 1;
    take(t, pow);
    return *d != NULL;
  }
  if (mul == NULL || mul->n_in != 2 || mul->in[0] != mul->in[1]) return false;
  *d = centered(t, mul->in[0]);
  *readers = 2;
  take(t, mul);
  return *d != NULL;
}

/* v = sqrt(mean(d * d) + eps) */
static bool deviation(norm *t, qe__value_id v, qe__node **d, uint32_t *readers) {
  qe__node *root = qe__match_inner(t->m, v, QE__OP_Sqrt);
  qe__node *add = root != NULL ? qe__match_inner(t->m, root->in[0], QE__OP_Add) : NULL;
  qe__value_id var;
  if (add == NULL || !qe__match_with_scalar(t->m, add, &t->epsilon, &var) || !(t->epsilon >= 0.0f)) return false;
  qe__node *mean = qe__match_inner(t->m, var, QE__OP_ReduceMean);
  if (mean == NULL || mean->in[0] == QE__NO_VALUE || !square(t, mean->in[0], d, readers)) return false;
  if (last_axes(t->m, mean) != t->n_axes) return false;
  take(t, *d);
  take(t, mean);
  take(t, add);
  take(t, root);
  return true;
}

/* A float32 constant with the dimensions of the axes that are normalized (a dimension of 1 would be broadcast). */
static bool is_parameter(const norm *t, qe__value_id v) {
  const qe_tensor_t *p = v != QE__NO_VALUE ? t->m->g->values[v].data : NULL;
  if (p == NULL || p->dtype != QE_FLOAT32 || (int64_t)p->rank != t->n_axes) return false;
  if (t->m->g->values[v].q.view.count != 0) return false;
  for (uint32_t d = 0; d < p->rank; d++) {
    if (p->dims[d] <= 1) return false;
  }
  return true;
}

static bool with_parameter(const norm *t, const qe__node *n, qe__value_id v, qe__value_id *parameter) {
  if (n == NULL || n->n_in != 2 || n->in[0] == n->in[1]) return false;
  *parameter = n->in[n->in[0] == v ? 1 : 0];
  return is_parameter(t, *parameter);
}

static bool same_dims(const qe__graph *g, qe__value_id a, qe__value_id b) {
  const qe_tensor_t *x = g->values[a].data, *y = g->values[b].data;
  if (x->rank != y->rank) return false;
  for (uint32_t d = 0; d < x->rank; d++) {
    if (x->dims[d] != y->dims[d]) return false;
  }
  return true;
}

/* Nothing outside reads what goes away. */
static bool enclosed(const norm *t, const qe__node *d1, uint32_t readers1, const qe__node *d2, uint32_t readers2) {
  if (d1 == d2) {
    return qe__match_readers(t->m, d1->out[0]) == readers1 + readers2 &&
           qe__match_readers(t->m, t->mean) == 1 + t->mean_readers;
  }
  if (qe__match_readers(t->m, d1->out[0]) != readers1) return false;
  if (d2 != NULL && qe__match_readers(t->m, d2->out[0]) != readers2) return false;
  return qe__match_readers(t->m, t->mean) == (d2 != NULL ? 2u : 1u) + t->mean_readers;
}

static qe_status_t rewrite(norm *t, qe__node *last, qe__value_id scale, qe__value_id bias) {
  qe__node *merged[MAX_MERGED + 1];
  uint32_t n = 0;
  merged[n++] = t->mean_node;
  for (uint32_t i = 0; i < t->n; i++) merged[n++] = t->nodes[i];
  const qe__value_id in[3] = {t->x, scale, bias};
  QE_TRY(qe__match_become(last, QE__OP_LayerNormalization, 3, in, n, merged));
  QE_TRY(qe__node_set_int(last, "axis", -t->n_axes));
  return qe__node_set_float(last, "epsilon", t->epsilon);
}

/* y = d / s, or d * (1 / s): d is the node's input 0 or 1, s the deviation. */
static bool normalized(norm *t, qe__node *n, qe__node **d, qe__node **squared, uint32_t *readers) {
  if (n->n_in != 2) return false;
  for (uint32_t k = 0; k < (n->op->id == QE__OP_Mul ? 2u : 1u); k++) {
    qe__value_id s = n->in[1 - k];
    const norm before = *t;
    qe__node *inverse = NULL;
    if (n->op->id == QE__OP_Mul) {
      inverse = qe__match_inner(t->m, s, QE__OP_Reciprocal);
      if (inverse == NULL) continue;
      s = inverse->in[0];
    }
    if (deviation(t, s, squared, readers) && (*d = centered(t, n->in[k])) != NULL) {
      take(t, *d);
      if (inverse != NULL) take(t, inverse);
      take(t, n);
      return true;
    }
    *t = before;
  }
  return false;
}

static qe_status_t plain_form(qe__match *m, qe__node *n) {
  norm t = {.m = m};
  qe__node *d, *squared;
  uint32_t readers;
  qe__value_id scale, bias;
  if (!normalized(&t, n, &d, &squared, &readers) || !enclosed(&t, squared, readers, d, 1)) return QE_OK;
  qe__node *mul = qe__match_reader(m, n->out[0], QE__OP_Mul);
  if (!with_parameter(&t, mul, n->out[0], &scale)) return QE_OK;
  qe__node *add = qe__match_reader(m, mul->out[0], QE__OP_Add);
  if (!with_parameter(&t, add, mul->out[0], &bias) || !same_dims(m->g, scale, bias)) {
    return rewrite(&t, mul, scale, QE__NO_VALUE);
  }
  take(&t, mul);
  return rewrite(&t, add, scale, bias);
}

/* n = bias - m * r in y = x * r + n, with r = scale / deviation. */
static qe_status_t gathered_form(qe__match *m, qe__node *n) {
  norm t = {.m = m};
  qe__value_id scale;
  if (n->n_in != 2 || !is_parameter(&(const norm){.m = m, .n_axes = 1}, n->in[0])) return QE_OK;
  qe__node *shift = qe__match_inner(m, n->in[1], QE__OP_Mul), *y = qe__match_reader(m, n->out[0], QE__OP_Add);
  if (shift == NULL || y == NULL || y->in[0] == y->in[1]) return QE_OK;
  qe__node *scaled = qe__match_inner(m, y->in[y->in[0] == n->out[0] ? 1 : 0], QE__OP_Mul);
  if (scaled == NULL) return QE_OK;
  for (uint32_t k = 0; k < 2; k++) {
    qe__node *r = qe__match_maker(m, shift->in[k], QE__OP_Mul), *squared, *inverse;
    uint32_t readers;
    if (r == NULL || qe__match_readers(m, r->out[0]) != 2 || r->n_in != 2) continue;
    const uint32_t at = scaled->in[0] == r->out[0] ? 0 : 1;
    if (scaled->in[at] != r->out[0]) continue;
    for (uint32_t j = 0; j < 2; j++) {
      t = (norm){.m = m, .mean_readers = 1};
      inverse = qe__match_inner(m, r->in[j], QE__OP_Reciprocal);
      scale = r->in[1 - j];
      if (inverse == NULL || !deviation(&t, inverse->in[0], &squared, &readers)) continue;
      if (t.n_axes != 1 || !is_parameter(&t, scale) || !same_dims(m->g, scale, n->in[0]) ||
          shift->in[1 - k] != t.mean || scaled->in[1 - at] != t.x || !enclosed(&t, squared, readers, NULL, 0)) {
        continue;
      }
      take(&t, inverse);
      take(&t, r);
      take(&t, shift);
      take(&t, scaled);
      take(&t, n);
      return rewrite(&t, y, scale, n->in[0]);
    }
  }
  return QE_OK;
}

qe_status_t qe__recognize_layer_norm(const qe__import *im) {
  qe__match m;
  qe_status_t status;
  QE_TRY_GOTO(qe__match_begin(&m, im), done);
  for (uint32_t i = 0; i < m.g->n_nodes; i++) {
    qe__node *n = m.g->nodes[i];
    if (n->dead || n->quantized) continue;
    if (n->op->id == QE__OP_Div || n->op->id == QE__OP_Mul) QE_TRY_GOTO(plain_form(&m, n), done);
    else if (n->op->id == QE__OP_Sub) QE_TRY_GOTO(gathered_form(&m, n), done);
  }
done:
  qe__match_end(&m);
  return status;
}
