/* Walks the tiles of a depthwise convolution: gathers columns, then computes rows of outputs from them (depthwise.h).
 */
#include <string.h>

#include "depthwise.h"

static bool packs_in_run(const qe_problem *p) {
  return !p->in[1]->data || (fb_has_in(p, 2) && !p->in[2]->data);
}

static int64_t columns_bytes(const fb_dw *s) {
  return fb_round_up(s->chunks * s->columns * s->column_bytes, 64);
}

int fb_dw_plan(const qe_problem *p, qe_kernel_plan *plan, fb_dw_form form) {
  fb_dw s;
  fb_dw_init(&s, p, form);
  const int64_t packed = fb_dw_packed_at(&s, NULL).bytes;
  if (p->out[0]->count > 0) plan->tiles = s.g.batch * s.g.out[0] * s.row_tiles * s.pixel_tiles * s.group_tiles;
  plan->packed_size = packs_in_run(p) ? 0 : (uint64_t)packed;
  plan->scratch_size = (uint64_t)columns_bytes(&s) + (packs_in_run(p) ? (uint64_t)packed : 0);
  return 0;
}

/* A piece of one (or two) rows of outputs. */
typedef struct piece {
  int64_t n, at[3]; /* the first output */
  int64_t rows, pixels;
} piece;

/* Where a source's taps of these outputs lie in x, from channel `channel` on. */
static fb_dw_source source_at(const fb_dw *s, const piece *o, int64_t source, int64_t channel, int64_t columns,
                              int64_t vector_bytes) {
  const fb_window *g = &s->g;
  const int64_t k = s->shared ? 0 : source % g->kernel[2], line = s->shared ? source : source / g->kernel[2];
  const int64_t kernel = g->kernel[1] + s->rows - 1; /* rows of all the windows */
  const int64_t a = o->at[0] * g->stride[0] - g->pad[0] + line / kernel * g->dilation[0];
  const int64_t b = o->at[1] * g->stride[1] - g->pad[1] + line % kernel * g->dilation[1];
  const int64_t first = o->at[2] * g->stride[2] - g->pad[2] + k * g->dilation[2];
  const int64_t apart = s->shared ? 1 : g->stride[2];
  if (a < 0 || a >= g->in[0] || b < 0 || b >= g->in[1]) return (fb_dw_source){0};
  fb_dw_source r = {.at = o->n * g->x_batch + a * g->x_step[0] + b * g->x_step[1] + first * g->x_step[2] + channel,
                    .step = apart * g->x_step[2],
                    .begin = fb_min64(fb_ceil_div(fb_max64(-first, 0), apart), columns),
                    .end = fb_min64(fb_ceil_div(fb_max64(g->in[2] - first, 0), apart), columns)};
  const int64_t room = g->batch * g->x_batch - vector_bytes - r.at; /* a vector of bytes at `at` + this is the last */
  r.fast = room < 0 ? 0 : fb_min64(r.end, room / r.step + 1);
  return r;
}

static void gather(const fb_dw *s, const fb_dw_loops *loops, const piece *o, int64_t group, fb_dw_gather *to,
                   uint8_t *columns) {
  const int64_t bytes = FB_DW_VECTORS * s->form.lanes, channel = group * bytes;
  to->channels = fb_min64(bytes, s->g.channels - channel);
  to->columns = (fb_round_up(o->pixels, FB_DW_PIXELS) - 1) * s->stride + (s->steps - 1) * s->step + 1;
  for (int64_t chunk = 0; chunk < s->chunks; ++chunk) {
    for (int64_t i = 0; i < 4; ++i) /* sources that are none have no weights either: any will do */
      to->source[i] =
          4 * chunk + i < s->sources ? source_at(s, o, 4 * chunk + i, channel, to->columns, bytes) : to->source[0];
    to->to = columns + chunk * to->columns * s->column_bytes;
    loops->gather(to);
  }
}

/* All outputs of a piece in one group of channels. */
static void compute(const fb_dw *s, const fb_dw_loops *loops, const piece *o, int64_t group, const fb_dw_packed *packed,
                    fb_dw_line *line, int64_t columns, const uint8_t *from, char *y) {
  const fb_window *g = &s->g;
  const int64_t size = line->finish->real ? 4 : 1, each = s->column_bytes / FB_DW_VECTORS;
  line->chunk_bytes = columns * s->column_bytes;
  line->pixels = o->pixels;
  for (int64_t v = group * FB_DW_VECTORS; v < fb_min64(s->vectors, (group + 1) * FB_DW_VECTORS); ++v) {
    const int64_t channel = v * s->form.lanes;
    line->columns = from + v % FB_DW_VECTORS * each;
    line->m = packed->m + channel;
    line->bias = packed->bias + channel;
    line->base = packed->base + channel;
    line->channels = fb_min64(s->form.lanes, g->channels - channel);
    for (int64_t row = 0; row < o->rows; ++row) {
      line->weights = packed->weights + v * s->weight_bytes + row * s->chunks * s->steps * each;
      line->y = y + size * (o->n * g->y_batch + o->at[0] * g->y_step[0] + (o->at[1] + row) * g->y_step[1] +
                            o->at[2] * g->y_step[2] + channel);
      loops->line(line);
    }
  }
}

static fb_dw_finish finish_of(const qe_problem *p, const fb_dw_packed *packed) {
  fb_dw_finish f = {
      .real = p->out[0]->dtype == QE_DT_F32, .wild = *packed->wild != 0, .act_lo = p->act_lo, .act_hi = p->act_hi};
  if (f.real) return f;
  int32_t lo, hi;
  fb_code_range(p, &lo, &hi);
  f.flip = p->out[0]->dtype == QE_DT_I8 ? 0x80 : 0;
  f.zero = (int16_t)(p->out[0]->zero_points[0] + f.flip);
  f.lo = (uint8_t)(lo + f.flip);
  f.hi = (uint8_t)(hi + f.flip);
  return f;
}

int fb_dw_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, const fb_dw_loops *loops) {
  const qe_problem *p = call->problem;
  fb_dw s;
  fb_dw_init(&s, p, loops->form);
  uint8_t *columns = call->scratch;
  void *memory = packs_in_run(p) ? columns + columns_bytes(&s) : (void *)(uintptr_t)call->packed;
  if (packs_in_run(p)) fb_dw_pack(&s, p, call->in[1], fb_has_in(p, 2) ? call->in[2] : NULL, memory);
  const fb_dw_packed packed = fb_dw_packed_at(&s, memory);
  const fb_dw_finish finish = finish_of(p, &packed);
  fb_dw_gather g = {
      .x = call->in[0], .flip = p->in[0]->dtype == QE_DT_I8 ? 0x80 : 0, .zero = (uint8_t)p->in[0]->zero_points[0]};
  fb_dw_line line = {.column_bytes = s.column_bytes,
                     .chunks = s.chunks,
                     .steps = s.steps,
                     .step = s.step,
                     .stride = s.stride,
                     .finish = &finish,
                     .y_step = s.g.y_step[2] * (finish.real ? 4 : 1)};
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    int64_t rest = tile;
    const int64_t group0 = rest % s.group_tiles * s.tile_groups, group1 = fb_min64(group0 + s.tile_groups, s.groups);
    rest /= s.group_tiles;
    const int64_t pixel0 = rest % s.pixel_tiles * s.tile_pixels, pixel1 = fb_min64(pixel0 + s.tile_pixels, s.g.out[2]);
    rest /= s.pixel_tiles;
    const int64_t row0 = rest % s.row_tiles * s.tile_rows, row1 = fb_min64(row0 + s.tile_rows, s.g.out[1]);
    rest /= s.row_tiles;
    piece o = {
        .n = rest / s.g.out[0], .at = {rest % s.g.out[0], 0, 0}
    };
    for (o.at[1] = row0; o.at[1] < row1; o.at[1] += s.rows) {
      o.rows = fb_min64(s.rows, row1 - o.at[1]);
      for (o.at[2] = pixel0; o.at[2] < pixel1; o.at[2] += s.strip) {
        o.pixels = fb_min64(s.strip, pixel1 - o.at[2]);
        for (int64_t group = group0; group < group1; ++group) {
          gather(&s, loops, &o, group, &g, columns);
          compute(&s, loops, &o, group, &packed, &line, g.columns, columns, call->out[0]);
        }
      }
    }
  }
  return 0;
}
