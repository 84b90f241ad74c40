/*
 * MaxPool with its second output, float32, uint8 and int8, any strides: the largest element of each window and where in
 * x it is, as an index into x flattened: row-major, or (mode 1) with the spatial dimensions column-major. Which of
 * equal elements wins, NaN and empty windows are as in max_pool.c; the index of an empty window is -1.
 */
#include <math.h>

#include "pool_window.h"

#define TILE_ELEMENTS 4096

int ref_max_pool_indices_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!ref_has_out(p, 1))
    return ref_refuse(reason, reason_size, "MaxPool: no indices are wanted");
  const qe_operand *indices = p->out[1];
  const bool known = x->dtype == QE_DT_F32 || x->dtype == QE_DT_U8 || x->dtype == QE_DT_I8;
  if (!known || y->dtype != x->dtype || indices->dtype != QE_DT_I64 || indices->rank != y->rank)
    return ref_refuse(reason, reason_size, "MaxPool: no kernel for %s -> %s, %s of rank %d", ref_dtype_name(x->dtype),
                      ref_dtype_name(y->dtype), ref_dtype_name(indices->dtype), indices->rank);
  return ref_window_check(p, reason, reason_size);
}

static int64_t tile_pixels(const ref_window *g) { return ref_max64(1, TILE_ELEMENTS / ref_max64(1, g->channels)); }

int ref_max_pool_indices_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_window g;
  ref_window_init(&g, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(g.pixels, tile_pixels(&g));
  return 0;
}

static float element(const void *x, uint8_t dtype, int64_t at) {
  if (dtype == QE_DT_F32)
    return ((const float *)x)[at];
  return dtype == QE_DT_U8 ? (float)((const uint8_t *)x)[at] : (float)((const int8_t *)x)[at];
}

static void set_element(void *y, uint8_t dtype, int64_t at, float v) {
  if (dtype == QE_DT_F32)
    ((float *)y)[at] = v;
  else if (dtype == QE_DT_U8)
    ((uint8_t *)y)[at] = v < 0.0f ? 0 : (uint8_t)v;
  else
    ((int8_t *)y)[at] = v < -128.0f ? INT8_MIN : (int8_t)v;
}

typedef struct best {
  float value;
  int64_t at[3]; /* position in x; at[0] < 0: none */
} best;

static best window_best(const ref_window *g, const ref_pixel *pixel, const void *x, uint8_t dtype) {
  const ref_taps w = ref_window_taps(g, pixel);
  const int64_t *first = w.first;
  best b = {-INFINITY, {-1, -1, -1}};
  for (int64_t i = w.begin[0]; i < w.end[0]; ++i)
    for (int64_t j = w.begin[1]; j < w.end[1]; ++j)
      for (int64_t k = w.begin[2]; k < w.end[2]; ++k) {
        const float v = element(x, dtype, ref_pool_offset(g, first, i, j, k));
        if (b.at[0] < 0 || v > b.value || v != v)
          b = (best){v, {first[0] + i * g->dilation[0], first[1] + j * g->dilation[1], first[2] + k * g->dilation[2]}};
      }
  return b;
}

/* The index of a position within its image of one sample and channel. */
static int64_t flattened(const ref_window *g, const int64_t at[3], bool column_major) {
  return column_major ? (at[2] * g->in[1] + at[1]) * g->in[0] + at[0] : (at[0] * g->in[1] + at[1]) * g->in[2] + at[2];
}

int ref_max_pool_indices_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const uint8_t dtype = p->in[0]->dtype;
  const int64_t *index_strides = p->out[1]->strides;
  const uint32_t lead = 3 - p->params->spatial;
  ref_window g;
  ref_window_init(&g, p);
  const int64_t image = g.in[0] * g.in[1] * g.in[2];
  const int64_t step = tile_pixels(&g), end = ref_min64(tile_end * step, g.pixels);
  for (int64_t number = tile_begin * step; number < end; ++number) {
    const ref_pixel pixel = ref_window_pixel(&g, number);
    int64_t y_at = pixel.n * g.y_batch, index_at = pixel.n * index_strides[0];
    for (uint32_t d = 0; d < 3; ++d) {
      y_at += pixel.at[d] * g.y_step[d];
      index_at += d >= lead ? pixel.at[d] * index_strides[2 + d - lead] : 0;
    }
    for (int64_t c = 0; c < g.channels; ++c) {
      const int64_t from = pixel.n * g.x_batch + c * g.x_channel;
      const best b = window_best(&g, &pixel, (const char *)call->in[0] + from * (int64_t)ref_dtype_size(dtype), dtype);
      set_element(call->out[0], dtype, y_at + c * g.y_channel, ref_act(b.value, p->act_lo, p->act_hi));
      ((int64_t *)call->out[1])[index_at + c * index_strides[1]] =
          b.at[0] < 0 ? -1 : (pixel.n * g.channels + c) * image + flattened(&g, b.at, p->params->mode == 1);
    }
  }
  return 0;
}
