/* MatMulNBits: shapes, packing, tiles (nbits.h). The loops: nbits.inc. */
#include "weight_only/nbits.h"

#define TILE_WORK    1000000 /* multiplications of a tile, some 30 us */
#define ROWS_OF_TILE 512     /* most rows of one */

enum { B = 1, SCALE = 2, ZERO = 3, G_IDX = 4, BIAS = 5 };

static fb_nbits shape_of(const fb_f32_core *core, const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[B];
  fb_nbits w = {.m = 1,
                .n = b->dims[0],
                .k = a->dims[a->rank - 1],
                .block = p->params->kernel[0],
                .blocks = b->dims[1],
                .bits = (int)p->params->mode,
                .cols = core->cols,
                .zeros = fb_has_in(p, ZERO),
                .exact = !fb_has_in(p, ZERO) || p->in[ZERO]->dtype == QE_DT_U8};
  for (uint32_t i = 0; i + 1 < a->rank; ++i) w.m *= a->dims[i];
  w.words = fb_ceil_div(w.k * w.bits, 32);
  w.panels = fb_ceil_div(w.n, w.cols);
  return w;
}

static int64_t code_words(const fb_nbits *w) { return w->panels * w->words * w->cols; }
static int64_t parameters(const fb_nbits *w) { return w->panels * w->blocks * w->cols; }

static void use_packed(fb_nbits *w, const void *packed) {
  w->codes = packed;
  w->scale = (const float *)(const void *)(w->codes + code_words(w));
  w->zero = w->zeros ? w->scale + parameters(w) : NULL;
}

int fb_matmul_nbits_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *a = p->in[0], *b = p->in[B], *z = fb_has_in(p, ZERO) ? p->in[ZERO] : NULL;
  const int64_t bits = p->params->mode, block = p->params->kernel[0];
  if (a->rank < 1 || b->rank != 3 || fb_has_in(p, G_IDX) || (bits != 4 && bits != 8) || block < 16 ||
      b->dims[1] != fb_ceil_div(a->dims[a->rank - 1], block) || b->dims[2] != block * bits / 8 ||
      p->in[SCALE]->count != b->dims[0] * b->dims[1])
    return fb_refuse(reason, reason_size, "MatMulNBits: %lld bits in blocks of %lld do not fit the operands",
                     (long long)bits, (long long)block);
  if (z && !(z->dtype == QE_DT_F32 && z->count == b->dims[0] * b->dims[1]) &&
      !(z->dtype == QE_DT_U8 && z->count == b->dims[0] * fb_ceil_div(b->dims[1] * bits, 8)))
    return fb_refuse(reason, reason_size, "MatMulNBits: zero points are neither packed nor one float32 of each block");
  if (!b->data || !p->in[SCALE]->data || (z && !z->data))
    return fb_refuse(reason, reason_size, "MatMulNBits: weights, scales and zero points must be constants");
  if (fb_has_in(p, BIAS) && (p->in[BIAS]->dtype != QE_DT_F32 || p->in[BIAS]->count != b->dims[0]))
    return fb_refuse(reason, reason_size, "MatMulNBits: the bias is not one float32 for each column");
  return 1;
}

/* ---- packing ---- */

static float zero_at(const qe_operand *z, const fb_nbits *w, int64_t n, int64_t block) {
  if (z->dtype == QE_DT_F32) return ((const float *)z->data)[n * w->blocks + block];
  const uint8_t *column = (const uint8_t *)z->data + n * fb_ceil_div(w->blocks * w->bits, 8);
  return w->bits == 8 ? (float)column[block] : (float)(column[block / 2] >> block % 2 * 4 & 15);
}

/* Missing columns are codes, scales and zero points of 0. */
static void pack_panel(const qe_problem *p, const fb_nbits *w, int64_t panel, uint32_t *codes, float *scale, float *zero) {
  const int64_t bytes = w->blocks * (w->block * w->bits / 8);
  for (int64_t c = 0; c < w->cols; ++c) {
    const int64_t n = panel * w->cols + c;
    const uint8_t *from = (const uint8_t *)p->in[B]->data + n * bytes;
    for (int64_t i = 0; i < w->words; ++i) {
      uint32_t word = 0; /* the first code in the lowest bits, on any machine */
      for (uint32_t k = 0; k < 4 && n < w->n; ++k) word |= (uint32_t)from[4 * i + k] << 8 * k;
      codes[i * w->cols + c] = word;
    }
    for (int64_t i = 0; i < w->blocks; ++i) {
      scale[i * w->cols + c] = n < w->n ? ((const float *)p->in[SCALE]->data)[n * w->blocks + i] : 0.0f;
      if (w->zeros) zero[i * w->cols + c] = n < w->n ? zero_at(p->in[ZERO], w, n, i) : 0.0f;
    }
  }
}

static int prepack(const fb_f32_core *core, const qe_problem *p, void *packed) {
  const fb_nbits w = shape_of(core, p);
  uint32_t *codes = packed;
  float *scale = (float *)(void *)(codes + code_words(&w)), *zero = scale + parameters(&w);
  const int64_t step = w.words * w.cols, more = w.blocks * w.cols;
  for (int64_t i = 0; i < w.panels; ++i) pack_panel(p, &w, i, codes + i * step, scale + i * more, zero + i * more);
  return 0;
}

/* ---- more rows than multiply from codes ---- */

/* Rows [row, row + rows) of one slice of a panel; part: their sums of a chunk that is not the first. */
static void multiply(const fb_f32_core *core, const fb_nbits_rows *r, int64_t panel, int64_t row, int64_t rows, int64_t k,
                     int64_t kn, const float *slice, float *part) {
  const fb_nbits *w = r->w;
  const int64_t col = panel * w->cols, blocks = fb_ceil_div(rows, core->rows);
  const bool later = k >= FB_F32_CHUNK, ends = k + kn == w->k;
  const fb_f32_piece piece = {k, 0, kn};
  fb_f32_block b = {.how = k % FB_F32_CHUNK ? FB_F32_RESUME : 0,
                    .n = fb_min64(w->cols, w->n - col),
                    .pieces = &piece,
                    .count = 1,
                    .w = slice,
                    .depth = kn,
                    .bias = r->bias ? r->bias + col : NULL,
                    .clamps = r->clamps,
                    .lo = r->lo,
                    .hi = r->hi};
  if (!ends && (k + kn) % FB_F32_CHUNK != 0) b.how |= FB_F32_KEEP;
  else if (later) b.how |= FB_F32_ADD;
  if (ends) b.how |= FB_F32_FINISH;
  for (int64_t i = 0; i < blocks; ++i) { /* evenly: few rows are slower */
    const float *x[FB_F32_ROWS];
    float *y[FB_F32_ROWS], *acc[FB_F32_ROWS];
    const int64_t first = i * rows / blocks;
    b.rows = (int)((i + 1) * rows / blocks - first);
    for (int j = 0; j < b.rows; ++j) {
      x[j] = r->a + (row + first + j) * w->k;
      y[j] = r->y + (row + first + j) * w->n + col;
      acc[j] = later ? part + (first + j) * w->cols : y[j];
    }
    b.x = x;
    b.y = y;
    b.acc = acc;
    core->block(&b);
  }
}

static void many_rows(const fb_f32_core *core, const fb_nbits_core *loops, const fb_nbits_rows *r, int64_t panel,
                      int64_t row, float *scratch) {
  const fb_nbits *w = r->w;
  float *part = scratch + FB_NBITS_SLICE * w->cols;
  for (int64_t k = 0; k < w->k; k += FB_NBITS_SLICE) {
    const int64_t kn = fb_min64(FB_NBITS_SLICE, w->k - k);
    loops->make(w, panel, w->n - panel * w->cols, k, kn, scratch);
    multiply(core, r, panel, row, fb_min64(ROWS_OF_TILE, w->m - row), k, kn, scratch, part);
  }
}

/* ---- tiles ---- */

static bool few(const fb_nbits *w) { return w->m <= FB_NBITS_ROWS; }

static int64_t panels_per_tile(const fb_nbits *w) {
  const int64_t work = fb_max64(1, w->k * w->cols * (few(w) ? 1 : fb_min64(w->m, ROWS_OF_TILE)));
  return few(w) ? fb_round_up(fb_max64(1, TILE_WORK / work), 2) : fb_max64(1, TILE_WORK / work); /* in pairs */
}

static int plan(const fb_f32_core *core, const qe_problem *p, qe_kernel_plan *plan) {
  const fb_nbits w = shape_of(core, p);
  plan->packed_size = sizeof(float) * (uint64_t)(code_words(&w) + (w.zeros ? 2 : 1) * parameters(&w));
  if (p->out[0]->count == 0) return 0;
  plan->tiles = fb_ceil_div(w.panels, panels_per_tile(&w)) * (few(&w) ? 1 : fb_ceil_div(w.m, ROWS_OF_TILE));
  if (!few(&w))
    plan->scratch_size = sizeof(float) * (uint64_t)(w.cols * (FB_NBITS_SLICE + (w.k > FB_F32_CHUNK ? ROWS_OF_TILE : 0)));
  return 0;
}

static int run(const fb_f32_core *core, const fb_nbits_core *loops, const qe_call *call, int64_t tile_begin,
               int64_t tile_end) {
  const qe_problem *p = call->problem;
  fb_nbits w = shape_of(core, p);
  use_packed(&w, call->packed);
  const fb_nbits_rows r = {.w = &w,
                           .a = call->in[0],
                           .bias = fb_has_in(p, BIAS) ? call->in[BIAS] : NULL,
                           .y = call->out[0],
                           .clamps = fb_clamps(p),
                           .lo = p->act_lo,
                           .hi = p->act_hi};
  const int64_t step = panels_per_tile(&w), across = fb_ceil_div(w.panels, step);
  if (few(&w)) {
    loops->rows(&r, tile_begin * step, fb_min64(tile_end * step, w.panels));
    return 0;
  }
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t first = tile % across * step, row = tile / across * ROWS_OF_TILE;
    for (int64_t i = first; i < fb_min64(first + step, w.panels); ++i)
      many_rows(core, loops, &r, i, row, call->scratch);
  }
  return 0;
}

#define ENTRY(isa, unused)                                                                                           \
  int fb_matmul_nbits_##isa##_plan(void *self, const qe_problem *p, qe_kernel_plan *out) {                           \
    (void)self;                                                                                                      \
    return plan(&fb_f32_core__##isa, p, out);                                                                        \
  }                                                                                                                  \
  int fb_matmul_nbits_##isa##_prepack(void *self, const qe_problem *p, void *packed) {                               \
    (void)self;                                                                                                      \
    return prepack(&fb_f32_core__##isa, p, packed);                                                                  \
  }                                                                                                                  \
  int fb_matmul_nbits_##isa##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {           \
    (void)self;                                                                                                      \
    return run(&fb_f32_core__##isa, &fb_nbits_core__##isa, call, tile_begin, tile_end);                              \
  }
FB_VECTORS(ENTRY, )
