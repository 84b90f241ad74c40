/* Tiles of convolutions (conv.h): their pixels, and the blocks of those that have all their taps. */
#include "f32/conv_edge.h"

enum { CHUNK = FB_F32_CHUNK };

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
  const uint64_t pixels = (uint64_t)(c->lines * c->width), chunks = (uint64_t)fb_f32_chunks(c->depth);
  uint64_t kernel_sum = 3;
  for (uint32_t d = 0; d < c->p->params->spatial; ++d) kernel_sum += (uint64_t)c->p->params->kernel[d];
  s.x = place(&s.size, pixels * sizeof(float *));
  s.y = place(&s.size, pixels * sizeof(float *));
  s.edges = place(&s.size, pixels * sizeof(fb_f32_edge));
  s.pieces = place(&s.size, ((uint64_t)kernel_taps(c) + chunks) * sizeof(fb_f32_piece));
  s.chunks = place(&s.size, (chunks + 1) * sizeof(int64_t));
  s.masks = place(&s.size, kernel_sum * sizeof(uint16_t));
  if (chunks > 1) s.part = place(&s.size, sizeof(float) * (uint64_t)(c->core->rows * c->groups * c->oc));
  s.weight = s.size;
  if (!c->p->in[1]->data) (void)place(&s.size, sizeof(float) * (uint64_t)(c->unit_step * c->core->cols * c->depth));
  return s;
}

/* The runs of a pixel that has all its taps, cut at the ends of chunks; chunks[i]: where chunk i begins. */
static void list_pieces(const fb_f32_conv *c, fb_f32_tile_job *j) {
  const fb_f32_window *w = &j->window;
  const fb_f32_axis *a = w->axis;
  int64_t count = 0, chunk = 0;
  j->chunks[0] = 0;
  for (int64_t t0 = 0; t0 < a[0].taps; ++t0)
    for (int64_t t1 = 0; t1 < a[1].taps; ++t1)
      for (int64_t t2 = 0; t2 < a[2].taps; t2 += j->joined ? a[2].taps : 1) {
        fb_f32_piece rest = fb_f32_tap(c, w, t0, t1, t2);
        rest.k = c->ic * (j->joined ? a[2].taps : 1);
        while (rest.k > 0) {
          for (; chunk < rest.first / CHUNK; ++chunk) j->chunks[chunk + 1] = count;
          const int64_t k = fb_min64(rest.k, CHUNK - rest.first % CHUNK);
          j->pieces[count++] = (fb_f32_piece){rest.a, rest.first, k};
          rest = (fb_f32_piece){rest.a + k, rest.first + k, rest.k - k};
        }
      }
  for (; chunk < fb_f32_chunks(c->depth); ++chunk) j->chunks[chunk + 1] = count;
}

/* One line of a tile. */
typedef struct line {
  int64_t i0, i1; /* positions along the leading dimensions */
  const float *x; /* the input that tap 0 of output 0 of the line meets, which may lie outside */
  float *y;
} line;

static line line_at(const fb_f32_tile_job *j, int64_t number) {
  const fb_f32_window *w = &j->window;
  const fb_f32_axis *a = w->axis;
  const int64_t i1 = number % a[1].n, i0 = number / a[1].n % a[0].n, n = number / a[1].n / a[0].n;
  line l = {.i0 = i0, .i1 = i1};
  l.x = j->x + (n * w->x_batch + (a[0].at + i0 * a[0].in_step) * w->x_step[0] +
                (a[1].at + i1 * a[1].in_step) * w->x_step[1] + a[2].at * w->x_step[2]);
  l.y = j->y + (n * w->y_batch + (a[0].first + i0 * a[0].step) * w->y_step[0] +
                (a[1].first + i1 * a[1].step) * w->y_step[1] + a[2].first * w->y_step[2]);
  return l;
}

static void add_pixels(fb_f32_tile_job *j, const line *l, int64_t begin, int64_t end) {
  const fb_f32_window *w = &j->window;
  const int64_t x_step = w->axis[2].in_step * w->x_step[2], y_step = w->axis[2].step * w->y_step[2];
  for (int64_t i = begin; i < end; ++i) {
    j->xs[j->pixels] = l->x + i * x_step;
    j->ys[j->pixels++] = l->y + i * y_step;
  }
}

static void add_edges(fb_f32_tile_job *j, const line *l, int64_t begin, int64_t end) {
  const fb_f32_axis *a = j->window.axis;
  fb_f32_edge e;
  fb_f32_taps(&a[0], l->i0, &e.begin[0], &e.end[0]);
  fb_f32_taps(&a[1], l->i1, &e.begin[1], &e.end[1]);
  for (int64_t i = begin; i < end; ++i) {
    fb_f32_taps(&a[2], i, &e.begin[2], &e.end[2]);
    j->edges[j->pixels + i - begin] = e;
  }
  add_pixels(j, l, begin, end);
}

/*
 * Collects the pixels: first those that have all their taps, then the others, those of one column (or of the columns
 * between the edges) together, because they have the same taps in most lines.
 */
static void collect(fb_f32_tile_job *j, int64_t line0, int64_t line1, int64_t begin, int64_t end) {
  const fb_f32_axis *a = j->window.axis;
  const int64_t lo = fb_min64(fb_max64(a[2].lo, begin), end), hi = fb_max64(fb_min64(a[2].hi, end), lo);
  j->pixels = 0;
  for (int64_t n = line0; n < line1; ++n) {
    const line l = line_at(j, n);
    if (l.i0 >= a[0].lo && l.i0 < a[0].hi && l.i1 >= a[1].lo && l.i1 < a[1].hi) add_pixels(j, &l, lo, hi);
  }
  j->whole = j->pixels;
  for (int64_t at = begin; at < end; at = at == lo && lo < hi ? hi : at + 1) {
    const bool middle = at == lo && lo < hi;
    for (int64_t n = line0; n < line1; ++n) {
      const line l = line_at(j, n);
      const bool done = l.i0 >= a[0].lo && l.i0 < a[0].hi && l.i1 >= a[1].lo && l.i1 < a[1].hi;
      if (!middle)
        add_edges(j, &l, at, at + 1);
      else if (!done)
        add_edges(j, &l, lo, hi);
    }
  }
}

/* Columns [col, col + n) of the output for the pixels that have all their taps. */
static void run_whole(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b, int64_t n) {
  const int64_t chunks = fb_f32_chunks(c->depth), step = j->whole <= 4 ? n : c->core->cols, col = b.col;
  const float *w = b.w;
  b.rows = j->whole;
  b.x = j->xs;
  b.y = j->ys;
  b.row_spread = j->window.axis[2].in_step;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    b.pieces = j->pieces + j->chunks[chunk];
    b.count = j->chunks[chunk + 1] - j->chunks[chunk];
    for (int64_t at = 0; at < n; at += step) {
      b.how = (chunk > 0 ? FB_F32_ADD : 0) | (chunk + 1 == chunks ? FB_F32_FINISH : 0);
      b.how |= at == 0 && j->new_pixels ? FB_F32_NEW_ROWS : FB_F32_NEXT_PANEL;
      b.col = col + at;
      b.n = fb_min64(step, n - at);
      b.w = w + at * c->depth;
      c->core->block(&b);
    }
  }
}

static void run_units(const fb_f32_conv *c, fb_f32_tile_job *j, int64_t unit0, int64_t unit1, const float *w) {
  const int64_t cols = c->core->cols;
  for (int64_t unit = unit0; unit < unit1;) {
    const int64_t group = unit / c->panels, first = unit % c->panels, last = fb_min64(c->panels, first + unit1 - unit);
    const int64_t col = first * cols, n = fb_min64(last * cols, c->oc) - col;
    const fb_f32_block b = {.col = group * c->oc + col,
                            .x_at = group * c->ic,
                            .w = w,
                            .depth = c->depth,
                            .bias = j->bias,
                            .clamps = fb_clamps(c->p),
                            .lo = c->p->act_lo,
                            .hi = c->p->act_hi};
    if (j->whole > 0) run_whole(c, j, b, n);
    if (j->pixels > j->whole) fb_f32_run_edges(c, j, b, n);
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
                       .edges = (void *)(scratch + s.edges),
                       .pieces = (void *)(scratch + s.pieces),
                       .chunks = (void *)(scratch + s.chunks),
                       .masks = (void *)(scratch + s.masks),
                       .part = (void *)(scratch + s.part)};
  float *own = (void *)(scratch + s.weight);
  const int64_t pixel_tiles = c->line_tiles * c->width_tiles, units = c->groups * c->panels;
  int64_t phase = -1, packed = -1, collected = -1;
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t pixel_tile = tile % pixel_tiles, unit_tile = tile / pixel_tiles % c->unit_tiles;
    const int64_t unit0 = unit_tile * c->unit_step, unit1 = fb_min64(unit0 + c->unit_step, units);
    if (tile / pixel_tiles / c->unit_tiles != phase) {
      phase = tile / pixel_tiles / c->unit_tiles;
      j.window = fb_f32_window_of(c->p, c->transposed, phase);
      j.joined = j.window.axis[2].tap_step == 1 && j.window.axis[2].tap_skip == 1 && j.window.x_step[2] == c->ic;
      list_pieces(c, &j);
      collected = -1;
    }
    if (pixel_tile != collected) {
      const fb_f32_window *w = &j.window;
      const int64_t line0 = pixel_tile / c->width_tiles * c->lines, at = pixel_tile % c->width_tiles * c->width;
      collect(&j, fb_min64(line0, w->batch * w->axis[0].n * w->axis[1].n),
              fb_min64(line0 + c->lines, w->batch * w->axis[0].n * w->axis[1].n), fb_min64(at, w->axis[2].n),
              fb_min64(at + c->width, w->axis[2].n));
      collected = pixel_tile;
      j.new_pixels = c->depth == c->ic && c->groups == 1;
    }
    if (!call->packed && packed != unit_tile && c->depth > 0) {
      fb_f32_conv_pack(c, call->in[1], unit0, unit1, own);
      packed = unit_tile;
    }
    const int64_t first = unit0 / c->panels * c->packed + unit0 % c->panels * c->core->cols * c->depth;
    run_units(c, &j, unit0, unit1, call->packed ? (const float *)call->packed + first : own);
    j.new_pixels = false;
  }
}
