/* Blocked matrix products (product.h). */
#include "f32/product.h"

#define TILE_WORK   4000000 /* multiplications of a tile, some 40 us */
#define OUTER_LEAST 128     /* fewest terms of products that are not packed: fewer don't pay for sums in memory */
#define OUTER_PIECE 256     /* terms of these at a time */
#define FEW_ROWS    16      /* as many rows take about as long as one: the weights come from memory */

/* A tile's rows of A stay in the second-level cache, its panel of B there too or in the first. */
fb_f32_tiling fb_f32_tile(const fb_f32_core *core, const qe_cpu *cpu, int64_t m, int64_t n, int64_t k) {
  const int64_t l2 = (int64_t)(cpu->l2 ? cpu->l2 : 1 << 19) / (int64_t)sizeof(float);
  fb_f32_tiling t = {.kc = FB_F32_CHUNK};
  while (t.kc > 256 && t.kc * core->cols > l2 / 8) t.kc /= 2;
  const int64_t k_most = fb_max64(1, fb_min64(k, t.kc));
  const int64_t rows = fb_max64(4 * core->rows, l2 / 2 / k_most);
  t.row_tiles = fb_ceil_div(m, rows);
  t.mc = t.row_tiles > 0 ? fb_round_up(fb_ceil_div(m, t.row_tiles), core->rows) : 0;
  if (t.mc > 0) t.row_tiles = fb_ceil_div(m, t.mc);
  const int64_t panel_work = fb_max64(1, k) * core->cols * fb_max64(FEW_ROWS, fb_min64(m, t.mc));
  t.nc = fb_max64(1, TILE_WORK / panel_work) * core->cols;
  t.nc = fb_min64(t.nc, fb_round_up(n, core->cols));
  t.streams = n * k > l2 / 2 * 3;
  t.tiles = n > 0 ? t.row_tiles * fb_ceil_div(n, t.nc) : 0;
  return t;
}

/* A lies transposed, B as it is: for each k the elements of both are neighbours, and nothing needs to be packed. */
static bool is_outer(const fb_f32_product *p) {
  return !p->packed && p->a_m == 1 && p->a_k != 1 && p->b_n == 1 && p->k >= OUTER_LEAST;
}
static bool copies_rows(const fb_f32_product *p) {
  return p->a_k != 1 && p->k > 1;
}
static bool chunked(const fb_f32_product *p) {
  return p->k > FB_F32_CHUNK;
}
static int64_t packed_b(const fb_f32_tiling *t, const fb_f32_product *p) {
  return p->packed ? 0 : t->nc * p->k;
}
static int64_t copied_a(const fb_f32_tiling *t, const fb_f32_product *p) {
  return copies_rows(p) ? t->mc * p->k : 0;
}

/* Pointers to the rows of a tile: whole cache lines of them. */
static int64_t pointers(const fb_f32_tiling *t) {
  return fb_round_up(3 * t->mc, 64 / (int64_t)sizeof(float *));
}

uint64_t fb_f32_product_scratch(const fb_f32_core *core, const fb_f32_tiling *t, const fb_f32_product *p) {
  if (is_outer(p)) return sizeof(float) * (uint64_t)(t->mc * fb_round_up(t->nc, core->lanes) * (chunked(p) ? 2 : 1));
  return sizeof(float *) * (uint64_t)pointers(t) +
         sizeof(float) * (uint64_t)(packed_b(t, p) + copied_a(t, p) + (chunked(p) ? t->mc * t->nc : 0));
}

/* A tile at work. */
typedef struct tile_job {
  const fb_f32_core *core;
  const fb_f32_product *p;
  int64_t row, rows, col, cols;
  const float *b;   /* panel of column `col` */
  const float **xs; /* rows of A */
  float **ys;       /* of Y, from column `col` on */
  float **parts;    /* of the sums of a chunk that are still to be added, in the same columns */
  bool new_rows;    /* the caches don't have them yet */
} tile_job;

static bool plain(const fb_f32_finish *f) {
  return f->alpha == 1.0f && (!f->c || (f->beta == 1.0f && !f->c_m && f->c_n));
}

/* Columns [col, col + n), terms [k, k + kn). */
static void run_panels(const tile_job *t, int64_t col, int64_t n, int64_t k, int64_t kn) {
  const fb_f32_product *p = t->p;
  const bool later = k >= FB_F32_CHUNK, ends = k + kn == p->k;
  const bool chunk_ends = ends || (k + kn) % FB_F32_CHUNK == 0;
  const fb_f32_piece piece = {k, k, kn};
  fb_f32_block b = {.rows = t->rows,
                    .how = k % FB_F32_CHUNK ? FB_F32_RESUME : 0,
                    .col = col,
                    .n = n,
                    .x = t->xs,
                    .acc = later ? t->parts : t->ys,
                    .y = t->ys,
                    .pieces = &piece,
                    .count = kn > 0,
                    .w = t->b + col * p->k,
                    .depth = p->k,
                    .clamps = p->finish.clamps,
                    .lo = p->finish.lo,
                    .hi = p->finish.hi,
                    .row_spread = 1};
  if (!chunk_ends)
    b.how |= FB_F32_KEEP;
  else if (later)
    b.how |= FB_F32_ADD;
  if (ends && plain(&p->finish)) {
    b.how |= FB_F32_FINISH;
    b.bias = p->finish.c ? p->finish.c + t->col : NULL;
  }
  /* One block passes through B as fast as memory gives it: more of it at a time would only be another stream. */
  if (t->rows > t->core->rows) b.how |= col == 0 && t->new_rows ? FB_F32_NEW_ROWS : FB_F32_NEXT_PANEL;
  t->core->block(&b);
}

/* The finish that a core does not know, in place. */
static void finish_rows(const tile_job *t) {
  const fb_f32_finish *f = &t->p->finish;
  for (int64_t r = t->row; r < t->row + t->rows; ++r) {
    float *y = t->p->y + r * t->p->y_m + t->col;
    const float *c = f->c ? f->c + r * f->c_m + t->col * f->c_n : NULL;
    for (int64_t i = 0; i < t->cols; ++i) {
      float v = f->alpha == 1.0f ? y[i] : f->alpha * y[i];
      if (c) v += f->beta == 1.0f ? c[i * f->c_n] : f->beta * c[i * f->c_n];
      y[i] = v < f->lo ? f->lo : v > f->hi ? f->hi : v;
    }
  }
}

static void run_tile(const tile_job *t, const fb_f32_tiling *by) {
  const int64_t kc = by->kc;
  const int64_t depth = fb_max64(1, fb_min64(kc, t->p->k));
  const int64_t panels = fb_max64(1, FB_F32_FEW_WEIGHTS / (depth * t->core->cols));
  const int64_t step = t->rows <= 4 && !by->streams ? t->cols : panels * t->core->cols;
  int64_t k = 0;
  do { /* once, too, when there is nothing to add up */
    const int64_t kn = fb_min64(kc, t->p->k - k);
    for (int64_t col = 0; col < t->cols; col += step) run_panels(t, col, fb_min64(step, t->cols - col), k, kn);
    k += kn;
  } while (k < t->p->k);
  if (!plain(&t->p->finish)) finish_rows(t);
}

/* Sums rest in scratch while pieces of both sides come by that the second-level cache holds. */
static void run_outer(const tile_job *t, int64_t kc, float *sums) {
  const fb_f32_product *p = t->p;
  const int64_t step = fb_round_up(t->cols, t->core->lanes), n = t->rows * step;
  const int64_t blocks = fb_ceil_div(t->rows, t->core->rows);
  float *totals = sums + n;
  memset(sums, 0, sizeof(float) * (size_t)n);
  for (int64_t k = 0, next; k < p->k; k = next) {
    const int64_t chunk_end = fb_min64(p->k, (k / FB_F32_CHUNK + 1) * FB_F32_CHUNK);
    next = fb_min64(chunk_end, k + kc);
    const fb_f32_run run = {.a = p->a + t->row + k * p->a_k, .b = p->b + t->col + k * p->b_k, .n = next - k};
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t r0 = i * t->rows / blocks, r1 = (i + 1) * t->rows / blocks;
      const fb_f32_outer o = {.rows = (int)(r1 - r0),
                              .n = t->cols,
                              .a_at = r0,
                              .a_step = p->a_k,
                              .b_step = p->b_k,
                              .runs = &run,
                              .count = 1,
                              .sums = sums + r0 * step,
                              .sum_step = step};
      t->core->outer(&o);
    }
    if (next == chunk_end && chunked(p)) fb_f32_end_chunk(k / FB_F32_CHUNK, sums, totals, n);
  }
  const float *from = chunked(p) ? totals : sums;
  for (int64_t r = 0; r < t->rows; ++r)
    memcpy(p->y + (t->row + r) * p->y_m + t->col, from + r * step, sizeof(float) * (size_t)t->cols);
  finish_rows(t);
}

void fb_f32_product_tile(const fb_f32_core *core, const fb_f32_tiling *t, const fb_f32_product *p, int64_t tile,
                         float *scratch, int64_t *column) {
  const int64_t row = tile % t->row_tiles * t->mc, col = tile / t->row_tiles * t->nc;
  tile_job job = {.core = core,
                  .p = p,
                  .row = row,
                  .rows = fb_min64(t->mc, p->m - row),
                  .col = col,
                  .cols = fb_min64(t->nc, p->n - col),
                  .new_rows = t->row_tiles > 1 || *column < 0};
  if (is_outer(p)) {
    run_outer(&job, OUTER_PIECE, scratch);
    return;
  }
  job.xs = (void *)scratch;
  job.ys = (void *)(job.xs + t->mc);
  job.parts = job.ys + t->mc;
  float *own = (void *)(job.xs + pointers(t)), *copy = own + packed_b(t, p), *part = copy + copied_a(t, p);
  const float *a = p->k > 0 ? p->a + row * p->a_m : NULL;
  int64_t a_step = p->a_m;
  job.b = own; /* never read when there are no terms */
  if (p->k > 0) {
    if (p->packed) job.b = p->packed + col * p->k;
    if (!p->packed && *column != col) {
      const fb_f32_weight w = fb_f32_product_weight(p, p->b);
      fb_f32_pack(core, &w, col, col + job.cols, own);
    }
    if (copies_rows(p)) {
      for (int64_t k = 0; k < p->k; ++k)
        for (int64_t r = 0; r < job.rows; ++r) copy[r * p->k + k] = a[r * p->a_m + k * p->a_k];
      a = copy;
      a_step = p->k;
    }
  }
  for (int64_t r = 0; r < job.rows; ++r) {
    job.xs[r] = p->k > 0 ? a + r * a_step : own;
    job.ys[r] = p->y + (row + r) * p->y_m + col;
    job.parts[r] = part + r * job.cols;
  }
  *column = col;
  run_tile(&job, t);
}
