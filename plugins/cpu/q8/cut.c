/* How a product is cut into tiles, and what scratch memory a tile needs. */
#include "q8/product.h"

/*
 * Multiplications of a tile: a microsecond or a few. Tiles that a thread gets in a row are one call of the core, so they
 * may be small.
 */
#define TILE_WORK (INT64_C(1) << 18)
/* Rows that a column costs at least, as its weight has to come from memory. */
#define FEW_ROWS 4
/* Rows of a call of the core whose sums are finished by by_rows.c; bounds their memory. */
#define BY_ROWS 16

/* Pieces as equal as can be, of at most `most` and of multiples of `unit` (but the last one) */
static int64_t even_step(int64_t n, int64_t most, int64_t unit) {
  const int64_t pieces = fb_max64(1, fb_ceil_div(n, most));
  return fb_max64(1, fb_round_up(fb_ceil_div(n, pieces), unit));
}

fb_q8_cut fb_q8_cut_of(const fb_q8_product *p, const fb_q8_core *core) {
  fb_q8_cut c = {.parts = 1};
  const int64_t most = fb_q8_by_rows(p) ? fb_min64(core->rows, BY_ROWS) : core->rows;
  c.block = fb_min64(most, even_step(p->rows, most, 4));
  if (p->line) c.block = even_step(p->rows, most / p->line * p->line, p->line);
  const int64_t per_column = fb_max64(1, fb_max64(c.block, FEW_ROWS) * p->taps * p->kc);
  c.cols = even_step(p->n, fb_max64(core->cols, TILE_WORK / per_column), core->cols);
  if (c.cols >= p->n) {
    c.cols = fb_max64(1, p->n);
    c.parts = fb_max64(1, fb_min64(p->parts, TILE_WORK / (per_column * c.cols)));
  }
  /* Few multiplications even so, or weights to be packed by every tile: several blocks of rows. */
  int64_t blocks = TILE_WORK / (per_column * c.cols * c.parts);
  if (!p->constant) blocks = fb_max64(blocks, 8);
  c.rows = c.block * fb_max64(1, fb_min64(blocks, fb_ceil_div(p->rows, c.block)));
  c.tiles = fb_ceil_div(p->rows, c.rows) * fb_ceil_div(p->parts, c.parts) * fb_ceil_div(p->n, c.cols);
  return c;
}

static uint64_t take(uint64_t *size, uint64_t bytes) {
  const uint64_t at = *size;
  *size += (bytes + 63) / 64 * 64;
  return at;
}

fb_q8_scratch fb_q8_scratch_of(const fb_q8_product *p, const fb_q8_core *core, const fb_q8_cut *cut) {
  fb_q8_scratch s = {0};
  const uint64_t rows = (uint64_t)cut->block;
  const int64_t n = p->constant ? p->n : cut->cols;
  s.x = take(&s.size, rows * (uint64_t)p->taps * sizeof(uint8_t *));
  s.row_sum = take(&s.size, rows * sizeof(int32_t));
  s.space = take(&s.size, (uint64_t)(p->space + cut->block * p->space_row));
  s.late = take(&s.size, fb_q8_columns_late(p) ? fb_q8_columns_size(p->n) : 0);
  s.y = take(&s.size, p->scattered || fb_q8_by_rows(p) ? rows * (uint64_t)p->n * sizeof(int32_t) : 0);
  if (!p->constant) {
    const fb_q8_weight w = fb_q8_codes_weight(p, NULL, 0, 0, n);
    s.weight = take(&s.size, core->packed_size(&w));
  }
  s.core = take(&s.size, core->scratch_size(cut->block, n, p->taps, p->kc));
  return s;
}
