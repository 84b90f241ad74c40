/* Walks the tiles of a depthwise convolution, piece by piece (depthwise.h). */
#include <string.h>

#include "depthwise/depthwise.h"

static bool packs_in_run(const qe_problem *p) {
  return !p->in[1]->data || (fb_has_in(p, 2) && !p->in[2]->data);
}

/* Scratch: columns, chunks, sources, padding, perhaps packed weights. */
static int64_t columns_bytes(const fb_dw *s) {
  return fb_round_up(s->chunks * s->columns * s->column_bytes, 64);
}
static int64_t chunks_bytes(const fb_dw *s) {
  return fb_round_up(s->chunks * (int64_t)sizeof(fb_dw_chunk), 64);
}
static int64_t sources_bytes(const fb_dw *s) {
  return fb_round_up(s->sources * (int64_t)sizeof(fb_dw_source), 64);
}

static int64_t padding_bytes(const fb_dw *s) {
  return fb_round_up(s->g.channels, 64) + 64;
}

int fb_dw_plan(const qe_problem *p, qe_kernel_plan *plan, fb_dw_form form) {
  fb_dw s;
  fb_dw_init(&s, p, form);
  const int64_t packed = fb_dw_packed_bytes(&s);
  if (p->out[0]->count > 0) plan->tiles = s.g.batch * s.g.out[0] * s.row_tiles * s.pixel_tiles * s.group_tiles;
  plan->packed_size = packs_in_run(p) ? 0 : (uint64_t)packed;
  plan->scratch_size = (uint64_t)(columns_bytes(&s) + chunks_bytes(&s) + sources_bytes(&s) + padding_bytes(&s) +
                                  (packs_in_run(p) ? packed : 0));
  return 0;
}

/* The first output of a piece. */
typedef struct place {
  int64_t n, at[3];
} place;

/* Of divisions by strides and sizes of kernels most are by 1; others take longer than the rest of a source's place. */
static inline int64_t ceil_div(int64_t n, int64_t size) {
  return size == 1 ? n : fb_ceil_div(n, size);
}

/* Where a source lies for outputs from `o` on. */
static fb_dw_source source_at(const fb_dw *s, const place *o, int64_t source) {
  const fb_window *g = &s->g;
  const bool again = s->doubled && source == s->sources - 1;
  const int64_t k = s->shared ? again : source % g->kernel[2];
  const int64_t line = s->shared ? source - again : source / g->kernel[2];
  const int64_t kernel = g->kernel[1] + s->rows - 1; /* rows of all the windows */
  const int64_t plane = g->kernel[0] == 1 ? 0 : line / kernel, row = line - plane * kernel;
  const int64_t a = o->at[0] * g->stride[0] - g->pad[0] + plane * g->dilation[0];
  const int64_t b = o->at[1] * g->stride[1] - g->pad[1] + row * g->dilation[1];
  const int64_t first = o->at[2] * g->stride[2] - g->pad[2] + k * g->dilation[2];
  const int64_t apart = s->shared ? 1 : g->stride[2];
  if (a < 0 || a >= g->in[0] || b < 0 || b >= g->in[1]) return (fb_dw_source){0};
  return (fb_dw_source){.at = o->n * g->x_batch + a * g->x_step[0] + b * g->x_step[1] + first * g->x_step[2],
                        .step = apart * g->x_step[2],
                        .begin = ceil_div(fb_max64(-first, 0), apart),
                        .end = ceil_div(fb_max64(g->in[2] - first, 0), apart)};
}

/* The same for a chunk; [begin, end): the columns whose parts lie within x in all sources. */
static void chunk_at(fb_dw_chunk *c, const fb_dw_source *source, int64_t sources, const fb_dw_piece *o) {
  c->source = source;
  c->sources = sources;
  c->begin = 0;
  c->end = INT64_MAX;
  c->first = INT64_MAX;
  c->last = 0;
  c->safe = INT64_MAX;
  for (int64_t i = 0; i < 4; ++i) {
    const fb_dw_source *s = &source[i < sources ? i : 0]; /* of those beyond any will do: they have no weights */
    const bool none = s->begin >= s->end;
    c->from[i] = none ? o->padding : o->x + s->at;
    c->step[i] = none ? 0 : s->step;
    c->part[i] = o->apart * c->step[i];
    if (none) continue;
    c->first = fb_min64(c->first, s->begin);
    c->last = fb_max64(c->last, s->end);
    int64_t end = s->end;
    if (o->group.channels < o->group.width) { /* what is loaded may reach over the end of x */
      const int64_t room = o->end - o->x - o->group.channel - o->group.width - s->at;
      c->safe = fb_min64(c->safe, room < 0 ? 0 : room / s->step + 1);
      end = fb_min64(end, c->safe);
    }
    c->begin = fb_max64(c->begin, s->begin);
    c->end = fb_min64(c->end, end - (o->group.parts - 1) * o->apart);
  }
  c->safe -= (o->group.parts - 1) * o->apart;
}

static fb_dw_finish finish_of(const qe_problem *p, const void *packed) {
  fb_dw_finish f = {.real = p->out[0]->dtype == QE_DT_F32, .act_lo = p->act_lo, .act_hi = p->act_hi};
  int32_t lo, hi, wild;
  memcpy(&wild, packed, sizeof wild);
  f.wild = wild != 0;
  if (f.real) return f;
  fb_code_range(p, &lo, &hi);
  f.flip = p->out[0]->dtype == QE_DT_I8 ? 0x80 : 0;
  f.zero = (int16_t)(p->out[0]->zero_points[0] + f.flip);
  f.lo = (uint8_t)(lo + f.flip);
  f.hi = (uint8_t)(hi + f.flip);
  return f;
}

/* A piece of one or two rows, groups [group0, group1). */
static void run_groups(const fb_dw *s, const fb_dw_loops *loops, const place *at, int64_t group0, int64_t group1,
                       const uint8_t *packed, fb_dw_chunk *chunks, fb_dw_source *sources, fb_dw_piece *o, char *y) {
  const fb_window *g = &s->g;
  const int64_t size = o->finish->real ? 4 : 1;
  char *to =
      y + size * (at->n * g->y_batch + at->at[0] * g->y_step[0] + at->at[1] * g->y_step[1] + at->at[2] * g->y_step[2]);
  for (int64_t i = 0; i < s->sources; ++i) sources[i] = source_at(s, at, i);
  for (int64_t group = group0; group < group1; ++group) {
    o->group = fb_dw_group_at(s, group);
    if (group == group0 || o->group.parts > 1) { /* all others are whole vectors */
      o->each = o->group.parts == 1 ? o->pixels : fb_ceil_div(o->pixels, o->group.parts);
      o->apart = o->each * s->stride;
      o->chunk_bytes = fb_dw_columns(s, o->each) * s->column_bytes;
      for (int64_t i = 0; i < s->chunks; ++i) {
        chunk_at(&chunks[i], sources + 4 * i, fb_min64(4, s->sources - 4 * i), o);
        chunks[i].doubled = s->doubled && i == s->chunks - 1;
        chunks[i].sparse = chunks[i].doubled && s->stride % 2 == 0;
      }
    }
    o->packed = packed + 64 + group * s->group_bytes;
    o->weights = o->packed + FB_DW_WEIGHTS * s->form.bytes;
    o->y = to + size * o->group.channel;
    loops->piece(o);
  }
}

int fb_dw_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, const fb_dw_loops *loops) {
  const qe_problem *p = call->problem;
  fb_dw s;
  fb_dw_init(&s, p, loops->form);
  uint8_t *scratch = call->scratch;
  fb_dw_chunk *chunks = (fb_dw_chunk *)(void *)(scratch + columns_bytes(&s));
  fb_dw_source *sources = (fb_dw_source *)(void *)((char *)chunks + chunks_bytes(&s));
  uint8_t *padding = (uint8_t *)sources + sources_bytes(&s);
  const void *packed = call->packed;
  if (packs_in_run(p)) {
    void *memory = padding + padding_bytes(&s);
    fb_dw_pack(&s, p, call->in[1], fb_has_in(p, 2) ? call->in[2] : NULL, memory);
    packed = memory;
  }
  const fb_dw_finish finish = finish_of(p, packed);
  memset(padding, (uint8_t)p->in[0]->zero_points[0], (size_t)padding_bytes(&s));
  fb_dw_piece o = {.x = call->in[0],
                   .end = (const uint8_t *)call->in[0] + p->in[0]->count,
                   .padding = padding,
                   .flip = p->in[0]->dtype == QE_DT_I8 ? 0x80 : 0,
                   .direct = s.direct,
                   .chunk = chunks,
                   .chunks = s.chunks,
                   .steps = s.steps,
                   .step = s.step,
                   .stride = s.stride,
                   .columns = scratch,
                   .row_weights = s.chunks * s.steps * s.column_bytes,
                   .finish = &finish,
                   .y_row = s.g.y_step[1] * (finish.real ? 4 : 1),
                   .y_step = s.g.y_step[2] * (finish.real ? 4 : 1)};
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    int64_t rest = tile;
    const int64_t group0 = rest % s.group_tiles * s.tile_groups, group1 = fb_min64(group0 + s.tile_groups, s.groups);
    rest /= s.group_tiles;
    const int64_t pixel0 = rest % s.pixel_tiles * s.tile_pixels, pixel1 = fb_min64(pixel0 + s.tile_pixels, s.g.out[2]);
    rest /= s.pixel_tiles;
    const int64_t row0 = rest % s.row_tiles * s.tile_rows, row1 = fb_min64(row0 + s.tile_rows, s.g.out[1]);
    rest /= s.row_tiles;
    place at = {
        rest / s.g.out[0], {rest % s.g.out[0], 0, 0}
    };
    for (at.at[1] = row0; at.at[1] < row1; at.at[1] += s.rows) {
      o.rows = fb_min64(s.rows, row1 - at.at[1]);
      for (at.at[2] = pixel0; at.at[2] < pixel1; at.at[2] += s.strip) {
        o.pixels = fb_min64(s.strip, pixel1 - at.at[2]);
        run_groups(&s, loops, &at, group0, group1, packed, chunks, sources, &o, call->out[0]);
      }
    }
  }
  return 0;
}
