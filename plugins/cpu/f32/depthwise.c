/*
 * Depthwise Conv, float32: one channel per group on both sides. A tile is some lines of the output; within it channels
 * go in blocks, so that the input lines that neighbouring output lines share stay in the first-level cache.
 */
#include "f32/depthwise.h"
#include "f32/core.h"
#include "f32/window.h"
#include "spatial.h"

#define TILE_WORK 1000000 /* multiplications of a tile */

typedef struct shape {
  fb_f32_window w;
  int64_t channels, padded, taps;
  int64_t lines, tile_lines; /* of the output; of a tile */
} shape;

static shape shape_of(const qe_problem *p) {
  shape s = {.w = fb_f32_window_of(p, false, 0), .channels = p->in[0]->dims[1]};
  s.padded = fb_round_up(s.channels, 16); /* for every instruction set */
  s.taps = s.w.kernel[0] * s.w.kernel[1] * s.w.kernel[2];
  s.lines = s.w.batch * s.w.axis[0].n * s.w.axis[1].n;
  s.tile_lines = fb_max64(1, TILE_WORK / fb_max64(1, s.w.axis[2].n * s.taps * s.channels));
  s.tile_lines = fb_min64(s.tile_lines, fb_max64(1, s.lines));
  return s;
}

int fb_f32_depthwise_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!fb_conv_check(p, false, reason, reason_size)) return 0;
  if (p->params->groups != p->in[0]->dims[1] || p->params->groups != p->out[0]->dims[1])
    return fb_refuse(reason, reason_size, "Conv: not depthwise");
  if (!p->in[1]->data) return fb_refuse(reason, reason_size, "Conv: computed depthwise weights");
  if (fb_has_in(p, 2) && p->in[2]->dtype != QE_DT_F32)
    return fb_refuse(reason, reason_size, "Conv: bias is no float32");
  if (shape_of(p).taps > FB_F32_CHUNK)
    return fb_refuse(reason, reason_size, "Conv: a depthwise kernel of several chunks");
  return 1;
}

int fb_f32_depthwise_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const shape s = shape_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(s.lines, s.tile_lines);
  plan->packed_size = sizeof(float) * (uint64_t)(s.padded * s.taps);
  plan->scratch_size = sizeof(fb_f32_dw_line) * (uint64_t)s.tile_lines + sizeof(fb_f32_span) * (uint64_t)s.w.axis[2].n;
  return 0;
}

/* [tap][channel], channels padded with 0 */
int fb_f32_depthwise_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  const shape s = shape_of(p);
  const qe_operand *w = p->in[1];
  const float *data = w->data;
  float *to = packed;
  for (int64_t tap = 0; tap < s.taps; ++tap) {
    int64_t offset = 0, rest = tap;
    for (uint32_t d = p->params->spatial; d-- > 0; rest /= p->params->kernel[d])
      offset += rest % p->params->kernel[d] * w->strides[2 + d];
    for (int64_t c = 0; c < s.padded; ++c) *to++ = c < s.channels ? data[c * w->strides[0] + offset] : 0.0f;
  }
  return 0;
}

/* What is the same for all lines. */
static fb_f32_dw job_of(const shape *s, const qe_call *call) {
  const fb_f32_window *w = &s->w;
  const fb_f32_axis *a = w->axis;
  return (fb_f32_dw){.n = a[2].n,
                     .taps = a[2].taps,
                     .x_px = a[2].in_step * w->x_step[2],
                     .x_plane = a[0].tap_step * w->x_step[0],
                     .x_row = a[1].tap_step * w->x_step[1],
                     .x_tap = a[2].tap_step * w->x_step[2],
                     .w_plane = w->kernel[1] * w->kernel[2] * s->padded,
                     .w_row = w->kernel[2] * s->padded,
                     .w_tap = s->padded,
                     .y_px = w->y_step[2],
                     .whole0 = a[2].lo,
                     .whole1 = a[2].hi,
                     .bias = fb_has_in(call->problem, 2) ? call->in[2] : NULL,
                     .lo = call->problem->act_lo,
                     .hi = call->problem->act_hi,
                     .clamps = fb_clamps(call->problem)};
}

static fb_f32_dw_line line_at(const shape *s, const fb_f32_dw *d, const qe_call *call, int64_t line) {
  const fb_f32_window *w = &s->w;
  const fb_f32_axis *a = w->axis;
  const int64_t i1 = line % a[1].n, i0 = line / a[1].n % a[0].n, n = line / a[1].n / a[0].n;
  int64_t b0, e0, b1, e1;
  fb_f32_taps(&a[0], i0, &b0, &e0);
  fb_f32_taps(&a[1], i1, &b1, &e1);
  const int64_t x0 = a[0].at + i0 * a[0].in_step + b0 * a[0].tap_step,
                x1 = a[1].at + i1 * a[1].in_step + b1 * a[1].tap_step;
  return (fb_f32_dw_line){.x = (const float *)call->in[0] +
                               (n * w->x_batch + x0 * w->x_step[0] + x1 * w->x_step[1] + a[2].at * w->x_step[2]),
                          .w = (const float *)call->packed + (b0 * d->w_plane + b1 * d->w_row),
                          .y = (float *)call->out[0] + (n * w->y_batch + i0 * w->y_step[0] + i1 * w->y_step[1]),
                          .planes = e0 - b0,
                          .rows = e1 - b1};
}

/* As many channels as the first-level cache holds the input and the weights of, for a block of outputs. */
static int64_t channel_step(const shape *s, const qe_cpu *cpu) {
  const int64_t l1d = (int64_t)(cpu->l1d ? cpu->l1d : 32768) / (int64_t)sizeof(float);
  const fb_f32_axis *a = s->w.axis;
  const int64_t line = (FB_F32_DW_PIXELS - 1) * a[2].in_step + a[2].taps;
  const int64_t most = fb_max64(64, l1d * 2 / 3 / (a[0].taps * a[1].taps * (line + a[2].taps)));
  return fb_round_up(fb_ceil_div(s->channels, fb_ceil_div(s->channels, most)), 16);
}

static void run(void (*fn)(const fb_f32_dw *d), void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const shape s = shape_of(call->problem);
  fb_f32_dw d = job_of(&s, call);
  fb_f32_dw_line *lines = call->scratch;
  fb_f32_span *spans = (void *)(lines + s.tile_lines);
  for (int64_t i = 0; i < d.n; ++i) {
    int64_t begin, end;
    fb_f32_taps(&s.w.axis[2], i, &begin, &end);
    spans[i] = (fb_f32_span){(int32_t)begin, (int32_t)end};
  }
  d.lines = lines;
  d.spans = spans;
  const int64_t step = channel_step(&s, fb_cpu(self));
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t first = tile * s.tile_lines;
    d.count = fb_min64(s.tile_lines, s.lines - first);
    for (int64_t i = 0; i < d.count; ++i) lines[i] = line_at(&s, &d, call, first + i);
    for (d.c0 = 0; d.c0 < s.channels; d.c0 = d.c1) {
      d.c1 = fb_min64(d.c0 + step, s.channels);
      fn(&d);
    }
  }
}

#define RUN(isa, unused)                                                                                                     \
  int fb_f32_depthwise_##isa##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {            \
    run(fb_f32_dw__##isa, self, call, tile_begin, tile_end);                                                           \
    return 0;                                                                                                          \
  }
FB_VECTORS(RUN, )
