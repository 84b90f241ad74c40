/* Which convolutions are served, how taps become sources and steps, how outputs are cut into tiles (depthwise.h). */
#include "depthwise/depthwise.h"
#include "q8/check.h"

#define TILE_MACS    (INT64_C(1) << 18) /* of one tile: some 10 us */
#define STRIP_BYTES  16384              /* of columns, which are read several times from the nearest cache */
#define LEAST_STRIP  16                 /* outputs all the same: a piece has a cost of its own */
#define DIRECT_STRIP 128                /* outputs of windows that are read in place */
#define MOST_DILATED 64                 /* columns that a window of shared columns may reach over */

/* What a row of outputs costs by vector and output, in units of half a product: columns take about six. */
static int64_t cost(int64_t chunks, int64_t steps, int64_t stride, int64_t rows) {
  return chunks * (2 * steps + 6 * stride / rows);
}

static void choose_sources(fb_dw *s) {
  const fb_window *g = &s->g;
  const int64_t kernel_rows = g->kernel[0] * g->kernel[1], unit = s->form.quads ? 4 : 2;
  const bool two = g->kernel[0] == 1 && g->kernel[1] > 1 && g->stride[1] == 1 && g->dilation[1] == 1 &&
                   fb_ceil_div(kernel_rows + 1, unit) == fb_ceil_div(kernel_rows, unit);
  const int64_t rows = two ? 2 : 1, sources = kernel_rows + rows - 1;
  s->shared = (g->kernel[2] - 1) * g->dilation[2] < MOST_DILATED &&
              cost(fb_ceil_div(sources, 4), g->kernel[2], g->stride[2], rows) < cost(fb_ceil_div(g->taps, 4), 1, 1, 1);
  s->rows = s->shared ? rows : 1;
  s->doubled = s->shared && !s->form.quads && sources % 2 != 0 && g->kernel[2] > 1;
  s->sources = s->shared ? sources + s->doubled : g->taps;
  s->steps = s->shared ? g->kernel[2] : 1;
  s->step = s->shared ? g->dilation[2] : 1;
  s->stride = s->shared ? g->stride[2] : 1;
  s->chunks = fb_ceil_div(s->sources, 4);
}

/* Windows that are read in place: the sources are the three rows. */
static void choose_direct(fb_dw *s) {
  s->shared = true;
  s->rows = s->step = s->chunks = 1;
  s->sources = s->steps = 3;
  s->stride = s->g.stride[2];
}

static int64_t weight_bytes(const fb_dw *s) {
  return s->direct && !s->form.quads ? FB_DW_DIGIT_VECTORS * s->form.bytes
                                     : s->rows * s->chunks * s->steps * s->column_bytes;
}

static void choose_tiles(fb_dw *s, bool constant) {
  const fb_window *g = &s->g;
  const int64_t most = fb_max64(1, g->out[2]);
  const int64_t parts = s->groups > 0 ? fb_dw_group_at(s, 0).parts : 1;
  int64_t each = s->direct ? DIRECT_STRIP : LEAST_STRIP;
  while (!s->direct && each * parts < most &&
         s->chunks * fb_dw_columns(s, each + FB_DW_PIXELS) * s->column_bytes <= STRIP_BYTES)
    each += FB_DW_PIXELS;
  s->columns = s->direct ? 0 : fb_dw_columns(s, fb_min64(each, most));
  s->strip = each * parts;
  /* Whoever has to pack in run gets more work for it. */
  const int64_t macs = constant ? TILE_MACS : 16 * TILE_MACS;
  const int64_t pixels = fb_max64(1, macs / (s->form.bytes * g->taps)); /* of one group */
  s->tile_pixels = fb_min64(most, fb_round_up(fb_ceil_div(pixels, s->rows), s->strip));
  s->tile_groups = fb_max64(1, fb_min64(s->groups, pixels / (s->tile_pixels * s->rows)));
  s->tile_rows = s->rows * fb_max64(1, pixels / (s->tile_pixels * s->tile_groups * s->rows));
  s->tile_rows = fb_min64(s->tile_rows, fb_round_up(fb_max64(1, g->out[1]), s->rows));
  s->row_tiles = fb_ceil_div(g->out[1], s->tile_rows);
  s->pixel_tiles = fb_ceil_div(g->out[2], s->tile_pixels);
  s->group_tiles = fb_ceil_div(s->groups, s->tile_groups);
}

static int64_t group_count(int64_t channels, int64_t bytes) {
  int64_t n = channels / bytes;
  for (int64_t width = bytes / 2; width >= 16; width /= 2) n += (channels & width) != 0;
  return n + (channels % 16 != 0);
}

void fb_dw_init(fb_dw *s, const qe_problem *p, fb_dw_form form) {
  *s = (fb_dw){.form = form, .pieces = form.quads ? 1 : 2};
  fb_window_init(&s->g, p);
  const fb_window *g = &s->g;
  s->direct = form.direct && g->kernel[0] == 1 && g->kernel[1] == 3 && g->kernel[2] == 3 && g->dilation[2] == 1 &&
              g->stride[2] <= 2;
  if (s->direct)
    choose_direct(s);
  else
    choose_sources(s);
  s->groups = group_count(s->g.channels, form.bytes);
  s->column_bytes = FB_DW_VECTORS * s->pieces * form.bytes;
  s->group_bytes = FB_DW_WEIGHTS * form.bytes + weight_bytes(s);
  choose_tiles(s, p->in[1]->data && (!fb_has_in(p, 2) || p->in[2]->data));
}

int64_t fb_dw_tap(const fb_dw *s, int64_t row, int64_t source, int64_t step) {
  const int64_t lines = s->sources - s->doubled - s->rows + 1; /* of taps */
  int64_t own = s->shared ? source - row : source;
  if (s->doubled && own >= lines - 1) {
    if (step % 2 != 0 || own > lines) return -1;
    step += own - (lines - 1);
    own = lines - 1;
  }
  return own < 0 || own >= lines || step >= s->steps ? -1 : own * s->steps + step;
}

int fb_depthwise_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!fb_conv_check(p, false, reason, reason_size)) return 0;
  const int64_t channels = p->in[0]->dims[1];
  if (p->params->groups < 2 || p->params->groups != channels || p->out[0]->dims[1] != channels)
    return fb_refuse(reason, reason_size, "Conv: %lld groups of %lld -> %lld channels, expected one channel per group",
                     (long long)p->params->groups, (long long)channels, (long long)p->out[0]->dims[1]);
  if (fb_has_in(p, 2) && p->in[2]->count != channels)
    return fb_refuse(reason, reason_size, "Conv: the bias does not fit");
  fb_window g;
  fb_window_init(&g, p);
  return fb_q8_check(p, 0, channels, g.taps, reason, reason_size);
}

/* The form of quads wants codes that fit int8 once the zero point is taken off. */
int fb_depthwise_quads_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (!fb_depthwise_supports(self, p, reason, reason_size)) return 0;
  const qe_operand *w = p->in[1];
  const int32_t middle = w->dtype == QE_DT_I8 ? 0 : 128;
  const uint8_t flip = w->dtype == QE_DT_I8 ? 0 : 0x80;
  const int64_t size = w->dims[0] ? w->count / w->dims[0] : 0; /* row-major, as constants are */
  for (uint32_t i = 0; i < w->q_count; ++i) {
    const int32_t zero = w->zero_points[i] - middle;
    if (zero == 0) continue;
    const int64_t begin = (int64_t)i * size, end = w->q_count > 1 ? begin + size : w->count;
    for (int64_t k = begin; k < end; ++k) {
      const int32_t code = w->data ? (int8_t)(((const uint8_t *)w->data)[k] ^ flip) - zero : INT32_MAX;
      if (code < INT8_MIN || code > INT8_MAX)
        return fb_refuse(reason, reason_size, "Conv: weights less their zero point do not fit int8");
    }
  }
  return 1;
}
