/* Tiles of convolutions (conv.h): what is multiplied in which order. */
#include "f32/conv_edge.h"

enum { CHUNK = FB_F32_CHUNK, FEW_PIXELS = 4 };

static uint64_t place(uint64_t *at, uint64_t bytes) {
  const uint64_t here = *at;
  *at += (bytes + 63) / 64 * 64;
  return here;
}

static int64_t kernel_taps(const fb_f32_conv *c) {
  return c->depth / fb_max64(1, c->ic);
}

fb_f32_conv_scratch fb_f32_conv_layout(const fb_f32_conv *c) {
  fb_f32_conv_scratch s = {0};
  const fb_f32_window w = fb_f32_window_of(c->p, c->transposed, 0); /* the largest */
  const uint64_t lines = (uint64_t)(c->lines * c->merged), pixels = lines * (uint64_t)c->width;
  const uint64_t chunks = (uint64_t)fb_f32_chunks(c->depth), classes = (uint64_t)c->most_classes;
  s.x = place(&s.size, pixels * sizeof(float *));
  s.y = place(&s.size, pixels * sizeof(float *));
  s.lines = place(&s.size, lines * sizeof(fb_f32_line));
  s.spans = place(&s.size, (uint64_t)(w.axis[0].n + w.axis[1].n + w.axis[2].n) * sizeof(fb_f32_span));
  s.classes = place(&s.size, (classes < pixels ? classes : pixels) * sizeof(fb_f32_class));
  s.pieces = place(&s.size, ((uint64_t)kernel_taps(c) + chunks) * sizeof(fb_f32_piece));
  s.chunks = place(&s.size, (chunks + 1) * sizeof(int64_t));
  if (classes > 1) {
    s.sums = place(&s.size, 4 * pixels * sizeof(float *));
    if (chunks > 1) s.part = place(&s.size, sizeof(float) * pixels * (uint64_t)c->core->cols);
  }
  s.weight = s.size;
  if (!c->p->in[1]->data) (void)place(&s.size, sizeof(float) * (uint64_t)(c->unit_step * c->core->cols * c->depth));
  return s;
}

/* The runs of a class, cut at the ends of chunks; chunks[i]: where chunk i begins. */
static void list_pieces(const fb_f32_conv *c, const fb_f32_tile_job *j, const fb_f32_edge *taps) {
  const int64_t line = taps->end[2] - taps->begin[2];
  int64_t count = 0, chunk = 0;
  j->chunks[0] = 0;
  for (int64_t t0 = taps->begin[0]; t0 < taps->end[0]; ++t0)
    for (int64_t t1 = taps->begin[1]; t1 < taps->end[1]; ++t1)
      for (int64_t t2 = taps->begin[2]; t2 < taps->end[2]; t2 += j->joined ? line : 1) {
        fb_f32_piece rest = fb_f32_tap(c, &j->window, t0, t1, t2);
        rest.k = c->ic * (j->joined ? line : 1);
        while (rest.k > 0) {
          for (; chunk < rest.first / CHUNK; ++chunk) j->chunks[chunk + 1] = count;
          const int64_t k = fb_min64(rest.k, CHUNK - rest.first % CHUNK);
          j->pieces[count++] = (fb_f32_piece){rest.a, rest.first, k};
          rest = (fb_f32_piece){rest.a + k, rest.first + k, rest.k - k};
        }
      }
  for (; chunk < fb_f32_chunks(c->depth); ++chunk) j->chunks[chunk + 1] = count;
}

/* The columns of b for the pixels of a class. */
static void run_class(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b, const fb_f32_class *pixels) {
  const int64_t chunks = fb_f32_chunks(c->depth);
  list_pieces(c, j, &pixels->taps);
  b.rows = pixels->count;
  b.x = j->xs + pixels->first;
  b.y = j->ys + pixels->first;
  b.row_spread = j->window.axis[2].in_step;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    b.pieces = j->pieces + j->chunks[chunk];
    b.count = j->chunks[chunk + 1] - j->chunks[chunk];
    b.how = (chunk > 0 ? FB_F32_ADD : 0) | (chunk + 1 == chunks ? FB_F32_FINISH : 0);
    if (j->pixels > c->core->rows) b.how |= j->new_pixels ? FB_F32_NEW_ROWS : FB_F32_NEXT_PANEL; /* as in product.c */
    c->core->block(&b);
  }
}

/*
 * Some panels meet all pixels before the next ones do: as many as stay in the cache beside these, so that outputs are
 * written in long runs; few pixels meet all.
 */
static void run_units(const fb_f32_conv *c, fb_f32_tile_job *j, int64_t unit0, int64_t unit1, const float *w) {
  const int64_t cols = c->core->cols, few = fb_max64(1, FB_F32_FEW_WEIGHTS / fb_max64(1, c->depth * cols));
  const int64_t step = j->alone < j->class_count ? 1 : j->pixels <= FEW_PIXELS ? c->panels : few;
  for (int64_t unit = unit0; unit < unit1;) {
    const int64_t group = unit / c->panels, first = unit % c->panels;
    const int64_t last = fb_min64(fb_min64(c->panels, first + step), first + unit1 - unit);
    const int64_t col = first * cols, n = fb_min64(last * cols, c->oc) - col;
    const fb_f32_block b = {.col = group * c->oc + col,
                            .n = n,
                            .x_at = group * c->ic,
                            .w = w,
                            .depth = c->depth,
                            .bias = j->bias,
                            .clamps = fb_clamps(c->p),
                            .lo = c->p->act_lo,
                            .hi = c->p->act_hi};
    for (int64_t i = 0; i < j->alone; ++i) run_class(c, j, b, &j->classes[i]);
    if (j->class_count > j->alone) fb_f32_run_taps(c, j, b);
    j->new_pixels = false;
    w += fb_f32_packed_cols(c->core, n) * c->depth;
    unit += last - first;
  }
}

void fb_f32_conv_tiles(const fb_f32_conv *c, const qe_call *call, int64_t begin, int64_t end) {
  const fb_f32_conv_scratch s = fb_f32_conv_layout(c);
  char *scratch = call->scratch;
  fb_f32_tile_job j = {.x = call->in[0],
                       .y = call->out[0],
                       .bias = fb_has_in(c->p, 2) ? call->in[2] : NULL,
                       .xs = (void *)(scratch + s.x),
                       .ys = (void *)(scratch + s.y),
                       .lines = (void *)(scratch + s.lines),
                       .spans = (void *)(scratch + s.spans),
                       .classes = (void *)(scratch + s.classes),
                       .pieces = (void *)(scratch + s.pieces),
                       .chunks = (void *)(scratch + s.chunks),
                       .tap_xs = (void *)(scratch + s.sums),
                       .part = (void *)(scratch + s.part)};
  j.tap_sums = (void *)(j.tap_xs + c->lines * c->merged * c->width);
  j.sums = j.tap_sums + c->lines * c->merged * c->width;
  j.outs = j.sums + c->lines * c->merged * c->width;
  float *own = (void *)(scratch + s.weight);
  const int64_t pixel_tiles = c->line_tiles * c->width_tiles, units = c->groups * c->panels;
  int64_t phase = -1, packed = -1, collected = -1, collected_end = -1;
  for (int64_t tile = begin, taken; tile < end; tile += taken) {
    const int64_t pixel_tile = tile % pixel_tiles, unit_tile = tile / pixel_tiles % c->unit_tiles;
    const int64_t unit0 = unit_tile * c->unit_step, unit1 = fb_min64(unit0 + c->unit_step, units);
    taken = fb_min64(end - tile, pixel_tiles - pixel_tile);
    taken = fb_ceil_div(taken, fb_ceil_div(taken, c->merged));
    if (tile / pixel_tiles / c->unit_tiles != phase) {
      phase = tile / pixel_tiles / c->unit_tiles;
      j.window = fb_f32_window_of(c->p, c->transposed, phase);
      j.joined = j.window.axis[2].tap_step == 1 && j.window.axis[2].tap_skip == 1 && j.window.x_step[2] == c->ic;
      fb_f32_find_spans(&j);
      collected = -1;
    }
    if (pixel_tile != collected || pixel_tile + taken != collected_end) {
      const fb_f32_window *w = &j.window;
      const int64_t line0 = pixel_tile / c->width_tiles * c->lines, line1 = line0 + c->lines * taken;
      const int64_t at = pixel_tile % c->width_tiles * c->width, lines = w->batch * w->axis[0].n * w->axis[1].n;
      fb_f32_collect(c, &j, fb_min64(line0, lines), fb_min64(line1, lines), fb_min64(at, w->axis[2].n),
                     fb_min64(at + c->width, w->axis[2].n));
      collected = pixel_tile;
      collected_end = pixel_tile + taken;
      j.new_pixels = c->depth == c->ic && c->groups == 1;
    }
    if (!call->packed && packed != unit_tile && c->depth > 0) {
      fb_f32_conv_pack(c, call->in[1], unit0, unit1, own);
      packed = unit_tile;
    }
    const int64_t first = unit0 / c->panels * c->packed + unit0 % c->panels * c->core->cols * c->depth;
    run_units(c, &j, unit0, unit1, call->packed ? (const float *)call->packed + first : own);
  }
}
