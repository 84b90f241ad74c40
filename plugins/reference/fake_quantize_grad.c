/*
 * FakeQuantizeGrad, any strides. With t = rne(x / s) + z and "inside" for quant_min <= t <= quant_max:
 *   dx = inside ? dy : +0
 *   dscale = grad_factor * sum16(inside ? dy * ((y - x) / s) : dy * (bound - z)), bound the end of the range beyond which t is
 *   dzero_point = grad_factor * sum16(inside ? +0 : -(dy * s))
 * per tensor or per channel, in row-major order of the channel's elements. Where x / s is NaN: dx +0, both terms +0.
 * The first tiles are pieces of dx, then there is one for each channel's sums.
 */
#include "fake_quantize.h"

enum { DY, X, SCALE }; /* inputs; the zero point follows */

static int64_t dx_tiles(const qe_problem *p) { return ref_ceil_div(p->in[X]->count, REF_FLAT_TILE); }
static int64_t most_terms(const qe_problem *p) { return ref_max64(1, ref_min64(p->in[X]->count, REF_SUM_CHUNK)); }
static bool wants_sums(const qe_problem *p) { return ref_has_out(p, 1) || ref_has_out(p, 2); }

int ref_fake_quantize_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = dx_tiles(p) + (wants_sums(p) ? ref_fake_channels(p, p->in[X]) : 0);
  plan->scratch_size = wants_sums(p) ? 2 * sizeof(float) * (uint64_t)most_terms(p) : 0;
  return 0;
}

/* rne(x / s) as a float, and whether the code lies inside; below and above compare exactly, as bounds are whole. */
static float rounded(float x, const ref_fake_pair *q) { return nearbyintf(x / q->scale); }
static float least(const ref_fake *f, const ref_fake_pair *q) { return (float)(f->lo - q->zero); }
static float most(const ref_fake *f, const ref_fake_pair *q) { return (float)(f->hi - q->zero); }

static void gradient(const qe_call *call, const ref_fake *f, int64_t begin, int64_t end) {
  const qe_problem *p = call->problem;
  const float *dy = call->in[DY], *x = call->in[X];
  float *dx = call->out[0];
  int64_t channel[QE_MAX_RANK];
  ref_nest nest;
  ref_fake_channel_strides(p, channel);
  ref_nest_init(&nest, p->out[0]->rank, p->out[0]->dims);
  ref_nest_add(&nest, p->out[0]->strides);
  ref_nest_add(&nest, p->in[DY]->strides);
  ref_nest_add(&nest, p->in[X]->strides);
  ref_nest_add(&nest, channel);
  ref_nest_close(&nest);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i) {
      const ref_fake_pair q = ref_fake_pair_of(f, w.offset[3] + i * w.step[3]);
      const float r = rounded(x[w.offset[2] + i * w.step[2]], &q);
      const bool inside = r >= least(f, &q) && r <= most(f, &q);
      dx[w.offset[0] + i * w.step[0]] = inside ? dy[w.offset[1] + i * w.step[1]] : 0.0f;
    }
}

static void terms(const ref_fake *f, const ref_fake_pair *q, float dy, float x, float *scale, float *zero) {
  const float r = rounded(x, q), lo = least(f, q), hi = most(f, q);
  *scale = *zero = 0.0f;
  if (r >= lo && r <= hi) {
    *scale = dy * ((r * q->scale - x) / q->scale);
  } else if (r == r) {
    *scale = dy * (r < lo ? lo : hi);
    *zero = -(dy * q->scale);
  }
}

static void sums(const qe_call *call, const ref_fake *f, int64_t channel) {
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[X], *dy = p->in[DY];
  const ref_fake_pair q = ref_fake_pair_of(f, channel);
  int64_t dims[QE_MAX_RANK], x_start = 0, dy_start = 0;
  for (uint32_t d = 0; d < x->rank; ++d)
    dims[d] = (int32_t)d == f->axis ? 1 : x->dims[d];
  if (f->axis >= 0) {
    x_start = channel * x->strides[f->axis];
    dy_start = channel * dy->strides[f->axis];
  }
  const float *from = (const float *)call->in[X] + x_start, *gradients = (const float *)call->in[DY] + dy_start;
  const int64_t n = ref_count(x->rank, dims);
  float *scale_terms = call->scratch, *zero_terms = scale_terms + most_terms(p);
  float scale = 0.0f, zero = 0.0f;
  ref_iter at, dy_at;
  ref_iter_start(&at, x->rank, dims, x->strides, 0);
  ref_iter_start(&dy_at, x->rank, dims, dy->strides, 0);
  for (int64_t begin = 0; begin < n; begin += REF_SUM_CHUNK) {
    const int64_t count = ref_min64(REF_SUM_CHUNK, n - begin);
    for (int64_t i = 0; i < count; ++i, ref_iter_next(&at), ref_iter_next(&dy_at))
      terms(f, &q, gradients[dy_at.offset], from[at.offset], &scale_terms[i], &zero_terms[i]);
    const float scale_part = ref_sum_f32(scale_terms, count, 1), zero_part = ref_sum_f32(zero_terms, count, 1);
    scale = begin == 0 ? scale_part : scale + scale_part;
    zero = begin == 0 ? zero_part : zero + zero_part;
  }
  if (ref_has_out(p, 1))
    ((float *)call->out[1])[channel * p->out[1]->strides[0]] = p->params->alpha * scale;
  if (ref_has_out(p, 2))
    ((float *)call->out[2])[channel * p->out[2]->strides[0]] = p->params->alpha * zero;
}

int ref_fake_quantize_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const ref_fake f = ref_fake_of(p, SCALE, call->in);
  const int64_t pieces = dx_tiles(p);
  if (tile_begin < pieces) {
    int64_t begin, end;
    ref_flat_range(p, tile_begin, ref_min64(tile_end, pieces), &begin, &end);
    gradient(call, &f, begin, end);
  }
  for (int64_t tile = ref_max64(tile_begin, pieces); tile < tile_end; ++tile)
    sums(call, &f, tile - pieces);
  return 0;
}
