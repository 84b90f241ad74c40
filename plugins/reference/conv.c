/*
 * Conv, float32, channels last, 1 to 3 spatial dimensions, any groups, dilation and padding.
 *
 * y[n, o, p] = act(sum_k x_k * w_k + bias[o]) with k = (tap, channel of the group), taps in row-major order of the
 * kernel; padded taps are skipped. The sum's order is accum.h's. Weights are packed as [group][tap][ic][oc], so that
 * the inner loop runs over neighbouring output channels; depthwise weights (one channel per group on both sides) as
 * [tap][channel], so that it runs over the groups.
 */
#include "accum.h"
#include "window.h"

typedef struct conv_shape {
  ref_window g;
  int64_t groups, ic, oc; /* channels per group */
  int64_t length;         /* of the reduction: taps * ic */
  bool depthwise;
} conv_shape;

static void shape_init(conv_shape *s, const qe_problem *p) {
  ref_window_init(&s->g, p);
  s->groups = p->params->groups;
  s->ic = s->g.channels / s->groups;
  s->oc = s->g.out_channels / s->groups;
  s->length = s->g.taps * s->ic;
  s->depthwise = s->groups > 1 && s->ic == 1 && s->oc == 1;
}

int ref_conv_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!ref_window_check(p, reason, reason_size))
    return 0;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const int64_t groups = p->params->groups;
  if (groups < 1 || x->dims[1] % groups || y->dims[1] % groups)
    return ref_refuse(reason, reason_size, "Conv: groups %lld do not divide %lld input and %lld output channels",
                      (long long)groups, (long long)x->dims[1], (long long)y->dims[1]);
  if (w->rank != x->rank || w->dims[0] != y->dims[1] || w->dims[1] != x->dims[1] / groups)
    return ref_refuse(reason, reason_size,
                      "Conv: weight of rank %d is [%lld,%lld,...], expected rank %d and [%lld,%lld,...]", w->rank,
                      (long long)w->dims[0], (long long)w->dims[1], x->rank, (long long)y->dims[1],
                      (long long)(x->dims[1] / groups));
  for (uint32_t i = 0; i < p->params->spatial; ++i)
    if (w->dims[2 + i] != p->params->kernel[i])
      return ref_refuse(reason, reason_size, "Conv: weight dimension %u is %lld, expected the kernel's %lld", 2 + i,
                        (long long)w->dims[2 + i], (long long)p->params->kernel[i]);
  if (ref_has_in(p, 2) && (p->in[2]->dtype != QE_DT_F32 || p->in[2]->count != y->dims[1]))
    return ref_refuse(reason, reason_size, "Conv: bias has %lld elements of %s, expected %lld of float32",
                      (long long)p->in[2]->count, ref_dtype_name(p->in[2]->dtype), (long long)y->dims[1]);
  return 1;
}

/* Enough pixels for some 256 thousand multiplications; more where every call must pack the weights first. */
static int64_t tile_pixels(const conv_shape *s, const qe_problem *p) {
  const int64_t per_pixel = ref_max64(1, s->length * s->g.out_channels);
  const int64_t pixels = ref_max64(1, ref_min64(4096, (INT64_C(1) << 18) / per_pixel));
  return p->in[1]->data ? pixels : ref_max64(256, pixels);
}

static uint64_t packed_floats(const conv_shape *s) { return (uint64_t)s->g.out_channels * (uint64_t)s->length; }

int ref_conv_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  conv_shape s;
  shape_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.g.pixels, tile_pixels(&s, p));
  plan->scratch_size = sizeof(float) * ref_accum_floats(s.depthwise ? s.groups : s.oc);
  if (p->in[1]->data)
    plan->packed_size = sizeof(float) * packed_floats(&s);
  else
    plan->scratch_size += sizeof(float) * packed_floats(&s);
  return 0;
}

static void pack(const conv_shape *s, const qe_operand *w, const float *data, float *packed) {
  int64_t step[3] = {0, 0, 0};
  for (uint32_t i = 2; i < w->rank; ++i)
    step[3 + i - w->rank] = w->strides[i];
  const int64_t *kernel = s->g.kernel;
  for (int64_t group = 0; group < s->groups; ++group)
    for (int64_t a = 0; a < kernel[0]; ++a)
      for (int64_t b = 0; b < kernel[1]; ++b)
        for (int64_t c = 0; c < kernel[2]; ++c) {
          const int64_t tap = (a * kernel[1] + b) * kernel[2] + c;
          const float *from = data + group * s->oc * w->strides[0] + a * step[0] + b * step[1] + c * step[2];
          float *to =
              s->depthwise ? packed + tap * s->groups + group : packed + (group * s->g.taps + tap) * s->ic * s->oc;
          for (int64_t i = 0; i < s->ic; ++i)
            for (int64_t o = 0; o < s->oc; ++o)
              *to++ = from[o * w->strides[0] + i * w->strides[1]];
        }
}

int ref_conv_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  conv_shape s;
  shape_init(&s, p);
  pack(&s, p->in[1], p->in[1]->data, packed);
  return 0;
}

/* Sums of the output channels of one group (depthwise: of all groups) at one pixel. */
static const float *sum_pixel(const conv_shape *s, ref_accum *a, const ref_pixel *at, const float *x, const float *w) {
  const ref_window *g = &s->g;
  int64_t begin[3], end[3], first[3];
  for (int d = 0; d < 3; ++d) {
    ref_window_range(g, d, at->at[d], &begin[d], &end[d]);
    first[d] = at->at[d] * g->stride[d] - g->pad[d];
  }
  /* Neighbouring taps of a kernel row read neighbouring memory when nothing lies between them: one longer panel. */
  const bool joined = g->dilation[2] == 1 && g->x_step[2] == s->ic;
  for (int64_t i = begin[0]; i < end[0]; ++i)
    for (int64_t j = begin[1]; j < end[1]; ++j) {
      const float *row =
          x + (first[0] + i * g->dilation[0]) * g->x_step[0] + (first[1] + j * g->dilation[1]) * g->x_step[1];
      const int64_t tap_row = (i * g->kernel[1] + j) * g->kernel[2];
      for (int64_t k = begin[2]; k < end[2]; ++k) {
        const float *from = row + (first[2] + k * g->dilation[2]) * g->x_step[2];
        const int64_t tap = tap_row + k;
        if (s->depthwise) {
          ref_accum_products(a, tap, from, w + tap * s->groups);
          continue;
        }
        const int64_t taps = joined ? end[2] - k : 1;
        ref_accum_panel(a, tap * s->ic, from, 1, w + tap * s->ic * s->oc, s->oc, taps * s->ic);
        k += taps - 1;
      }
    }
  return ref_accum_finish(a, s->length);
}

int ref_conv_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  conv_shape s;
  shape_init(&s, p);
  const int64_t n = s.depthwise ? s.groups : s.oc, passes = s.depthwise ? 1 : s.groups;
  const float *x = call->in[0], *bias = ref_has_in(p, 2) ? call->in[2] : NULL, *w = call->packed;
  float *scratch = call->scratch, *y = call->out[0];
  if (!p->in[1]->data) {
    float *packed = scratch + ref_accum_floats(n);
    pack(&s, p->in[1], call->in[1], packed);
    w = packed;
  }
  const int64_t step = tile_pixels(&s, p), end = ref_min64(tile_end * step, s.g.pixels);
  for (int64_t pixel = tile_begin * step; pixel < end; ++pixel) {
    const ref_pixel at = ref_window_pixel(&s.g, pixel);
    for (int64_t group = 0; group < passes; ++group) {
      ref_accum a;
      ref_accum_start(&a, loops, scratch, n);
      const float *sum = sum_pixel(&s, &a, &at, x + at.n * s.g.x_batch + group * s.ic, w + group * s.length * s.oc);
      loops->finish_f32(y + pixel * s.g.out_channels + group * n, sum, bias ? bias + group * n : NULL, p->act_lo,
                        p->act_hi, n);
    }
  }
  return 0;
}
