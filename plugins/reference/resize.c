/*
 * Resize, any strides. Nearest moves elements of any byte-sized type. Linear interpolates along every dimension, the
 * first one outermost: v = (1 - t) * a + t * b, where a and b are the values at the two neighbours with the later
 * dimensions interpolated already and t is the fraction of the coordinate; b is left out where t is 0. float32, and
 * 8-bit integers rounded half to even. tf_crop_and_resize gives the extrapolation value outside the input. Cubic is
 * not supported.
 */
#include "convert.h"
#include "quant.h"
#include "remap.h"
#include "resize_coords.h"

int ref_resize_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (x->rank != y->rank || p->params->mode > QE_RESIZE_LINEAR)
    return ref_refuse(reason, reason_size,
                      "Resize: ranks %d -> %d, mode %u, expected equal ranks and nearest or linear", x->rank, y->rank,
                      p->params->mode);
  for (uint32_t d = 0; d < y->rank; ++d)
    if (x->dims[d] == 0 && y->dims[d] != 0)
      return ref_refuse(reason, reason_size, "Resize: dimension %u is empty and cannot grow", d);
  if (p->params->mode == QE_RESIZE_LINEAR && y->dtype != QE_DT_F32 && !ref_is_code8(y))
    return ref_refuse(reason, reason_size, "Resize: linear knows float32, uint8 and int8, found %s",
                      ref_dtype_name(y->dtype));
  return ref_move_supports(self, p, reason, reason_size);
}

/* Linear: both neighbours' offsets and the fraction, per output position of each dimension. */
typedef struct axis_table {
  int64_t *low, *high; /* low: REF_REMAP_FILL outside */
  float *fraction;
} axis_table;

int ref_resize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  plan->scratch_size = 3 * ref_remap_bytes(p->out[0]);
  return ref_flat_copy_plan(self, p, plan);
}

static bool outside(const ref_resize_dim *r, float x) {
  return r->coord == QE_COORD_TF_CROP_AND_RESIZE && !(x >= 0.0f && x <= (float)(r->in - 1));
}

static void run_nearest(const qe_call *call, const uint8_t *fill, int64_t begin, int64_t end) {
  const qe_problem *p = call->problem;
  const qe_operand *y = p->out[0];
  ref_remap map;
  ref_remap_init(&map, y, call->scratch);
  for (uint32_t d = 0; d < y->rank; ++d) {
    const ref_resize_dim r = ref_resize_dim_of(p, d);
    for (int64_t i = 0; i < y->dims[d]; ++i) {
      const float at = ref_resize_coordinate(&r, i);
      const int64_t from = r.same ? i : ref_resize_nearest(&r, p->params->nearest, at);
      map.table[d][i] = !r.same && outside(&r, at) ? REF_REMAP_FILL : from * p->in[0]->strides[d];
    }
  }
  ref_remap_run(&map, ref_dtype_size(y->dtype), call->out[0], call->in[0], fill, begin, end);
}

static void fill_tables(const qe_problem *p, void *scratch, axis_table *tables) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  int64_t *next = scratch;
  for (uint32_t d = 0; d < y->rank; ++d) {
    tables[d] = (axis_table){next, next + y->dims[d], (float *)(void *)(next + 2 * y->dims[d])};
    next += 3 * y->dims[d];
    const ref_resize_dim r = ref_resize_dim_of(p, d);
    for (int64_t i = 0; i < y->dims[d]; ++i) {
      const float at = ref_resize_coordinate(&r, i), top = (float)(r.in - 1);
      const float inside = !(at > 0.0f) ? 0.0f : at > top ? top : at;
      const int64_t low = r.same ? i : ref_min64((int64_t)inside, r.in - 1), high = ref_min64(low + 1, r.in - 1);
      tables[d].low[i] = !r.same && outside(&r, at) ? REF_REMAP_FILL : low * x->strides[d];
      tables[d].high[i] = high * x->strides[d];
      tables[d].fraction[i] = r.same ? 0.0f : inside - (float)low;
    }
  }
}

typedef struct point {
  const void *x;
  uint8_t dtype;
  uint32_t rank;
  int64_t low[QE_MAX_RANK], high[QE_MAX_RANK];
  float fraction[QE_MAX_RANK];
} point;

static float interpolate(const point *q, uint32_t d, int64_t at) {
  while (d < q->rank && q->fraction[d] == 0.0f)
    at += q->low[d++];
  if (d == q->rank)
    return q->dtype == QE_DT_F32 ? ((const float *)q->x)[at] : (float)ref_code8(q->x, q->dtype, at);
  const float t = q->fraction[d];
  const float a = interpolate(q, d + 1, at + q->low[d]), b = interpolate(q, d + 1, at + q->high[d]);
  return (1.0f - t) * a + t * b;
}

static void run_linear(const qe_call *call, int64_t begin, int64_t end) {
  const qe_problem *p = call->problem;
  const qe_operand *y = p->out[0];
  axis_table tables[QE_MAX_RANK];
  fill_tables(p, call->scratch, tables);
  uint32_t order[QE_MAX_RANK];
  ref_memory_order(y, order);
  int32_t lo, hi;
  (void)ref_code_limits(y->dtype, &lo, &hi);
  for (int64_t at = begin; at < end; ++at) {
    point q = {.x = call->in[0], .dtype = y->dtype, .rank = y->rank};
    bool filled = false;
    int64_t rest = at, to = 0;
    for (uint32_t k = y->rank; k-- > 0;) {
      const uint32_t d = order[k];
      const int64_t i = rest % y->dims[d];
      rest /= y->dims[d];
      to += i * y->strides[d];
      q.low[d] = tables[d].low[i];
      q.high[d] = tables[d].high[i];
      q.fraction[d] = tables[d].fraction[i];
      filled = filled || q.low[d] == REF_REMAP_FILL;
    }
    const float v = filled ? p->params->fill : interpolate(&q, 0, 0);
    if (y->dtype == QE_DT_F32)
      ((float *)call->out[0])[to] = ref_act(v, p->act_lo, p->act_hi);
    else
      ((uint8_t *)call->out[0])[to] = (uint8_t)ref_rne_sat(v, 0, lo, hi);
  }
}

int ref_resize_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  if (p->params->mode == QE_RESIZE_LINEAR) {
    run_linear(call, begin, end);
    return 0;
  }
  uint8_t fill[8];
  ref_fill_element(p->out[0]->dtype, p->params->fill, ref_load_i64(&p->params->fill, QE_DT_F32, 0), fill);
  run_nearest(call, fill, begin, end);
  return 0;
}
