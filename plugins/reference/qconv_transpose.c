/*
 * ConvTranspose on codes, channels last. Output position p gets the taps t for which (p + pad - t * dilation) /
 * stride is a whole number within x; the others contribute real 0. Weights [C, O/g, k...] are packed behind the
 * multipliers, for every group and tap as ref_q8_place says. Parameters of the weight: one pair, or one per dimension 1
 * (used in every group).
 */
#include <string.h>

#include "q8.h"
#include "window.h"

typedef struct deconv {
  ref_window g;
  int64_t groups, ic, oc; /* channels per group */
  int64_t oc_padded;
  int64_t tap_size; /* packed weights of a tap of a group */
} deconv;

static void init(deconv *s, const qe_problem *p) {
  ref_window_init(&s->g, p);
  s->groups = p->params->groups;
  s->ic = s->g.channels / s->groups;
  s->oc = s->g.out_channels / s->groups;
  s->oc_padded = ref_q8_padded(s->oc);
  s->tap_size = 2 * ref_q8_pairs(s->ic) * s->oc_padded;
}

int ref_qconv_transpose_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!ref_window_check(p, reason, reason_size))
    return 0;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const int64_t groups = p->params->groups;
  bool fits = groups >= 1 && x->dims[1] % groups == 0 && y->dims[1] % groups == 0 && w->rank == x->rank &&
              w->dims[0] == x->dims[1] && w->dims[1] == y->dims[1] / groups;
  for (uint32_t i = 0; fits && i < p->params->spatial; ++i)
    fits = w->dims[2 + i] == p->params->kernel[i];
  if (!fits)
    return ref_refuse(
        reason, reason_size,
        "ConvTranspose: a weight of rank %d and [%lld,%lld,...] does not fit %lld groups, %lld -> %lld channels",
        w->rank, (long long)w->dims[0], (long long)w->dims[1], (long long)groups, (long long)x->dims[1],
        (long long)y->dims[1]);
  deconv s;
  init(&s, p);
  if (!ref_q8_check(p, 1, s.oc, s.g.taps * s.ic, reason, reason_size))
    return 0;
  if (!w->data)
    return ref_refuse(reason, reason_size, "ConvTranspose: the weight is computed, a constant was expected");
  if (ref_has_in(p, 2) && p->in[2]->count != y->dims[1])
    return ref_refuse(reason, reason_size, "ConvTranspose: the bias has %lld elements, expected %lld",
                      (long long)p->in[2]->count, (long long)y->dims[1]);
  return 1;
}

static int64_t tile_pixels(const deconv *s) {
  const int64_t per_pixel = ref_max64(1, s->g.taps * s->ic * s->g.out_channels);
  return ref_max64(1, ref_min64(4096, (INT64_C(1) << 20) / per_pixel));
}

int ref_qconv_transpose_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  deconv s;
  init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.g.pixels, tile_pixels(&s));
  plan->packed_size = ref_q8_multiplier_bytes(s.g.out_channels) + sizeof(int16_t) * (uint64_t)s.groups *
                                                                      (uint64_t)s.g.taps * (uint64_t)s.tap_size;
  plan->scratch_size = sizeof(int32_t) * (uint64_t)s.oc_padded + sizeof(int16_t) * 2 * (uint64_t)ref_q8_pairs(s.ic);
  return 0;
}

int ref_qconv_transpose_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  deconv s;
  init(&s, p);
  const qe_operand *w = p->in[1];
  const int64_t *kernel = s.g.kernel;
  const ref_q8_zeros zeros = ref_q8_zeros_of(w);
  int64_t step[3] = {0, 0, 0};
  for (uint32_t i = 2; i < w->rank; ++i)
    step[3 + i - w->rank] = w->strides[i];
  ref_q8_multipliers(p, packed, s.g.out_channels);
  int16_t *to = (void *)((char *)packed + ref_q8_multiplier_bytes(s.g.out_channels));
  for (int64_t group = 0; group < s.groups; ++group)
    for (int64_t tap = 0; tap < s.g.taps; ++tap) {
      const int64_t a = tap / kernel[2] / kernel[1], b = tap / kernel[2] % kernel[1], c = tap % kernel[2];
      memset(to, 0, sizeof *to * (size_t)s.tap_size);
      for (int64_t i = 0; i < s.ic; ++i) {
        const int64_t from = (group * s.ic + i) * w->strides[0] + a * step[0] + b * step[1] + c * step[2];
        for (int64_t o = 0; o < s.oc; ++o)
          to[ref_q8_place(i, o, s.oc_padded)] =
              (int16_t)(ref_code8(w->data, w->dtype, from + o * w->strides[1]) - ref_q8_zero(&zeros, o));
      }
      to += s.tap_size;
    }
  return 0;
}

/* The input position along d that tap `tap` connects to output `at`, or -1. */
static int64_t source(const ref_window *g, int d, int64_t at, int64_t tap) {
  const int64_t v = at + g->pad[d] - tap * g->dilation[d];
  return v >= 0 && v % g->stride[d] == 0 && v / g->stride[d] < g->in[d] ? v / g->stride[d] : -1;
}

int ref_qconv_transpose_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  deconv s;
  init(&s, p);
  const ref_window *g = &s.g;
  const uint8_t *x = call->in[0];
  const int16_t *w = (const void *)((const char *)call->packed + ref_q8_multiplier_bytes(g->out_channels));
  const ref_q8_out out = ref_q8_out_of(p, loops, call->packed, ref_has_in(p, 2) ? call->in[2] : NULL, call->out[0]);
  int32_t *acc = call->scratch;
  int16_t *row = (void *)(acc + s.oc_padded);
  if (s.ic % 2 != 0)
    row[s.ic] = 0;
  const int64_t step = tile_pixels(&s), end = ref_min64(tile_end * step, g->pixels);
  for (int64_t pixel = tile_begin * step; pixel < end; ++pixel) {
    const ref_pixel at = ref_window_pixel(g, pixel);
    for (int64_t group = 0; group < s.groups; ++group) {
      memset(acc, 0, sizeof *acc * (size_t)s.oc_padded);
      for (int64_t tap = 0; tap < g->taps; ++tap) {
        const int64_t i = source(g, 0, at.at[0], tap / g->kernel[2] / g->kernel[1]);
        const int64_t j = source(g, 1, at.at[1], tap / g->kernel[2] % g->kernel[1]);
        const int64_t k = source(g, 2, at.at[2], tap % g->kernel[2]);
        if (i < 0 || j < 0 || k < 0)
          continue;
        const int64_t from = at.n * g->x_batch + i * g->x_step[0] + j * g->x_step[1] + k * g->x_step[2] + group * s.ic;
        ref_q8_widen(loops, row, x + from, p->in[0]->dtype, 1, p->in[0]->zero_points[0], s.ic);
        loops->panel_i16(acc, s.oc_padded, 1, s.oc_padded, row, 0, w + (group * g->taps + tap) * s.tap_size,
                         s.oc_padded, ref_q8_pairs(s.ic));
      }
      ref_q8_finish(&out, pixel * g->out_channels + group * s.oc, group * s.oc, acc, s.oc);
    }
  }
  return 0;
}
