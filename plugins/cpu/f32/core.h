/*
 * Products of float32: what a core (the micro-kernels of one instruction set) is asked to do, and what the ops (matrix
 * products, convolutions) ask for. An op turns its problem into blocks of rows, which lie anywhere in memory, and a
 * weight packed in panels of `cols` neighbouring columns; the core multiplies. Ops know nothing of instruction sets,
 * cores nothing of ops.
 *
 * The order of each sum is that of docs/numerics.md: acc = +0, acc = fma(x_k, w_k, acc) for k ascending within chunks
 * of 4096 k, chunk sums added in order. Outputs lie side by side in vectors, so no sum is ever split. A sum may rest in
 * memory between two calls, which is how reductions are blocked for the caches and how taps that only some rows have
 * are done.
 */
#ifndef QE_CPU_F32_CORE_H
#define QE_CPU_F32_CORE_H

#include <math.h>

#include "f32/outer.h"
#include "fb.h"

#define FB_F32_CHUNK       4096  /* reduction indices per chunk */
#define FB_F32_ROWS        12    /* most rows of a block in any core */
#define FB_F32_FEW_WEIGHTS 32768 /* floats of panels that are one call of the core: little beside the second-level cache */

/* A run of the reduction: terms x[x_at + a + i] * w(first + i), i < k, x being a row's pointer. */
typedef struct fb_f32_piece {
  int64_t a, first, k;
} fb_f32_piece;

/* What happens around the terms of a block. */
enum {
  FB_F32_RESUME = 1, /* sums go on from `acc`; else from +0 */
  FB_F32_KEEP = 2,   /* sums are left in `acc`; nothing below */
  FB_F32_ADD = 4,    /* the end of a chunk that is not the first: added to what y holds */
  FB_F32_FINISH = 8, /* the end of the reduction: bias and clamp */
  /* What is fetched into the second-level cache along the way: */
  FB_F32_NEXT_PANEL = 16, /* the panel behind each */
  FB_F32_NEW_ROWS = 32,   /* rows, which the caches don't have yet */
};

/*
 * Rows times n columns: elements [col, col + n) of the rows of acc and y and of the bias. The core cuts rows into blocks
 * of up to its `rows`, evenly, as few rows are slower; a block meets all columns before the next one does.
 */
typedef struct fb_f32_block {
  int64_t rows;
  int how; /* FB_F32_* */
  int64_t col, n;
  const float *const *x; /* rows; used from x_at on */
  float *const *acc;     /* rows of sums, read with RESUME, written with KEEP; may be those of y */
  float *const *y;       /* rows of outputs, not touched with KEEP */
  int64_t x_at;
  const fb_f32_piece *pieces;
  int64_t count;
  const float *w;    /* the panels of these columns, as packed */
  int64_t depth;     /* of the packed weight: k's per column */
  const float *bias; /* or NULL */
  bool clamps;       /* to [lo, hi] */
  float lo, hi;
  int64_t row_spread; /* of new rows: distance in memory, in lengths of the row; up to 2 */
} fb_f32_block;

/* Is there a fused activation? */
static inline bool fb_clamps(const qe_problem *p) {
  return p->act_lo > -INFINITY || p->act_hi < INFINITY;
}

typedef struct fb_f32_core {
  int rows;  /* most rows of a block */
  int lanes; /* columns of a vector */
  int cols;  /* columns of a panel: 2 vectors */
  const int8_t *outer_vecs; /* most vectors that an outer product of 1, 2, ... rows does at once; else it does 2 or 1 */
  void (*block)(const fb_f32_block *b);
  void (*outer)(const fb_f32_outer *o);
  /* Columns [0, n) of k rows, b_step apart, as packed panels. */
  void (*pack_rows)(const float *b, int64_t b_step, int64_t k, int64_t n, float *to);
} fb_f32_core;

#define FB_F32_CORE(isa, unused) extern const fb_f32_core fb_f32_core__##isa;
FB_VECTORS(FB_F32_CORE, )
#undef FB_F32_CORE

/*
 * Packed: panels of `cols` columns, one after the other: [k][cols], the last one [k][lanes] when that is enough;
 * missing columns are 0.
 */
static inline int64_t fb_f32_packed_cols(const fb_f32_core *core, int64_t n) {
  return fb_round_up(n, core->lanes);
}

/* A weight as it lies in memory: column n of the product is w(k), k = tap * kc + c, taps in row-major order. */
typedef struct fb_f32_weight {
  const float *data;
  int64_t n, kc, taps[3];
  int64_t step_n, step_c, step_tap[3];
} fb_f32_weight;

static inline int64_t fb_f32_depth(const fb_f32_weight *w) {
  return w->taps[0] * w->taps[1] * w->taps[2] * w->kc;
}
static inline int64_t fb_f32_packed_floats(const fb_f32_core *core, const fb_f32_weight *w) {
  return fb_f32_packed_cols(core, w->n) * fb_f32_depth(w);
}
/* Packs columns [n0, n1), n0 a multiple of cols; `to` is where panel n0 goes. */
void fb_f32_pack(const fb_f32_core *core, const fb_f32_weight *w, int64_t n0, int64_t n1, float *to);

#endif
