/*
 * ConvTranspose, float32, channels last, 1 to 3 spatial dimensions, any groups, dilation and padding.
 *
 * Gathers: output position p gets the taps t for which i = (p + pad - t * dilation) / stride is a whole number within
 * x. y = act(sum_k x_k * w_k + bias), k = (tap ascending in row-major order, channel of the group); taps without an
 * input are skipped; the sum's order is accum.h's. Weights [C, O/g, k...] are packed as [group][tap][ic][oc].
 */
#include "accum.h"
#include "window.h"

typedef struct deconv_shape {
  ref_window g;
  int64_t groups, ic, oc; /* channels per group */
  int64_t length;         /* of the reduction: taps * ic */
} deconv_shape;

static void shape_init(deconv_shape *s, const qe_problem *p) {
  ref_window_init(&s->g, p);
  s->groups = p->params->groups;
  s->ic = s->g.channels / s->groups;
  s->oc = s->g.out_channels / s->groups;
  s->length = s->g.taps * s->ic;
}

int ref_conv_transpose_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!ref_window_check(p, reason, reason_size))
    return 0;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const int64_t groups = p->params->groups;
  if (groups < 1 || x->dims[1] % groups || y->dims[1] % groups)
    return ref_refuse(reason, reason_size,
                      "ConvTranspose: groups %lld do not divide %lld input and %lld output channels", (long long)groups,
                      (long long)x->dims[1], (long long)y->dims[1]);
  if (w->rank != x->rank || w->dims[0] != x->dims[1] || w->dims[1] != y->dims[1] / groups)
    return ref_refuse(reason, reason_size,
                      "ConvTranspose: weight of rank %d is [%lld,%lld,...], expected rank %d and [%lld,%lld,...]",
                      w->rank, (long long)w->dims[0], (long long)w->dims[1], x->rank, (long long)x->dims[1],
                      (long long)(y->dims[1] / groups));
  for (uint32_t i = 0; i < p->params->spatial; ++i)
    if (w->dims[2 + i] != p->params->kernel[i])
      return ref_refuse(reason, reason_size, "ConvTranspose: weight dimension %u is %lld, expected the kernel's %lld",
                        2 + i, (long long)w->dims[2 + i], (long long)p->params->kernel[i]);
  if (ref_has_in(p, 2) && (p->in[2]->dtype != QE_DT_F32 || p->in[2]->count != y->dims[1]))
    return ref_refuse(reason, reason_size, "ConvTranspose: bias has %lld elements of %s, expected %lld of float32",
                      (long long)p->in[2]->count, ref_dtype_name(p->in[2]->dtype), (long long)y->dims[1]);
  return 1;
}

static int64_t tile_pixels(const deconv_shape *s, const qe_problem *p) {
  const int64_t per_pixel = ref_max64(1, s->length * s->g.out_channels);
  const int64_t pixels = ref_max64(1, ref_min64(4096, (INT64_C(1) << 18) / per_pixel));
  return p->in[1]->data ? pixels : ref_max64(256, pixels);
}

static uint64_t packed_floats(const deconv_shape *s) { return (uint64_t)s->g.channels * (uint64_t)(s->g.taps * s->oc); }

int ref_conv_transpose_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  deconv_shape s;
  shape_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.g.pixels, tile_pixels(&s, p));
  plan->scratch_size = sizeof(float) * ref_accum_floats(s.oc);
  if (p->in[1]->data)
    plan->packed_size = sizeof(float) * packed_floats(&s);
  else
    plan->scratch_size += sizeof(float) * packed_floats(&s);
  return 0;
}

static void pack(const deconv_shape *s, const qe_operand *w, const float *data, float *to) {
  int64_t step[3] = {0, 0, 0};
  for (uint32_t i = 2; i < w->rank; ++i)
    step[3 + i - w->rank] = w->strides[i];
  const int64_t *kernel = s->g.kernel;
  for (int64_t group = 0; group < s->groups; ++group)
    for (int64_t a = 0; a < kernel[0]; ++a)
      for (int64_t b = 0; b < kernel[1]; ++b)
        for (int64_t c = 0; c < kernel[2]; ++c)
          for (int64_t i = 0; i < s->ic; ++i)
            for (int64_t o = 0; o < s->oc; ++o)
              *to++ = data[(group * s->ic + i) * w->strides[0] + o * w->strides[1] + a * step[0] + b * step[1] +
                           c * step[2]];
}

int ref_conv_transpose_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  deconv_shape s;
  shape_init(&s, p);
  pack(&s, p->in[1], p->in[1]->data, packed);
  return 0;
}

/* The input position along d that tap `tap` connects to output `at`, or -1. */
static int64_t source(const ref_window *g, int d, int64_t at, int64_t tap) {
  const int64_t v = at + g->pad[d] - tap * g->dilation[d];
  return v >= 0 && v % g->stride[d] == 0 && v / g->stride[d] < g->in[d] ? v / g->stride[d] : -1;
}

static const float *sum_pixel(const deconv_shape *s, ref_accum *a, const ref_pixel *at, const float *x,
                              const float *w) {
  const ref_window *g = &s->g;
  for (int64_t i = 0; i < g->kernel[0]; ++i) {
    const int64_t xi = source(g, 0, at->at[0], i);
    for (int64_t j = 0; xi >= 0 && j < g->kernel[1]; ++j) {
      const int64_t xj = source(g, 1, at->at[1], j);
      for (int64_t k = 0; xj >= 0 && k < g->kernel[2]; ++k) {
        const int64_t xk = source(g, 2, at->at[2], k);
        if (xk < 0)
          continue;
        const int64_t tap = (i * g->kernel[1] + j) * g->kernel[2] + k;
        ref_accum_panel(a, tap * s->ic, x + xi * g->x_step[0] + xj * g->x_step[1] + xk * g->x_step[2], 1,
                        w + tap * s->ic * s->oc, s->oc, s->ic);
      }
    }
  }
  return ref_accum_finish(a, s->length);
}

int ref_conv_transpose_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  deconv_shape s;
  shape_init(&s, p);
  const float *x = call->in[0], *bias = ref_has_in(p, 2) ? call->in[2] : NULL, *w = call->packed;
  float *scratch = call->scratch, *y = call->out[0];
  if (!p->in[1]->data) {
    float *packed = scratch + ref_accum_floats(s.oc);
    pack(&s, p->in[1], call->in[1], packed);
    w = packed;
  }
  const int64_t step = tile_pixels(&s, p), end = ref_min64(tile_end * step, s.g.pixels);
  for (int64_t pixel = tile_begin * step; pixel < end; ++pixel) {
    const ref_pixel at = ref_window_pixel(&s.g, pixel);
    for (int64_t group = 0; group < s.groups; ++group) {
      ref_accum a;
      ref_accum_start(&a, loops, scratch, s.oc);
      const float *sum = sum_pixel(&s, &a, &at, x + at.n * s.g.x_batch + group * s.ic, w + group * s.length * s.oc);
      loops->finish_f32(y + pixel * s.g.out_channels + group * s.oc, sum, bias ? bias + group * s.oc : NULL, p->act_lo,
                        p->act_hi, s.oc);
    }
  }
  return 0;
}
