/* Loop nests over strided operands (nest.h). */
#include "codes/nest.h"

void fb_nest_init(fb_nest *nest, uint32_t rank, const int64_t *dims) {
  nest->rank = rank;
  nest->n = 0;
  nest->count = 1;
  for (uint32_t d = 0; d < rank; ++d) {
    nest->dims[d] = dims[d];
    nest->count *= dims[d];
  }
}

void fb_nest_add(fb_nest *nest, const int64_t *strides) {
  for (uint32_t d = 0; d < nest->rank; ++d) nest->strides[nest->n][d] = strides[d];
  ++nest->n;
}

void fb_nest_add_operand(fb_nest *nest, const qe_operand *o) {
  const uint32_t lead = nest->rank - o->rank;
  int64_t *strides = nest->strides[nest->n++];
  for (uint32_t d = 0; d < nest->rank; ++d)
    strides[d] = d < lead || o->dims[d - lead] == 1 ? 0 : o->strides[d - lead];
}

static void copy_dim(fb_nest *nest, uint32_t from, uint32_t to) {
  nest->dims[to] = nest->dims[from];
  for (uint32_t i = 0; i < nest->n; ++i) nest->strides[i][to] = nest->strides[i][from];
}

static void swap_dims(fb_nest *nest, uint32_t a, uint32_t b) {
  const int64_t dim = nest->dims[a];
  nest->dims[a] = nest->dims[b];
  nest->dims[b] = dim;
  for (uint32_t i = 0; i < nest->n; ++i) {
    const int64_t stride = nest->strides[i][a];
    nest->strides[i][a] = nest->strides[i][b];
    nest->strides[i][b] = stride;
  }
}

/* Do dimensions d and d + 1 make one for every operand? */
static bool joins(const fb_nest *nest, uint32_t d) {
  for (uint32_t i = 0; i < nest->n; ++i)
    if (nest->strides[i][d] != nest->strides[i][d + 1] * nest->dims[d + 1]) return false;
  return true;
}

/* A dimension of size 1 in front, until there are two. */
static void pad_rank(fb_nest *nest) {
  while (nest->rank < 2) {
    if (nest->rank == 1) copy_dim(nest, 0, 1);
    nest->dims[0] = 1;
    for (uint32_t i = 0; i < nest->n; ++i) nest->strides[i][0] = 0;
    if (nest->rank == 0)
      for (uint32_t i = 0; i < nest->n; ++i) nest->strides[i][0] = 1; /* one element: every step will do */
    ++nest->rank;
  }
}

void fb_nest_close(fb_nest *nest) {
  uint32_t kept = 0;
  for (uint32_t d = 0; d < nest->rank; ++d)
    if (nest->dims[d] != 1) copy_dim(nest, d, kept++);
  for (uint32_t d = 1; d < kept; ++d)
    for (uint32_t e = d; e > 0 && nest->strides[0][e - 1] < nest->strides[0][e]; --e) swap_dims(nest, e - 1, e);
  for (uint32_t d = kept; d-- > 1;) {
    if (!joins(nest, d - 1)) continue;
    const int64_t dim = nest->dims[d - 1];
    for (uint32_t e = d; e < kept; ++e) copy_dim(nest, e, e - 1);
    nest->dims[d - 1] *= dim;
    --kept;
  }
  nest->rank = kept;
  pad_rank(nest);
}

void fb_nest_of_problem(fb_nest *nest, const qe_problem *p) {
  fb_nest_init(nest, p->out[0]->rank, p->out[0]->dims);
  fb_nest_add(nest, p->out[0]->strides);
  for (uint32_t i = 0; i < p->n_in; ++i) fb_nest_add_operand(nest, p->in[i]);
  fb_nest_close(nest);
}

/* Tiles of a row (more than 1: each is a piece), and rows of a tile. */
static int64_t row_pieces(const fb_nest *nest, int64_t size) {
  return fb_max64(1, fb_ceil_div(nest->dims[nest->rank - 1], size));
}
static int64_t tile_rows(const fb_nest *nest, int64_t size) {
  return fb_max64(1, size / fb_max64(1, nest->dims[nest->rank - 1]));
}

int64_t fb_nest_tiles(const fb_nest *nest, int64_t size) {
  if (nest->count == 0) return 0;
  const int64_t rows = nest->count / nest->dims[nest->rank - 1], pieces = row_pieces(nest, size);
  return pieces > 1 ? rows * pieces : fb_ceil_div(rows, tile_rows(nest, size));
}

/* Sets the block to the start of a row; returns the row's place within the second innermost dimension. */
static int64_t seek(const fb_nest *nest, int64_t row, fb_block *block) {
  const int64_t inner = row % nest->dims[nest->rank - 2];
  for (uint32_t i = 0; i < nest->n; ++i) block->offset[i] = 0;
  for (uint32_t d = nest->rank - 1; d-- > 0;) {
    const int64_t at = row % nest->dims[d];
    row /= nest->dims[d];
    for (uint32_t i = 0; i < nest->n; ++i) block->offset[i] += at * nest->strides[i][d];
  }
  return inner;
}

void fb_nest_run(const fb_nest *nest, int64_t size, int64_t tile_begin, int64_t tile_end, fb_block_fn fn,
                 const void *ctx) {
  if (nest->count == 0) return;
  const uint32_t last = nest->rank - 1;
  const int64_t pieces = row_pieces(nest, size), rows = nest->count / nest->dims[last];
  fb_block block = {.cols = nest->dims[last]};
  for (uint32_t i = 0; i < nest->n; ++i) {
    block.row_step[i] = nest->strides[i][last - 1];
    block.col_step[i] = nest->strides[i][last];
  }
  if (pieces > 1) { /* pieces of one row that follow each other are one block */
    for (int64_t tile = tile_begin; tile < tile_end;) {
      const int64_t row = tile / pieces, stop = fb_min64(tile_end, (row + 1) * pieces);
      const int64_t from = (tile - row * pieces) * size, to = fb_min64((stop - row * pieces) * size, nest->dims[last]);
      (void)seek(nest, row, &block);
      block.rows = 1;
      block.cols = to - from;
      for (uint32_t i = 0; i < nest->n; ++i) block.offset[i] += from * block.col_step[i];
      fn(ctx, &block);
      tile = stop;
    }
    return;
  }
  const int64_t step = tile_rows(nest, size), end = fb_min64(tile_end * step, rows);
  for (int64_t row = tile_begin * step; row < end; row += block.rows) {
    const int64_t inner = seek(nest, row, &block);
    block.rows = fb_min64(nest->dims[last - 1] - inner, end - row);
    fn(ctx, &block);
  }
}

int fb_broadcast_check(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *y = p->out[0];
  if (p->n_in + 1 > FB_NEST_MAX)
    return fb_refuse(reason, reason_size, "%s: %u inputs, at most %d", p->op, p->n_in, FB_NEST_MAX - 1);
  for (uint32_t i = 0; i < p->n_in; ++i) {
    const qe_operand *x = p->in[i];
    bool fits = x && x->rank <= y->rank;
    for (uint32_t d = 0; fits && d < x->rank; ++d)
      fits = x->dims[d] == 1 || x->dims[d] == y->dims[y->rank - x->rank + d];
    if (!fits) return fb_refuse(reason, reason_size, "%s: input %u does not broadcast to the output", p->op, i);
  }
  return 1;
}

bool fb_same_place(const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (x->rank != y->rank) return false;
  for (uint32_t i = 0; i < x->rank; ++i)
    if (x->dims[i] != y->dims[i] || (x->dims[i] > 1 && x->strides[i] != y->strides[i])) return false;
  return true;
}
