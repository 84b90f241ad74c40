/*
 * ReduceMean on codes, any strides: acc = sum of (q - zx), exact; y = clamp(rne((float)acc * (sx / (sy * (float)n)))
 * + zy). A mean over nothing gives real 0.
 */
#include "quant.h"

/* The reduced dimensions as one box; the others as the list of results. */
typedef struct shape {
  uint32_t box_rank, kept_rank;
  int64_t box_dims[QE_MAX_RANK], box_strides[QE_MAX_RANK], box_count;
  int64_t kept_dims[QE_MAX_RANK], x_strides[QE_MAX_RANK], y_strides[QE_MAX_RANK];
} shape;

static void init(shape *s, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  *s = (shape){.box_count = 1};
  for (uint32_t i = 0; i < x->rank; ++i) {
    if (p->params->axes >> i & 1u) {
      s->box_count *= x->dims[i];
      s->box_dims[s->box_rank] = x->dims[i];
      s->box_strides[s->box_rank++] = x->strides[i];
    } else {
      s->kept_dims[s->kept_rank] = x->dims[i];
      s->x_strides[s->kept_rank] = x->strides[i];
      s->y_strides[s->kept_rank] = y->strides[y->rank == x->rank ? i : s->kept_rank];
      ++s->kept_rank;
    }
  }
}

int ref_qreduce_mean_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!ref_is_code8_per_tensor(x) || !ref_is_code8_per_tensor(y))
    return ref_refuse(reason, reason_size, "ReduceMean: expected uint8 or int8 with one pair of parameters");
  uint32_t kept = 0;
  for (uint32_t i = 0; i < x->rank; ++i)
    kept += !(p->params->axes >> i & 1u);
  if (y->rank != x->rank && y->rank != kept)
    return ref_refuse(reason, reason_size, "ReduceMean: output of rank %d, expected %d or %u", y->rank, x->rank, kept);
  shape s;
  init(&s, p);
  if (s.box_count > INT32_MAX / 255)
    return ref_refuse(reason, reason_size, "ReduceMean: a sum of %lld codes could reach 2^31", (long long)s.box_count);
  return 1;
}

static int64_t results_per_tile(const shape *s) { return ref_max64(1, 2 * REF_FLAT_TILE / ref_max64(1, s->box_count)); }

int ref_qreduce_mean_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  shape s;
  init(&s, p);
  plan->tiles = ref_ceil_div(p->out[0]->count, results_per_tile(&s));
  return 0;
}

int ref_qreduce_mean_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  shape s;
  init(&s, p);
  int32_t lo, hi;
  ref_code_range(p, &lo, &hi);
  const float m = x->scales[0] / (y->scales[0] * (float)ref_max64(s.box_count, 1));
  const int64_t step = results_per_tile(&s), end = ref_min64(tile_end * step, y->count);
  for (int64_t i = tile_begin * step; i < end; ++i) {
    const uint8_t *from = (const uint8_t *)call->in[0] + ref_offset(s.kept_rank, s.kept_dims, s.x_strides, i);
    int64_t sum = 0;
    ref_iter it;
    ref_iter_start(&it, s.box_rank, s.box_dims, s.box_strides, 0);
    for (int64_t j = 0; j < s.box_count; ++j, ref_iter_next(&it))
      sum += ref_code8(from, x->dtype, it.offset) - x->zero_points[0];
    uint8_t *to = (uint8_t *)call->out[0] + ref_offset(s.kept_rank, s.kept_dims, s.y_strides, i);
    *to = (uint8_t)ref_rne_sat((float)sum * m, y->zero_points[0], lo, hi);
  }
  return 0;
}
