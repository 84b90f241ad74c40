/*
 * Depthwise Conv and ConvTranspose, float32: one channel per group on both sides. A tile is some lines of the output (of a
 * phase of it, when transposed); within it channels go in blocks, so that the input lines that neighbouring output lines
 * share stay in the first-level cache. Computed weights, which are few, are packed by whoever computes tiles.
 */
#include "f32/depthwise.h"
#include "f32/core.h"
#include "f32/window.h"
#include "spatial.h"

#define TILE_WORK 1000000 /* multiplications of a tile */

typedef struct shape {
  fb_f32_window w; /* of one phase */
  bool transposed;
  int64_t phases, channels, padded, taps;
  int64_t lines, tile_lines; /* of the output in this phase; of a tile */
  int64_t tiles;             /* of each phase; the last ones of some are empty */
} shape;

static void set_phase(shape *s, const qe_problem *p, int64_t phase) {
  s->w = fb_f32_window_of(p, s->transposed, phase);
  s->lines = s->w.batch * s->w.axis[0].n * s->w.axis[1].n;
}

static shape shape_of(const qe_problem *p, bool transposed) {
  shape s = {.transposed = transposed, .phases = transposed ? fb_phases(p) : 1, .channels = p->in[0]->dims[1]};
  set_phase(&s, p, 0); /* the largest */
  s.padded = fb_round_up(s.channels, 16); /* for every instruction set */
  s.taps = s.w.kernel[0] * s.w.kernel[1] * s.w.kernel[2];
  s.tile_lines = fb_max64(1, TILE_WORK / fb_max64(1, s.w.axis[2].n * fb_ceil_div(s.taps, s.phases) * s.channels));
  s.tile_lines = fb_min64(s.tile_lines, fb_max64(1, s.lines));
  s.tiles = fb_ceil_div(s.lines, s.tile_lines);
  return s;
}

static int supports(const qe_problem *p, bool transposed, char *reason, size_t reason_size) {
  if (!fb_conv_check(p, transposed, reason, reason_size)) return 0;
  if (p->params->groups != p->in[0]->dims[1] || p->params->groups != p->out[0]->dims[1])
    return fb_refuse(reason, reason_size, "%s: not depthwise", p->op);
  if (fb_has_in(p, 2) && p->in[2]->dtype != QE_DT_F32)
    return fb_refuse(reason, reason_size, "%s: bias is no float32", p->op);
  if (shape_of(p, transposed).taps > FB_F32_CHUNK)
    return fb_refuse(reason, reason_size, "%s: a depthwise kernel of several chunks", p->op);
  return 1;
}

static uint64_t packed_size(const shape *s) {
  return sizeof(float) * (uint64_t)(s->padded * s->taps);
}

static int plan(const qe_problem *p, bool transposed, qe_kernel_plan *plan) {
  const shape s = shape_of(p, transposed);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.phases * s.tiles;
  plan->scratch_size = sizeof(fb_f32_dw_line) * (uint64_t)s.tile_lines + sizeof(fb_f32_span) * (uint64_t)s.w.axis[2].n;
  if (p->in[1]->data) plan->packed_size = packed_size(&s);
  else plan->scratch_size += packed_size(&s);
  return 0;
}

/* [tap][channel], channels padded with 0 */
static void pack(const shape *s, const qe_problem *p, const float *data, float *to) {
  const qe_operand *w = p->in[1];
  for (int64_t tap = 0; tap < s->taps; ++tap) {
    int64_t offset = 0, rest = tap;
    for (uint32_t d = p->params->spatial; d-- > 0; rest /= p->params->kernel[d])
      offset += rest % p->params->kernel[d] * w->strides[2 + d];
    for (int64_t c = 0; c < s->padded; ++c) *to++ = c < s->channels ? data[c * w->strides[0] + offset] : 0.0f;
  }
}

/* What is the same for all lines of a phase; weights: packed. */
static fb_f32_dw job_of(const shape *s, const qe_call *call) {
  const fb_f32_window *w = &s->w;
  const fb_f32_axis *a = w->axis;
  fb_f32_dw d = {.n = a[2].n,
                 .taps = a[2].taps,
                 .x_px = a[2].in_step * w->x_step[2],
                 .x_plane = a[0].tap_step * w->x_step[0],
                 .x_row = a[1].tap_step * w->x_step[1],
                 .x_tap = a[2].tap_step * w->x_step[2],
                 .w_plane = a[0].tap_skip * w->kernel[1] * w->kernel[2] * s->padded,
                 .w_row = a[1].tap_skip * w->kernel[2] * s->padded,
                 .w_tap = a[2].tap_skip * s->padded,
                 .y_px = a[2].step * w->y_step[2],
                 .whole0 = a[2].lo,
                 .whole1 = a[2].hi,
                 .bias = fb_has_in(call->problem, 2) ? call->in[2] : NULL,
                 .lo = call->problem->act_lo,
                 .hi = call->problem->act_hi,
                 .clamps = fb_clamps(call->problem)};
  if (s->transposed) { /* taps go backwards through the input: so do outputs, then */
    d.x_px = -d.x_px;
    d.y_px = -d.y_px;
    d.whole0 = a[2].n - a[2].hi;
    d.whole1 = a[2].n - a[2].lo;
  }
  return d;
}

static fb_f32_dw_line line_at(const shape *s, const fb_f32_dw *d, const qe_call *call, const float *packed, int64_t line) {
  const fb_f32_window *w = &s->w;
  const fb_f32_axis *a = w->axis;
  const int64_t i1 = line % a[1].n, i0 = line / a[1].n % a[0].n, n = line / a[1].n / a[0].n;
  const int64_t first = s->transposed ? a[2].n - 1 : 0;
  int64_t b0, e0, b1, e1;
  fb_f32_taps(&a[0], i0, &b0, &e0);
  fb_f32_taps(&a[1], i1, &b1, &e1);
  const int64_t x0 = a[0].at + i0 * a[0].in_step + b0 * a[0].tap_step,
                x1 = a[1].at + i1 * a[1].in_step + b1 * a[1].tap_step, x2 = a[2].at + first * a[2].in_step;
  const int64_t y0 = a[0].first + i0 * a[0].step, y1 = a[1].first + i1 * a[1].step, y2 = a[2].first + first * a[2].step;
  const int64_t tap = (a[0].tap * w->kernel[1] + a[1].tap) * w->kernel[2] + a[2].tap;
  return (fb_f32_dw_line){
      .x = (const float *)call->in[0] + (n * w->x_batch + x0 * w->x_step[0] + x1 * w->x_step[1] + x2 * w->x_step[2]),
      .w = packed + (tap * s->padded + b0 * d->w_plane + b1 * d->w_row),
      .y = (float *)call->out[0] + (n * w->y_batch + y0 * w->y_step[0] + y1 * w->y_step[1] + y2 * w->y_step[2]),
      .planes = e0 - b0,
      .rows = e1 - b1};
}

/* As many channels as the first-level cache holds the input and the weights of, for a block of outputs. */
static int64_t channel_step(const shape *s, const qe_cpu *cpu) {
  const int64_t l1d = fb_l1d(cpu) / (int64_t)sizeof(float);
  const fb_f32_axis *a = s->w.axis;
  const int64_t line = (FB_F32_DW_PIXELS - 1) * a[2].in_step + a[2].taps;
  const int64_t most = fb_max64(64, l1d * 2 / 3 / fb_max64(1, a[0].taps * a[1].taps * (line + a[2].taps)));
  return fb_round_up(fb_ceil_div(s->channels, fb_ceil_div(s->channels, most)), 16);
}

/* Lines, and the taps of the outputs along them, in this phase. */
static fb_f32_dw phase_of(const shape *s, const qe_call *call, fb_f32_dw_line *lines) {
  fb_f32_dw d = job_of(s, call);
  fb_f32_span *spans = (void *)(lines + s->tile_lines);
  for (int64_t i = 0; i < d.n; ++i) {
    int64_t begin, end;
    fb_f32_taps(&s->w.axis[2], s->transposed ? d.n - 1 - i : i, &begin, &end);
    spans[i] = (fb_f32_span){(int32_t)begin, (int32_t)end};
  }
  d.lines = lines;
  d.spans = spans;
  return d;
}

static void run(void (*fn)(const fb_f32_dw *d), void *self, const qe_call *call, bool transposed, int64_t tile_begin,
                int64_t tile_end) {
  shape s = shape_of(call->problem, transposed);
  fb_f32_dw_line *lines = call->scratch;
  const float *packed = call->packed;
  if (!call->problem->in[1]->data) {
    float *to = call->scratch; /* first, so that its vectors lie within cache lines */
    pack(&s, call->problem, call->in[1], to);
    packed = to;
    lines = (void *)(to + s.padded * s.taps);
  }
  int64_t phase = -1, step = 1;
  fb_f32_dw d;
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t first = tile % s.tiles * s.tile_lines;
    if (tile / s.tiles != phase) {
      phase = tile / s.tiles;
      set_phase(&s, call->problem, phase);
      d = phase_of(&s, call, lines);
      step = channel_step(&s, fb_cpu(self));
    }
    d.count = fb_max64(0, fb_min64(s.tile_lines, s.lines - first));
    for (int64_t i = 0; i < d.count; ++i) lines[i] = line_at(&s, &d, call, packed, first + i);
    for (d.c0 = 0; d.c0 < s.channels && d.count > 0; d.c0 = d.c1) {
      d.c1 = fb_min64(d.c0 + step, s.channels);
      fn(&d);
    }
  }
}

#define RUN(isa, name, transposed)                                                                                     \
  int fb_f32_##name##_##isa##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {             \
    run(fb_f32_dw__##isa, self, call, transposed, tile_begin, tile_end);                                               \
    return 0;                                                                                                          \
  }
#define KIND(name, transposed)                                                                                         \
  int fb_f32_##name##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {                    \
    (void)self;                                                                                                        \
    return supports(p, transposed, reason, reason_size);                                                               \
  }                                                                                                                    \
  int fb_f32_##name##_plan(void *self, const qe_problem *p, qe_kernel_plan *out) {                                     \
    (void)self;                                                                                                        \
    return plan(p, transposed, out);                                                                                   \
  }                                                                                                                    \
  int fb_f32_##name##_prepack(void *self, const qe_problem *p, void *packed) {                                         \
    (void)self;                                                                                                        \
    const shape s = shape_of(p, transposed);                                                                           \
    pack(&s, p, p->in[1]->data, packed);                                                                               \
    return 0;                                                                                                          \
  }                                                                                                                    \
  FB_VECTORS(RUN, name, transposed)
KIND(depthwise, false)
KIND(depthwise_transpose, true)
