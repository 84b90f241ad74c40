/*
 * ConvWeightGrad of depthwise convolutions, float32, one channel per group on both sides. A strip is some rows of the kernel
 * times some taps of each, whose sums the registers hold; a tile is one strip for some channels. It goes through the
 * outputs piece by piece; at the ends of chunks sums go to totals.
 */
#include "f32/depthwise_grad.h"
#include "f32/weight_grad.h"

#include <string.h>

enum { CHUNK = FB_F32_CHUNK, DY = 0, X = 1, FEWEST = 128, MOST = 1024, CHANNELS = 16 /* at least: a cache line's */ };

typedef struct shape {
  fb_f32_forward f;
  fb_f32_window w;
  int64_t channels, step, channel_tiles; /* step: channels of a tile */
  int64_t lines, positions;              /* kernel rows of all planes; outputs */
  int64_t taps, rows;                    /* most of a strip */
  int64_t tap_strips, row_strips;
  int64_t segments, piece, runs; /* of a line of outputs; most of a piece */
} shape;

/* Of one line of outputs those side by side that have the same taps of a strip. */
typedef struct segment {
  int64_t first, n;
  uint64_t taps;
  int64_t kind;
} segment;

/* So that the busiest core has as few channels as possible, in as few tiles as that takes. */
static int64_t channel_step(const shape *s, int64_t cores) {
  const int64_t blocks = fb_ceil_div(s->channels, CHANNELS), strips = s->row_strips * s->tap_strips;
  int64_t best = blocks, least = fb_ceil_div(strips, cores) * blocks;
  for (int64_t step = blocks - 1; step > 0; --step) {
    const int64_t busiest = fb_ceil_div(strips * fb_ceil_div(blocks, step), cores) * step;
    if (busiest < least) best = step, least = busiest;
  }
  return fb_min64(best, 1024) * CHANNELS;
}

static void shape_of(const qe_problem *p, const qe_cpu *cpu, shape *s) {
  fb_f32_forward_of(p, &s->f);
  s->w = fb_f32_window_of(&s->f.p, false, 0);
  const fb_f32_axis *a = s->w.axis;
  s->channels = p->in[X]->dims[1];
  s->lines = a[0].taps * a[1].taps;
  s->positions = s->w.batch * a[0].n * a[1].n * a[2].n;
  s->tap_strips = fb_ceil_div(a[2].taps, FB_F32_DWG_TAPS);
  s->taps = fb_ceil_div(a[2].taps, s->tap_strips);
  s->rows = fb_f32_dwg_rows(s->taps);
  s->row_strips = fb_ceil_div(s->lines, s->rows);
  s->step = channel_step(s, (int64_t)cpu->cores);
  s->channel_tiles = fb_ceil_div(s->channels, s->step);
  const int64_t l2 = (int64_t)(cpu->l2 ? cpu->l2 : 1 << 19) / (int64_t)sizeof(float);
  s->piece = fb_max64(FEWEST, fb_min64(MOST, l2 / 8 / s->step));
  s->segments = a[2].n - (a[2].hi - a[2].lo) + 1; /* one has all taps, others are alone */
  s->runs = fb_min64(s->piece, (2 + s->piece / fb_max64(1, a[2].n)) * s->segments);
}

int fb_f32_depthwise_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (!fb_f32_weight_grad_supports(self, p, reason, reason_size)) return 0;
  if (p->params->groups != p->in[X]->dims[1] || p->params->groups != p->in[DY]->dims[1])
    return fb_refuse(reason, reason_size, "ConvWeightGrad: not depthwise");
  return 1;
}

static int64_t sums_of_tile(const shape *s) {
  return s->rows * s->taps * s->step;
}

int fb_f32_depthwise_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  shape s;
  if (p->out[0]->count == 0) return 0;
  shape_of(p, fb_cpu(self), &s);
  plan->tiles = s.channel_tiles * s.row_strips * s.tap_strips;
  plan->scratch_size = sizeof(float) * 2 * (uint64_t)sums_of_tile(&s) + sizeof(fb_f32_dwg_run) * (uint64_t)s.runs +
                       sizeof(segment) * (uint64_t)s.segments;
  return 0;
}

/* A tile at work. */
typedef struct job {
  const shape *s;
  const float *dy, *x;
  fb_f32_dwg_run *runs;
  segment *segments;
  int64_t n_segments, line0, tap0;
  fb_f32_dwg d;
} job;

/* Of n rows or taps an output has [begin, end). */
static int64_t kind_of(int64_t begin, int64_t end, int64_t n) {
  const int64_t missing = n - (end - begin);
  if (begin > 0 && end < n) return FB_F32_DWG_OTHER;
  if (missing == 0) return FB_F32_DWG_ALL;
  if (missing == 1) return begin > 0 ? FB_F32_DWG_BUT_FIRST : FB_F32_DWG_BUT_LAST;
  if (missing == 2) return begin > 0 ? FB_F32_DWG_BUT_FIRST_TWO : FB_F32_DWG_BUT_LAST_TWO;
  return FB_F32_DWG_OTHER;
}

/* Rows or taps as bits; *kind: as FB_F32_DWG_*. */
static uint64_t range(int64_t begin, int64_t end, int64_t n, int64_t *kind) {
  begin = fb_min64(fb_max64(begin, 0), n);
  end = fb_max64(fb_min64(end, n), begin);
  *kind = kind_of(begin, end, n);
  return (UINT64_C(1) << end) - (UINT64_C(1) << begin);
}

/* Rows of the strip that lie within the input for outputs in line (i0, i1). */
static uint64_t rows_of(const job *j, int64_t i0, int64_t i1, int64_t *kind) {
  const fb_f32_axis *a = j->s->w.axis;
  int64_t b0, e0, b1, e1;
  fb_f32_taps(&a[0], i0, &b0, &e0);
  fb_f32_taps(&a[1], i1, &b1, &e1);
  if (a[0].taps == 1 && e0 == 1) return range(b1 - j->line0, e1 - j->line0, j->d.rows, kind);
  uint64_t rows = 0;
  for (int r = 0; r < j->d.rows; ++r) {
    const int64_t t0 = (j->line0 + r) / a[1].taps, t1 = (j->line0 + r) % a[1].taps;
    if (t0 >= b0 && t0 < e0 && t1 >= b1 && t1 < e1) rows |= UINT64_C(1) << r;
  }
  *kind = rows + 1 == UINT64_C(1) << j->d.rows ? FB_F32_DWG_ALL : FB_F32_DWG_OTHER;
  return rows;
}

static void list_segments(job *j) {
  const fb_f32_axis *a = &j->s->w.axis[2];
  j->n_segments = 0;
  for (int64_t i = 0, next; i < a->n; i = next) {
    int64_t begin, end;
    next = i >= a->lo && i < a->hi ? a->hi : i + 1;
    fb_f32_taps(a, i, &begin, &end);
    segment *to = &j->segments[j->n_segments];
    *to = (segment){.first = i, .n = next - i};
    to->taps = range(begin - j->tap0, end - j->tap0, j->d.taps, &to->kind);
    if (to->taps) ++j->n_segments;
  }
}

static uint64_t mask_of(const job *j, uint64_t rows, uint64_t taps) {
  uint64_t mask = 0;
  for (int r = 0; r < j->d.rows; ++r)
    if (rows >> r & 1) mask |= taps << r * j->d.taps;
  return mask;
}

/* The runs of positions [k0, k1); returns how many. */
static int64_t collect(const job *j, int64_t k0, int64_t k1) {
  const fb_f32_window *w = &j->s->w;
  const fb_f32_axis *a = w->axis;
  int64_t count = 0;
  for (int64_t k = k0; k < k1;) {
    const int64_t line = k / a[2].n, first = k % a[2].n, end = fb_min64(first + k1 - k, a[2].n);
    const int64_t i1 = line % a[1].n, i0 = line / a[1].n % a[0].n, n = line / a[1].n / a[0].n;
    int64_t kind;
    const uint64_t rows = rows_of(j, i0, i1, &kind);
    const float *x = j->x + (n * w->x_batch + (a[0].at + i0 * a[0].in_step) * w->x_step[0] +
                             (a[1].at + i1 * a[1].in_step) * w->x_step[1] +
                             (a[2].at + j->tap0 * a[2].tap_step) * w->x_step[2]);
    const float *dy = j->dy + (n * w->y_batch + i0 * w->y_step[0] + i1 * w->y_step[1]);
    k += end - first;
    for (int64_t i = 0; i < j->n_segments && rows; ++i) {
      const segment *g = &j->segments[i];
      const int64_t begin = fb_max64(g->first, first), stop = fb_min64(g->first + g->n, end);
      if (begin >= stop) continue;
      j->runs[count++] = (fb_f32_dwg_run){.x = x + begin * j->d.x_px,
                                          .dy = dy + begin * j->d.dy_px,
                                          .n = stop - begin,
                                          .rows = (int)kind,
                                          .taps = (int)g->kind,
                                          .mask = mask_of(j, rows, g->taps)};
    }
  }
  return count;
}

static void store(const job *j, const float *from, int64_t c0, int64_t c1, const qe_operand *dw, float *data) {
  const fb_f32_axis *a = j->s->w.axis;
  const uint32_t spatial = dw->rank - 2u;
  for (int r = 0; r < j->d.rows; ++r)
    for (int t = 0; t < j->d.taps; ++t, from += j->s->step) {
      const int64_t line = j->line0 + r, tap[3] = {line / a[1].taps, line % a[1].taps, j->tap0 + t};
      float *to = data;
      for (uint32_t d = 0; d < spatial; ++d) to += tap[3 - spatial + d] * dw->strides[2 + d];
      for (int64_t c = c0; c < c1; ++c) to[c * dw->strides[0]] = from[c - c0];
    }
}

static void run_tile(void (*fn)(const fb_f32_dwg *d), job *j, const qe_call *call, int64_t tile) {
  const shape *s = j->s;
  const fb_f32_window *w = &s->w;
  const fb_f32_axis *a = w->axis;
  const int64_t strip = tile / s->channel_tiles, c0 = tile % s->channel_tiles * s->step;
  const int64_t c1 = fb_min64(c0 + s->step, s->channels);
  float *sums = call->scratch, *totals = sums + sums_of_tile(s);
  j->runs = (void *)(totals + sums_of_tile(s));
  j->segments = (void *)(j->runs + s->runs);
  j->line0 = strip / s->tap_strips * s->rows;
  j->tap0 = strip % s->tap_strips * s->taps;
  j->x = (const float *)call->in[X] + c0;
  j->dy = (const float *)call->in[DY] + c0;
  j->d = (fb_f32_dwg){.rows = (int)fb_min64(s->rows, s->lines - j->line0),
                      .taps = (int)fb_min64(s->taps, a[2].taps - j->tap0),
                      .c1 = c1 - c0,
                      .x_tap = a[2].tap_step * w->x_step[2],
                      .x_px = a[2].in_step * w->x_step[2],
                      .dy_px = w->y_step[2],
                      .runs = j->runs,
                      .sums = sums,
                      .sum_step = s->step};
  for (int r = 0; r < j->d.rows; ++r)
    j->d.x_row[r] = (j->line0 + r) / a[1].taps * a[0].tap_step * w->x_step[0] +
                    (j->line0 + r) % a[1].taps * a[1].tap_step * w->x_step[1];
  list_segments(j);
  memset(sums, 0, sizeof(float) * (size_t)sums_of_tile(s));
  for (int64_t k = 0, next; k < s->positions; k = next) {
    const int64_t end = fb_min64(s->positions, (k / CHUNK + 1) * CHUNK);
    next = fb_min64(end, k + s->piece);
    j->d.count = collect(j, k, next);
    fn(&j->d);
    if (next == end && s->positions > CHUNK) fb_f32_end_chunk(k / CHUNK, sums, totals, sums_of_tile(s));
  }
  store(j, s->positions > CHUNK ? totals : sums, c0, c1, call->problem->out[0], call->out[0]);
}

#define RUN(isa, unused)                                                                                       \
  int fb_f32_depthwise_grad_##isa##_run(void *self, const qe_call *call, int64_t begin, int64_t end) {         \
    shape s;                                                                                                   \
    if (begin >= end) return 0;                                                                                \
    shape_of(call->problem, fb_cpu(self), &s);                                                                        \
    job j = {.s = &s};                                                                                         \
    for (int64_t tile = begin; tile < end; ++tile) run_tile(fb_f32_dwg__##isa, &j, call, tile);                \
    return 0;                                                                                                  \
  }
FB_VECTORS(RUN, )
