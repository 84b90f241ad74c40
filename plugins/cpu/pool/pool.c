/* Which pools are served, tiles, and the boxes of outputs (pool.h). */
#include "pool/pool.h"

#include <float.h>
#include <math.h>

#define TILE_BYTES (INT64_C(1) << 17) /* read by one tile: some 5 to 10 us */

/* ---- supports ---- */

static int check(const qe_problem *p, char *reason, size_t reason_size) {
  if (fb_has_out(p, 1)) return fb_refuse(reason, reason_size, "%s: gives no indices", p->op);
  return fb_window_check(p, reason, reason_size);
}

int fb_pool_f32_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return check(p, reason, reason_size);
}

int fb_max_pool_codes_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!fb_is_code8(p->in[0]) || p->out[0]->dtype != p->in[0]->dtype)
    return fb_refuse(reason, reason_size, "%s: expected uint8 or int8", p->op);
  return check(p, reason, reason_size);
}

int fb_average_pool_codes_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!fb_is_code8(x) || !fb_is_code8(y) || x->q_count != 1 || y->q_count != 1)
    return fb_refuse(reason, reason_size, "%s: expected uint8 or int8 with one pair of parameters", p->op);
  if (!check(p, reason, reason_size)) return 0;
  fb_window g;
  fb_window_init(&g, p);
  if (g.taps > INT32_MAX / 255)
    return fb_refuse(reason, reason_size, "%s: a sum of %lld codes could reach 2^31", p->op, (long long)g.taps);
  return 1;
}

/* ---- tiles ---- */

typedef struct shape {
  fb_window g;
  int64_t size; /* bytes of an element */
  int64_t pixels, tile_pixels, tile_channels, channel_tiles;
} shape;

static void init(shape *s, const qe_problem *p) {
  fb_window_init(&s->g, p);
  s->size = p->in[0]->dtype == QE_DT_F32 ? 4 : 1;
  s->pixels = s->g.batch * s->g.out[0] * s->g.out[1] * s->g.out[2];
  const int64_t column = fb_max64(1, s->g.taps * s->size), wanted = fb_max64(1, TILE_BYTES / column); /* channels */
  s->tile_channels = fb_max64(1, fb_min64(s->g.channels, fb_round_up(wanted, 256 / s->size)));
  s->channel_tiles = fb_ceil_div(s->g.channels, s->tile_channels);
  s->tile_pixels = fb_max64(1, wanted / s->tile_channels);
}

int fb_pool_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  shape s;
  init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(s.pixels, s.tile_pixels) * s.channel_tiles;
  return 0;
}

/* ---- boxes ---- */

fb_pool_finish fb_pool_finish_of(const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  fb_pool_finish f = {.act_lo = p->act_lo,
                      .act_hi = p->act_hi,
                      .x_flip = x->dtype == QE_DT_I8 ? 0x80 : 0,
                      .y_flip = y->dtype == QE_DT_I8 ? 0x80 : 0};
  if (!fb_is_code8(y) || x->q_count != 1 || y->q_count != 1) return f;
  int32_t lo, hi;
  fb_code_range(p, &lo, &hi);
  f.lo = (uint8_t)(lo + f.y_flip);
  f.hi = (uint8_t)(hi + f.y_flip);
  f.x_zero = x->zero_points[0] + f.x_flip;
  f.y_zero = y->zero_points[0] + f.y_flip;
  f.x_scale = x->scales[0];
  f.y_scale = y->scales[0];
  f.wild = !(f.x_scale / f.y_scale < 0x1p20f); /* times 255, and some for rounding */
  return f;
}

float fb_pool_multiplier(const fb_pool_finish *f, int64_t divisor) {
  const float m = f->x_scale / (f->y_scale * (float)fb_max64(divisor, 1));
  return m > FLT_MAX ? FLT_MAX : m;
}

void fb_pool_box_close(fb_pool_box *b) {
  b->elements = b->count[0] * b->count[1] * b->count[2];
  if (b->elements == 0) b->count[0] = b->count[1] = b->count[2] = 0;
  for (int d = 1; d < 3; ++d)
    if (b->count[d - 1] == 1 || b->step[d - 1] == b->count[d] * b->step[d]) {
      b->count[d] *= b->count[d - 1];
      for (int e = d - 1; e > 0; --e) b->count[e] = b->count[e - 1], b->step[e] = b->step[e - 1];
      b->count[0] = fb_min64(b->count[0], 1);
    }
}

/* A walk over outputs: what is constant, and the first three coordinates. */
typedef struct walk {
  const qe_call *call;
  const shape *s;
  fb_pool_fn fn;
  fb_pool_finish finish;
  int64_t channel, channels;
  int64_t n, at[2];
} walk;

/* `outputs` windows from position `at` of the last dimension on, alike but for their place. */
static void run_alike(const walk *w, int64_t at2, int64_t outputs) {
  const fb_window *g = &w->s->g;
  const int64_t at[3] = {w->at[0], w->at[1], at2}, size = w->s->size;
  const char *x = w->call->in[0];
  int64_t from = w->n * g->x_batch + w->channel, to = w->n * g->y_batch + w->channel, counted = 1;
  fb_pool_box box = {.end = x + w->call->problem->in[0]->count * size,
                     .channels = w->channels,
                     .outputs = outputs,
                     .x_next = g->stride[2] * g->x_step[2] * size,
                     .y_next = g->y_step[2] * size};
  for (int d = 0; d < 3; ++d) {
    int64_t begin, end;
    fb_window_range(g, d, at[d], &begin, &end);
    box.count[d] = end - begin;
    box.step[d] = g->dilation[d] * g->x_step[d] * size;
    counted *= w->call->problem->params->count_include_pad ? fb_window_padded(g, d, at[d]) : end - begin;
    from += (at[d] * g->stride[d] - g->pad[d] + begin * g->dilation[d]) * g->x_step[d];
    to += at[d] * g->y_step[d];
  }
  box.divisor = counted;
  fb_pool_box_close(&box);
  box.x = box.elements ? x + from * size : x;
  w->fn(&w->finish, &box, (char *)w->call->out[0] + to * size);
}

/* Windows [at, end) of a row: those that lie within x all at once, the others one by one. */
static void run_row(const walk *w, int64_t at, int64_t end) {
  const fb_window *g = &w->s->g;
  const int64_t reach = (g->kernel[2] - 1) * g->dilation[2], last = g->in[2] - 1 - reach + g->pad[2];
  const int64_t begin = fb_min64(fb_ceil_div(fb_max64(g->pad[2], 0), g->stride[2]), end);
  const int64_t inner = last < 0 ? 0 : fb_min64(last / g->stride[2] + 1, end);
  for (; at < begin; ++at) run_alike(w, at, 1);
  if (at < inner) {
    run_alike(w, at, inner - at);
    at = inner;
  }
  for (; at < end; ++at) run_alike(w, at, 1);
}

int fb_pool_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, fb_pool_fn fn) {
  shape s;
  init(&s, call->problem);
  walk w = {.call = call, .s = &s, .fn = fn, .finish = fb_pool_finish_of(call->problem)};
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    int64_t pixel = tile / s.channel_tiles * s.tile_pixels;
    const int64_t pixel_end = fb_min64(pixel + s.tile_pixels, s.pixels);
    w.channel = tile % s.channel_tiles * s.tile_channels;
    w.channels = fb_min64(s.tile_channels, s.g.channels - w.channel);
    while (pixel < pixel_end) {
      int64_t rest = pixel / s.g.out[2];
      const int64_t at = pixel - rest * s.g.out[2], end = fb_min64(s.g.out[2], at + pixel_end - pixel);
      for (int d = 1; d >= 0; --d) w.at[d] = rest % s.g.out[d], rest /= s.g.out[d];
      w.n = rest;
      run_row(&w, at, end);
      pixel += end - at;
    }
  }
  return 0;
}
