/* Copying between strides (copy.h). */
#include "move/copy.h"

#include <string.h>

#define TILE_BYTES 131072
#define TILE_ROWS  64 /* rows of a transposed tile, at least: what lies together in x fills cache lines */

size_t fb_dtype_size(uint8_t dtype) {
  switch (dtype) {
  case QE_DT_U8:
  case QE_DT_I8:
  case QE_DT_BOOL: return 1;
  case QE_DT_U16:
  case QE_DT_I16:
  case QE_DT_F16:
  case QE_DT_BF16: return 2;
  case QE_DT_F32:
  case QE_DT_I32:
  case QE_DT_U32: return 4;
  case QE_DT_F64:
  case QE_DT_I64:
  case QE_DT_U64: return 8;
  default: return 0;
  }
}

int fb_move_supports(const qe_problem *p, char *reason, size_t reason_size) {
  if (p->in[0]->dtype == p->out[0]->dtype && fb_dtype_size(p->out[0]->dtype) > 0) return 1;
  return fb_refuse(reason, reason_size, "%s: expected one type of whole bytes", p->op);
}

/* Makes dimension d the second innermost one. */
static void put_before_last(fb_nest *nest, uint32_t d) {
  for (; d + 2 < nest->rank; ++d) {
    const int64_t dim = nest->dims[d];
    nest->dims[d] = nest->dims[d + 1];
    nest->dims[d + 1] = dim;
    for (uint32_t i = 0; i < 2; ++i) {
      const int64_t stride = nest->strides[i][d];
      nest->strides[i][d] = nest->strides[i][d + 1];
      nest->strides[i][d + 1] = stride;
    }
  }
}

void fb_copy_init(fb_copy *c, size_t size, uint32_t rank, const int64_t *dims, const int64_t *y_strides,
                  const int64_t *x_strides) {
  fb_nest *nest = &c->nest;
  fb_nest_init(nest, rank, dims);
  fb_nest_add(nest, y_strides);
  fb_nest_add(nest, x_strides);
  fb_nest_close(nest);
  c->size = size;
  c->transposes = false;
  const uint32_t last = nest->rank - 1;
  if (nest->count == 0 || nest->strides[0][last] != 1 || nest->strides[1][last] == 1 || nest->strides[1][last] == 0)
    return;
  for (uint32_t d = 0; d < last; ++d) {
    if (nest->strides[1][d] != 1 || nest->dims[d] == 1) continue;
    put_before_last(nest, d);
    c->transposes = true;
    return;
  }
}

static int64_t tile_size(const fb_copy *c) { return TILE_BYTES / (int64_t)c->size; }

/* Tiles of a transposition: TILE_ROWS rows by as many columns as make up a tile's bytes; of few columns more rows. */
typedef struct grid {
  int64_t rows, cols, row_pieces, col_pieces, outer;
} grid;

static grid grid_of(const fb_copy *c) {
  const int64_t rows = c->nest.dims[c->nest.rank - 2], cols = c->nest.dims[c->nest.rank - 1];
  grid g = {.cols = tile_size(c) / fb_min64(TILE_ROWS, rows)};
  g.col_pieces = fb_ceil_div(cols, g.cols);
  g.rows = fb_round_up(fb_max64(1, tile_size(c) / cols), TILE_ROWS);
  g.row_pieces = fb_ceil_div(rows, g.rows);
  g.outer = c->nest.count / (rows * cols);
  return g;
}

int64_t fb_copy_tiles(const fb_copy *c) {
  if (c->nest.count == 0) return 0;
  if (!c->transposes) return fb_nest_tiles(&c->nest, tile_size(c));
  const grid g = grid_of(c);
  return g.outer * g.row_pieces * g.col_pieces;
}

static void transpose_tile(const fb_copy *c, const grid *g, void *y, const void *x, int64_t tile) {
  const fb_nest *nest = &c->nest;
  const uint32_t row = nest->rank - 2, col = nest->rank - 1;
  const int64_t c0 = tile % g->col_pieces * g->cols, r0 = tile / g->col_pieces % g->row_pieces * g->rows;
  int64_t rest = tile / (g->col_pieces * g->row_pieces);
  int64_t to = r0 * nest->strides[0][row] + c0, from = r0 + c0 * nest->strides[1][col];
  for (uint32_t d = row; d-- > 0;) {
    to += rest % nest->dims[d] * nest->strides[0][d];
    from += rest % nest->dims[d] * nest->strides[1][d];
    rest /= nest->dims[d];
  }
  fb_transpose(c->size, fb_element(y, c->size, to), nest->strides[0][row], fb_element_const(x, c->size, from),
               nest->strides[1][col], fb_min64(g->rows, nest->dims[row] - r0), fb_min64(g->cols, nest->dims[col] - c0));
}

/* memcpy of a fixed size is one load and one store, whatever the elements' type is. */
#define COPY(bytes)                                                              \
  for (int64_t i = 0; i < n; ++i)                                                \
    memcpy(y + i * y_step * (bytes), x + i * x_step * (bytes), (bytes));         \
  break

static void copy_row(size_t size, char *y, int64_t y_step, const char *x, int64_t x_step, int64_t n) {
  if (y_step == 1 && x_step == 1) {
    memcpy(y, x, (size_t)n * size);
    return;
  }
  if (size == 1 && y_step == 1 && x_step == 0) {
    memset(y, *x, (size_t)n);
    return;
  }
  switch (size) {
  case 1: COPY(1);
  case 2: COPY(2);
  case 4: COPY(4);
  default: COPY(8);
  }
}

typedef struct work {
  size_t size;
  char *y;
  const char *x;
} work;

static void block(const void *ctx, const fb_block *k) {
  const work *w = ctx;
  const int64_t size = (int64_t)w->size;
  for (int64_t r = 0; r < k->rows; ++r)
    copy_row(w->size, w->y + (k->offset[0] + r * k->row_step[0]) * size, k->col_step[0],
             w->x + (k->offset[1] + r * k->row_step[1]) * size, k->col_step[1], k->cols);
}

void fb_copy_run(const fb_copy *c, void *y, const void *x, int64_t tile_begin, int64_t tile_end) {
  if (c->transposes) {
    const grid g = grid_of(c);
    for (int64_t tile = tile_begin; tile < tile_end; ++tile) transpose_tile(c, &g, y, x, tile);
    return;
  }
  const work w = {c->size, y, x};
  fb_nest_run(&c->nest, tile_size(c), tile_begin, tile_end, block, &w);
}
