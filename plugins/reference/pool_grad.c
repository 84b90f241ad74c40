/*
 * MaxPoolGrad and AveragePoolGrad, float32, channels last. From +0, every window in row-major order of the output adds
 * to dx: the first its dy to the element that is its maximum (as max_pool.c finds it), the other dy / (float)count
 * (count as in average_pool.c) to each of its elements. A tile is REF_CHANNELS channels of one sample, because windows
 * overlap.
 */
#include "channels.h"
#include "pool_window.h"

enum { DY = 0, X = 1 };

int ref_max_pool_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[X]->count != p->out[0]->count)
    return ref_refuse(reason, reason_size, "MaxPoolGrad: x and dx differ in shape");
  return ref_window_check_between(p, p->in[X], p->in[DY], reason, reason_size);
}

int ref_average_pool_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_window_check_between(p, p->out[0], p->in[DY], reason, reason_size);
}

static int64_t channel_blocks(const qe_operand *dx) { return ref_ceil_div(dx->dims[1], REF_CHANNELS); }

int ref_pool_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const qe_operand *dx = p->out[0];
  plan->tiles = dx->count == 0 ? 0 : dx->dims[0] * channel_blocks(dx);
  return 0;
}

/* What a tile works on: its first channel's element of its sample in each operand. */
typedef struct tile {
  ref_window g;  /* between dx and dy */
  ref_window xg; /* between x and dy */
  const float *dy, *x;
  float *dx;
  int64_t sample, n; /* n channels */
} tile;

static tile tile_of(const qe_call *call, int64_t number, bool has_x) {
  const qe_problem *p = call->problem;
  tile t = {.sample = number / channel_blocks(p->out[0])};
  const int64_t channel = number % channel_blocks(p->out[0]) * REF_CHANNELS;
  ref_window_between(&t.g, p->params, p->out[0], p->in[DY]);
  t.n = ref_min64(REF_CHANNELS, t.g.channels - channel);
  t.dx = (float *)call->out[0] + t.sample * t.g.x_batch + channel;
  t.dy = (const float *)call->in[DY] + t.sample * t.g.y_batch + channel * t.g.y_channel;
  if (has_x) {
    ref_window_between(&t.xg, p->params, p->in[X], p->in[DY]);
    t.x = (const float *)call->in[X] + t.sample * t.xg.x_batch + channel * t.xg.x_channel;
  }
  for (int64_t i = 0; i < t.g.in[0]; ++i)
    for (int64_t j = 0; j < t.g.in[1]; ++j)
      for (int64_t k = 0; k < t.g.in[2]; ++k) {
        float *to = t.dx + i * t.g.x_step[0] + j * t.g.x_step[1] + k * t.g.x_step[2];
        for (int64_t c = 0; c < t.n; ++c)
          to[c] = 0.0f;
      }
  return t;
}

static void load_dy(const tile *t, const ref_pixel *at, float *row) {
  const int64_t from = at->at[0] * t->g.y_step[0] + at->at[1] * t->g.y_step[1] + at->at[2] * t->g.y_step[2];
  ref_channels_load(row, t->dy + from, t->g.y_channel, t->n);
}

static void max_window(const tile *t, const ref_pixel *at) {
  const ref_taps w = ref_window_taps(&t->g, at);
  float dy[REF_CHANNELS], v[REF_CHANNELS], best[REF_CHANNELS] = {0};
  int64_t where[REF_CHANNELS] = {0};
  bool empty = true;
  for (int64_t i = w.begin[0]; i < w.end[0]; ++i)
    for (int64_t j = w.begin[1]; j < w.end[1]; ++j)
      for (int64_t k = w.begin[2]; k < w.end[2]; ++k) {
        const int64_t to = ref_pool_offset(&t->g, w.first, i, j, k);
        ref_channels_load(v, t->x + ref_pool_offset(&t->xg, w.first, i, j, k), t->xg.x_channel, t->n);
        for (int64_t c = 0; c < t->n; ++c) {
          const bool larger = empty || v[c] > best[c] || v[c] != v[c];
          best[c] = larger ? v[c] : best[c];
          where[c] = larger ? to : where[c];
        }
        empty = false;
      }
  load_dy(t, at, dy);
  for (int64_t c = 0; c < t->n && !empty; ++c)
    t->dx[where[c] + c] += dy[c];
}

static void average_window(const tile *t, const ref_loops *loops, const ref_pixel *at, bool include_pad) {
  const ref_taps w = ref_window_taps(&t->g, at);
  const int64_t count = ref_window_count(&t->g, at, include_pad);
  float part[REF_CHANNELS];
  load_dy(t, at, part);
  for (int64_t c = 0; c < t->n; ++c)
    part[c] = part[c] / (float)count;
  for (int64_t i = w.begin[0]; i < w.end[0]; ++i)
    for (int64_t j = w.begin[1]; j < w.end[1]; ++j)
      for (int64_t k = w.begin[2]; k < w.end[2]; ++k)
        loops->add_f32(t->dx + ref_pool_offset(&t->g, w.first, i, j, k), part, t->n);
}

int ref_max_pool_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  for (int64_t number = tile_begin; number < tile_end; ++number) {
    const tile t = tile_of(call, number, true);
    const int64_t windows = t.g.out[0] * t.g.out[1] * t.g.out[2];
    for (int64_t i = 0; i < windows; ++i) {
      const ref_pixel at = ref_window_pixel(&t.g, i);
      max_window(&t, &at);
    }
  }
  return 0;
}

int ref_average_pool_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const bool include_pad = call->problem->params->count_include_pad;
  for (int64_t number = tile_begin; number < tile_end; ++number) {
    const tile t = tile_of(call, number, false);
    const int64_t windows = t.g.out[0] * t.g.out[1] * t.g.out[2];
    for (int64_t i = 0; i < windows; ++i) {
      const ref_pixel at = ref_window_pixel(&t.g, i);
      average_window(&t, ref_loops_of(self), &at, include_pad);
    }
  }
  return 0;
}
