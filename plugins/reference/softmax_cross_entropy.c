/*
 * SoftmaxCrossEntropy and SoftmaxCrossEntropyGrad, float32 logits [..., C] and int64 labels, row-major. Per row:
 * m = max x, e = exp(x - m), lse = log(sum e); with label smoothing a
 *
 * loss:     v = lse - (x_t - m), with smoothing (1 - a) * v + a * (lse - sum (x - m) / C); the output is the sum of v
 * gradient: dloss * (e / sum e - target), target = (j == t ? (1 - a) + a / C : a / C), without smoothing 1 and +0
 *
 * Sums are 16-lane sums. A row whose label is to be ignored counts as +0; a label out of range fails the run. The loss
 * is one tile; tiles of the gradient are rows.
 */
#include "columns.h"
#include "math_functions.h"

typedef struct loss {
  const float *x;
  const int64_t *labels;
  int64_t rows, classes, ignored;
  bool ignores;
  float smoothing;
} loss;

/* From the operands at inputs `first` and `first` + 1. */
static loss loss_of(const qe_problem *p, uint32_t first) {
  const qe_operand *x = p->in[first];
  return (loss){.rows = ref_count(x->rank - 1u, x->dims),
                .classes = x->dims[x->rank - 1],
                .ignores = p->params->mode == 1,
                .ignored = p->params->starts[0],
                .smoothing = p->params->alpha};
}

static void attach(loss *l, const qe_call *call, uint32_t first) {
  l->x = call->in[first];
  l->labels = call->in[first + 1];
}

static int supports(const qe_problem *p, uint32_t first, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[first], *t = p->in[first + 1];
  if (x->rank < 1 || x->dims[x->rank - 1] < 1 || x->dtype != QE_DT_F32 || t->dtype != QE_DT_I64)
    return ref_refuse(reason, reason_size, "%s: logits are %s of rank %d, labels %s", p->op, ref_dtype_name(x->dtype),
                      x->rank, ref_dtype_name(t->dtype));
  const int64_t rows = loss_of(p, first).rows;
  if (t->count != rows)
    return ref_refuse(reason, reason_size, "%s: %lld labels, expected one for each of %lld rows", p->op,
                      (long long)t->count, (long long)rows);
  return 1;
}

int ref_softmax_cross_entropy_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return supports(p, 0, reason, reason_size);
}

int ref_softmax_cross_entropy_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->count != 1 || p->out[0]->count != p->in[1]->count)
    return ref_refuse(reason, reason_size, "%s: dloss has %lld elements, expected one", p->op,
                      (long long)p->in[0]->count);
  return supports(p, 1, reason, reason_size);
}

static bool is_ignored(const loss *l, int64_t row) { return l->ignores && l->labels[row] == l->ignored; }
static bool is_label(const loss *l, int64_t row) { return l->labels[row] >= 0 && l->labels[row] < l->classes; }

/* e[i] = exp(x[i] - m); returns m. NaN is ignored in m, as in softmax.c. */
static float exponents(const float *x, int64_t n, float *e) {
  float m = -INFINITY;
  for (int64_t i = 0; i < n; ++i)
    m = x[i] > m ? x[i] : m;
  for (int64_t i = 0; i < n; ++i)
    e[i] = ref_exp(x[i] - m);
  return m;
}

static float row_loss(const loss *l, int64_t row, float *e) {
  const float *x = l->x + row * l->classes, m = exponents(x, l->classes, e);
  const float lse = ref_log(ref_sum_f32(e, l->classes, 1)), v = lse - (x[l->labels[row]] - m), a = l->smoothing;
  if (a == 0.0f)
    return v;
  for (int64_t i = 0; i < l->classes; ++i)
    e[i] = x[i] - m;
  return (1.0f - a) * v + a * (lse - ref_sum_f32(e, l->classes, 1) / (float)l->classes);
}

int ref_softmax_cross_entropy_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = 1;
  plan->scratch_size = sizeof(float) * ((uint64_t)loss_of(p, 0).classes + ref_columns_floats(1));
  return 0;
}

int ref_softmax_cross_entropy_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  if (tile_begin >= tile_end)
    return 0;
  loss l = loss_of(call->problem, 0);
  attach(&l, call, 0);
  float *e = call->scratch;
  ref_columns sum;
  ref_columns_start(&sum, ref_loops_of(self), e + l.classes, 1);
  for (int64_t row = 0; row < l.rows; ++row) {
    const bool ignored = is_ignored(&l, row);
    if (!ignored && !is_label(&l, row))
      return 1;
    const float v = ignored ? 0.0f : row_loss(&l, row, e);
    ref_columns_add(&sum, &v);
  }
  *(float *)call->out[0] = *ref_columns_finish(&sum);
  return 0;
}

static int64_t rows_per_tile(const loss *l) { return ref_max64(1, REF_FLAT_TILE / l->classes); }

int ref_softmax_cross_entropy_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const loss l = loss_of(p, 1);
  plan->tiles = ref_ceil_div(l.rows, rows_per_tile(&l));
  return 0;
}

int ref_softmax_cross_entropy_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  loss l = loss_of(call->problem, 1);
  attach(&l, call, 1);
  const float dloss = *(const float *)call->in[0], a = l.smoothing;
  const float other = a == 0.0f ? 0.0f : a / (float)l.classes, own = a == 0.0f ? 1.0f : (1.0f - a) + other;
  const int64_t end = ref_min64(tile_end * rows_per_tile(&l), l.rows);
  for (int64_t row = tile_begin * rows_per_tile(&l); row < end; ++row) {
    float *d = (float *)call->out[0] + row * l.classes;
    const bool ignored = is_ignored(&l, row);
    if (!ignored && !is_label(&l, row))
      return 1;
    if (!ignored)
      (void)exponents(l.x + row * l.classes, l.classes, d);
    const float sum = ignored ? 0.0f : ref_sum_f32(d, l.classes, 1);
    for (int64_t i = 0; i < l.classes; ++i)
      d[i] = ignored ? 0.0f : dloss * (d[i] / sum - (i == l.labels[row] ? own : other));
  }
  return 0;
}
