/*
 * Depthwise quantized convolutions (one input channel per group), channels last.
 *
 * The sums: with x' = x as uint8 (int8 codes are flipped by 0x80, the zero point with them) and w~ = w - zw,
 *   acc = sum x' w~ + base,   base = bias - zx' sum w~,
 * where taps outside x read zx'. Products of one channel are summed by instructions that take several taps at a time,
 * so four taps' codes are first interleaved ("columns": 4 bytes for each channel), once for all windows that look at
 * them:
 *
 *   sources   the taps that are interleaved. Taps above each other are (rows): then windows side by side share columns,
 *             and two output rows do, whose windows overlap. Kernels of one row interleave all taps instead, and
 * windows share nothing. columns   columns[chunk][i][vector]: sources 4 chunk .. 4 chunk + 3 at position i of the row
 *
 * then every output is the sum over chunks and a few neighbouring columns ("steps") of columns times weights.
 * A form is how that is done on an instruction set: quads (vpdpbusd: 4 bytes, w~ must fit int8) or pairs (vpmaddwd: the
 * four bytes widened to two int16 pairs, sources 0, 2 and 1, 3; any w~).
 */
#ifndef QE_FBGEMM_DEPTHWISE_H
#define QE_FBGEMM_DEPTHWISE_H

#include "window.h"

typedef struct fb_dw_form {
  int64_t lanes; /* channels of a vector of sums */
  bool quads;
} fb_dw_form;

#define FB_DW_VECTORS 4 /* vectors of a group of channels: as many as one vector of bytes fills */
#define FB_DW_PIXELS  4 /* outputs side by side that are computed together */

typedef struct fb_dw {
  fb_window g;
  fb_dw_form form;
  bool shared;  /* sources are rows; else all taps */
  int64_t rows; /* output rows computed together: 1 or 2 */
  int64_t sources, chunks;
  int64_t steps;        /* columns of a window */
  int64_t step, stride; /* columns between the steps of a window, and between windows */
  int64_t vectors, groups;
  int64_t vector_bytes, column_bytes; /* one vector; all vectors of a group at one position of one chunk */
  int64_t weight_bytes;               /* of one vector of channels */
  int64_t strip, columns;             /* most outputs and columns of one piece of a row */
  int64_t tile_rows, tile_pixels, tile_groups, row_tiles, pixel_tiles, group_tiles;
} fb_dw;

void fb_dw_init(fb_dw *s, const qe_problem *p, fb_dw_form form);
/* The tap that source `source` is for the `row`th of the output rows computed together and a step; -1: none. */
int64_t fb_dw_tap(const fb_dw *s, int64_t row, int64_t source, int64_t step);

/* Packed memory. Arrays have an entry for every channel, padded to whole vectors. */
typedef struct fb_dw_packed {
  int32_t *wild;   /* not 0: a product of a sum and its multiplier may leave the range of int32 */
  float *m, *bias; /* bias: that of float32 outputs; -0 (which changes no number) when there is none */
  int32_t *base;
  uint8_t *weights; /* [vector][row][chunk][step], a vector for quads, two for pairs */
  int64_t bytes;
} fb_dw_packed;
fb_dw_packed fb_dw_packed_at(const fb_dw *s, void *memory);
/* w and bias: the elements, as the problem's strides say; bias NULL: none. */
void fb_dw_pack(const fb_dw *s, const qe_problem *p, const void *w, const void *bias, void *packed);

/* What the kernels of all forms do in plan, prepack and run. */
int fb_dw_plan(const qe_problem *p, qe_kernel_plan *plan, fb_dw_form form);
int fb_dw_prepack(const qe_problem *p, void *packed, fb_dw_form form);

/* How sums become outputs. */
typedef struct fb_dw_finish {
  bool real;    /* float32: y = act((float)acc * m + bias) */
  bool wild;    /* a product may leave the range of int32 */
  int16_t zero; /* codes, as uint8: the zero point and the bounds; flip makes them codes of the type */
  uint8_t lo, hi, flip;
  float act_lo, act_hi;
} fb_dw_finish;

/* A row of outputs of one vector of channels. */
typedef struct fb_dw_line {
  const uint8_t *columns; /* of this vector: a column is column_bytes further, a chunk chunk_bytes */
  const uint8_t *weights;
  int64_t column_bytes, chunk_bytes, chunks, steps, step, stride;
  const float *m, *bias;
  const int32_t *base;
  const fb_dw_finish *finish;
  int64_t channels, pixels;
  char *y;
  int64_t y_step; /* bytes from pixel to pixel */
} fb_dw_line;

/* Four sources of columns: position i is at x + at + i * step for i in [begin, end), else in the padding. */
typedef struct fb_dw_source {
  int64_t at, step, begin, end;
  int64_t fast; /* to this position a whole vector of bytes may be read */
} fb_dw_source;
typedef struct fb_dw_gather {
  const uint8_t *x;
  fb_dw_source source[4];
  uint8_t flip, zero; /* zero: as it lies in x */
  int64_t channels;   /* that x has from here on; less than a vector of bytes at the end */
  int64_t columns;
  uint8_t *to;
} fb_dw_gather;

/* One instruction set. */
typedef struct fb_dw_loops {
  fb_dw_form form;
  void (*gather)(const fb_dw_gather *g);
  void (*line)(const fb_dw_line *l);
} fb_dw_loops;
int fb_dw_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, const fb_dw_loops *loops);

#endif
