/*
 * MaxPool and GlobalMaxPool of uint8 and int8, plain or codes of one set of parameters, any strides: the largest
 * element of each window, padding left out; the type's lowest value when a window holds no element.
 */
#include "pool_window.h"

int ref_max_pool_int_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if ((x->dtype != QE_DT_U8 && x->dtype != QE_DT_I8) || y->dtype != x->dtype)
    return ref_refuse(reason, reason_size, "%s: no kernel for %s -> %s", p->op, ref_dtype_name(x->dtype),
                      ref_dtype_name(y->dtype));
  if (ref_has_out(p, 1))
    return ref_refuse(reason, reason_size, "%s: gives no indices", p->op);
  if (p->params->spatial && !ref_window_check(p, reason, reason_size))
    return 0;
  if (x->rank < 3 || x->rank > 5 || y->rank != x->rank)
    return ref_refuse(reason, reason_size, "%s: ranks %d -> %d, expected 3 to 5", p->op, x->rank, y->rank);
  return 1;
}

static int64_t tile_pixels(const ref_window *g) {
  return ref_max64(1, ref_min64(1024, (1 << 16) / ref_max64(1, g->channels * g->taps)));
}

int ref_max_pool_int_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_window g;
  ref_pool_window_init(&g, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(g.pixels, tile_pixels(&g));
  return 0;
}

int ref_max_pool_int_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  ref_window g;
  ref_pool_window_init(&g, p);
  /* Flipping the sign bit makes the order of int8 that of unsigned bytes. */
  const uint8_t flip = p->in[0]->dtype == QE_DT_I8 ? 0x80 : 0;
  const int64_t step = tile_pixels(&g), last = ref_min64(tile_end * step, g.pixels);
  for (int64_t pixel = tile_begin * step; pixel < last; ++pixel) {
    const ref_pixel at = ref_window_pixel(&g, pixel);
    int64_t begin[3], end[3], first[3];
    uint8_t *y = (uint8_t *)call->out[0] + at.n * g.y_batch;
    for (int d = 0; d < 3; ++d) {
      ref_window_range(&g, d, at.at[d], &begin[d], &end[d]);
      first[d] = at.at[d] * g.stride[d] - g.pad[d];
      y += at.at[d] * g.y_step[d];
    }
    for (int64_t c = 0; c < g.channels; ++c)
      y[c * g.y_channel] = flip;
    for (int64_t i = begin[0]; i < end[0]; ++i)
      for (int64_t j = begin[1]; j < end[1]; ++j)
        for (int64_t k = begin[2]; k < end[2]; ++k) {
          const uint8_t *x = (const uint8_t *)call->in[0] + at.n * g.x_batch + ref_pool_offset(&g, first, i, j, k);
          for (int64_t c = 0; c < g.channels; ++c) {
            const uint8_t v = x[c * g.x_channel], best = y[c * g.y_channel];
            y[c * g.y_channel] = (v ^ flip) > (best ^ flip) ? v : best;
          }
        }
  }
  return 0;
}
