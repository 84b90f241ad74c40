/*
 * Convolutions of float32, plain and transposed, channels last. A pixel of the output is a row of a product whose terms
 * come in runs, one for each tap (or each row of taps, where those lie side by side). Pixels that have the same taps are
 * multiplied in the same blocks; of some, mostly the corners, blocks are made for each tap anew (conv_edge.c).
 *
 * A tile is a set of pixels (lines x width of one window) times a range of units; a unit is a panel of one group's
 * columns.
 */
#ifndef QE_CPU_F32_CONV_H
#define QE_CPU_F32_CONV_H

#include "f32/core.h"
#include "f32/window.h"

typedef struct fb_f32_conv {
  const fb_f32_core *core;
  const qe_problem *p;
  bool transposed;
  int64_t groups, ic, oc; /* channels per group */
  int64_t depth, packed;  /* k's per column; floats of one group's packed weight */
  int64_t panels;         /* of one group */
  int64_t phases;
  int64_t most_classes;                        /* kinds of pixels by the taps that they have */
  int64_t lines, width;                        /* most of a tile */
  int64_t merged;                              /* tiles of neighbouring lines that are best done together */
  int64_t line_tiles, width_tiles, unit_tiles; /* of each phase; some may be empty */
  int64_t unit_step;                           /* units of a tile */
} fb_f32_conv;

/* Where the parts of the scratch lie, and its size, in bytes. */
typedef struct fb_f32_conv_scratch {
  uint64_t x, y, lines, spans, classes, pieces, chunks, sums, part, weight, size;
} fb_f32_conv_scratch;

static inline int64_t fb_f32_chunks(int64_t depth) {
  return fb_max64(1, fb_ceil_div(depth, FB_F32_CHUNK));
}

fb_f32_conv_scratch fb_f32_conv_layout(const fb_f32_conv *c);
/* Tiles [begin, end); w: the packed weight, or NULL to pack it. */
void fb_f32_conv_tiles(const fb_f32_conv *c, const qe_call *call, int64_t begin, int64_t end);
void fb_f32_conv_pack(const fb_f32_conv *c, const float *data, int64_t unit0, int64_t unit1, float *to);

#endif
