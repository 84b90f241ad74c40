/*
 * AveragePool and GlobalAveragePool on codes, any strides: acc = sum of (q - zx), exact;
 * y = clamp(rne((float)acc * (sx / (sy * (float)count))) + zy). count leaves the padding out unless count_include_pad
 * says otherwise; a window without any element gives real 0.
 */
#include <string.h>

#include "pool_window.h"
#include "quant.h"

/* Elements of the padded input along d that the window at `at` covers. */
static int64_t padded_count(const ref_window *g, int d, int64_t at) {
  const int64_t first = at * g->stride[d] - g->pad[d], room = g->in[d] + g->pad_end[d] - first;
  return ref_max64(0, ref_min64(g->kernel[d], ref_ceil_div(ref_max64(room, 0), g->dilation[d])));
}

int ref_qaverage_pool_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!ref_is_code8_per_tensor(x) || !ref_is_code8_per_tensor(y))
    return ref_refuse(reason, reason_size, "%s: expected uint8 or int8 with one pair of parameters", p->op);
  if (p->params->spatial && !ref_window_check(p, reason, reason_size))
    return 0;
  if (x->rank < 3 || x->rank > 5 || y->rank != x->rank)
    return ref_refuse(reason, reason_size, "%s: ranks %d -> %d, expected 3 to 5", p->op, x->rank, y->rank);
  ref_window g;
  ref_pool_window_init(&g, p);
  if (g.taps > INT32_MAX / 255)
    return ref_refuse(reason, reason_size, "%s: a sum of %lld codes could reach 2^31", p->op, (long long)g.taps);
  return 1;
}

static int64_t tile_pixels(const ref_window *g) {
  return ref_max64(1, ref_min64(1024, (1 << 16) / ref_max64(1, g->channels * g->taps)));
}

int ref_qaverage_pool_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_window g;
  ref_pool_window_init(&g, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(g.pixels, tile_pixels(&g));
  plan->scratch_size = sizeof(int32_t) * (uint64_t)g.channels;
  return 0;
}

static void add_channels(int32_t *acc, const void *x, uint8_t dtype, int64_t step, int64_t n) {
  if (dtype == QE_DT_I8)
    for (int64_t c = 0; c < n; ++c)
      acc[c] += ((const int8_t *)x)[c * step];
  else
    for (int64_t c = 0; c < n; ++c)
      acc[c] += ((const uint8_t *)x)[c * step];
}

int ref_qaverage_pool_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  ref_window g;
  ref_pool_window_init(&g, p);
  int32_t *acc = call->scratch, lo, hi;
  ref_code_range(p, &lo, &hi);
  const int64_t step = tile_pixels(&g), last = ref_min64(tile_end * step, g.pixels);
  for (int64_t pixel = tile_begin * step; pixel < last; ++pixel) {
    const ref_pixel at = ref_window_pixel(&g, pixel);
    int64_t begin[3], end[3], first[3], present = 1, padded = 1;
    for (int d = 0; d < 3; ++d) {
      ref_window_range(&g, d, at.at[d], &begin[d], &end[d]);
      first[d] = at.at[d] * g.stride[d] - g.pad[d];
      present *= end[d] - begin[d];
      padded *= padded_count(&g, d, at.at[d]);
    }
    memset(acc, 0, sizeof *acc * (size_t)g.channels);
    for (int64_t i = begin[0]; i < end[0]; ++i)
      for (int64_t j = begin[1]; j < end[1]; ++j)
        for (int64_t k = begin[2]; k < end[2]; ++k)
          add_channels(acc, (const uint8_t *)call->in[0] + at.n * g.x_batch + ref_pool_offset(&g, first, i, j, k),
                       x->dtype, g.x_channel, g.channels);
    const int64_t count = p->params->count_include_pad ? padded : present;
    const float m = x->scales[0] / (y->scales[0] * (float)ref_max64(count, 1));
    uint8_t *to = (uint8_t *)call->out[0] + at.n * g.y_batch;
    for (int d = 0; d < 3; ++d)
      to += at.at[d] * g.y_step[d];
    for (int64_t c = 0; c < g.channels; ++c) {
      const int64_t sum = acc[c] - present * x->zero_points[0];
      to[c * g.y_channel] = (uint8_t)ref_rne_sat((float)sum * m, y->zero_points[0], lo, hi);
    }
  }
  return 0;
}
