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
 * A form is how that is done on an instruction set: quads (vpdpbusd, sdot: 4 bytes, w~ must fit int8) or pairs (vpmaddwd, smlal:
 * the four bytes widened to two int16 pairs, sources 0, 1 and 2, 3; any w~).
 *
 * An odd number of rows leaves half a pair over. Then the last row is paired with itself one step further ("doubled"):
 * even steps take two taps of it, odd ones none.
 *
 * Windows of 3 x 3 taps may be read in place instead ("direct"): a column is interleaved in registers and meets every
 * window that it lies in, nothing goes through memory. The form of pairs then has weights of two digits,
 * w~ = 23 h + l with h and l in [-11, 11]: vpmaddubsw multiplies pairs of bytes as they are, and nine products of a
 * digit, at most 9 * 255 * 11 = 25245, add up in int16; vpmaddwd brings the two sums together, which wide columns
 * of int16 (h = 0) would need for every pair of taps.
 *
 * Channels come in groups of as many as a vector has bytes, each lane of 16 bytes 16 of them; vector j of sums holds
 * channels 4 j .. 4 j + 3 of each lane, which is how unpacking and packing leave them. A last group of 32 or 16
 * channels fills its lanes with further parts of the row ("parts"): part t has pixels [t * each, (t + 1) * each).
 */
#ifndef QE_CPU_DEPTHWISE_H
#define QE_CPU_DEPTHWISE_H

#include "spatial.h"

typedef struct fb_dw_form {
  int64_t bytes; /* of a vector */
  bool quads;
  bool direct;  /* windows of 3 x 3 are read in place */
  uint8_t less; /* 128: columns are int8, x' - 128 */
} fb_dw_form;

#define FB_DW_VECTORS 4 /* of sums of a group */
#define FB_DW_PIXELS  4 /* outputs side by side that are computed together, at most */

typedef struct fb_dw {
  fb_window g;
  fb_dw_form form;
  bool direct;  /* 3 x 3 taps, read in place */
  bool shared;  /* sources are rows; else all taps */
  int64_t rows; /* output rows computed together: 1 or 2 */
  bool doubled; /* the last row stands twice among the sources, the second time a step further; see below */
  int64_t sources, chunks;
  int64_t steps;               /* columns of a window */
  int64_t step, stride;        /* columns between the steps of a window, and between windows */
  int64_t pieces;              /* vectors of a column that a vector of sums takes: 1 for quads, 2 for pairs */
  int64_t column_bytes;        /* all vectors of a group at one position of one chunk */
  int64_t groups, group_bytes; /* group_bytes: of packed memory */
  int64_t strip, columns;      /* most outputs and columns of one piece of a row */
  int64_t tile_rows, tile_pixels, tile_groups, row_tiles, pixel_tiles, group_tiles;
} fb_dw;

typedef struct fb_dw_group {
  int64_t channel, channels;
  int64_t width, parts; /* width: bytes of x side by side that are loaded at a time; width * parts: a vector */
} fb_dw_group;

void fb_dw_init(fb_dw *s, const qe_problem *p, fb_dw_form form);

/* Whole vectors of bytes, then the parts of one that the rest is made of, then fewer than 16 channels. */
static inline fb_dw_group fb_dw_group_at(const fb_dw *s, int64_t group) {
  const int64_t bytes = s->form.bytes, whole = s->g.channels / bytes;
  fb_dw_group r = {fb_min64(group, whole) * bytes, bytes, bytes, 1};
  int64_t skip = group - whole;
  if (skip < 0) return r;
  for (r.width /= 2, r.parts *= 2; r.width >= 16; r.width /= 2, r.parts *= 2) {
    r.channels = r.width;
    if (s->g.channels - r.channel < r.width) continue;
    if (skip-- == 0) return r;
    r.channel += r.width;
  }
  r.width = 16, r.parts = bytes / 16;
  r.channels = s->g.channels - r.channel;
  return r;
}

/* Columns of `pixels` outputs. */
static inline int64_t fb_dw_columns(const fb_dw *s, int64_t pixels) {
  return (fb_round_up(pixels, FB_DW_PIXELS) - 1) * s->stride + (s->steps - 1) * s->step + 1;
}
/* The tap that source `source` is for the `row`th of the output rows computed together and a step; -1: none. */
int64_t fb_dw_tap(const fb_dw *s, int64_t row, int64_t source, int64_t step);

/*
 * Packed memory: 64 bytes (the first int32 not 0: the product of a sum and its multiplier may leave the range of
 * int32), then the groups: vectors m[4], bias[4] (of float32 outputs; -0, which changes no number, when there is none),
 * base[4], weights[row][chunk][step][piece][4]; of digits weights[pair of taps][half of the channels][digit: l, h].
 */
#define FB_DW_DIGIT         23
#define FB_DW_DIGIT_VECTORS 20
enum { FB_DW_M = 0, FB_DW_BIAS = 4, FB_DW_BASE = 8, FB_DW_WEIGHTS = 12 }; /* in vectors */
static inline int64_t fb_dw_packed_bytes(const fb_dw *s) {
  return 64 + s->groups * s->group_bytes;
}
/* w and bias: the elements, as the problem's strides say; bias NULL: none. */
void fb_dw_pack(const fb_dw *s, const qe_problem *p, const void *w, const void *bias, void *packed);

/* How sums become outputs. */
typedef struct fb_dw_finish {
  bool real;    /* float32: y = act((float)acc * m + bias) */
  bool wild;    /* a product may leave the range of int32 */
  int16_t zero; /* codes, as uint8: the zero point and the bounds; flip makes them codes of the type */
  uint8_t lo, hi, flip;
  float act_lo, act_hi;
} fb_dw_finish;

/* Where a source's taps lie: column c at x + at + c * step for c in [begin, end), else in the padding. */
typedef struct fb_dw_source {
  int64_t at, step, begin, end;
} fb_dw_source;

/*
 * The sources of a chunk, from channel 0 on, for groups with this many parts: part t of column c at
 * from[i] + c * step[i] + t * part[i] for c in [begin, end). Columns outside of [first, last) are in the padding of
 * all; up to `safe`, what is loaded does not reach over the end of x.
 */
typedef struct fb_dw_chunk {
  const fb_dw_source *source;
  int64_t sources;
  bool doubled; /* the last two sources are a doubled row */
  bool sparse;  /* of which odd columns are not looked at */
  const uint8_t *from[4];
  int64_t step[4], part[4];
  int64_t begin, end, first, last, safe;
} fb_dw_chunk;

/* What is computed in one go: a piece of one (or two) rows of outputs, one group of channels. */
typedef struct fb_dw_piece {
  const uint8_t *x, *end;
  const uint8_t *padding; /* zero points, for all channels and a vector more */
  uint8_t flip;
  fb_dw_group group;
  bool direct;
  const fb_dw_chunk *chunk;
  int64_t chunks, rows;
  int64_t steps, step, stride;
  int64_t pixels, each; /* outputs of a row; those of one part */
  int64_t apart;        /* columns from part to part */
  uint8_t *columns;
  int64_t chunk_bytes;
  const uint8_t *packed, *weights;
  int64_t row_weights; /* bytes of one row's weights */
  const fb_dw_finish *finish;
  char *y;
  int64_t y_row, y_step; /* bytes */
} fb_dw_piece;

/* One instruction set. */
typedef struct fb_dw_loops {
  fb_dw_form form;
  void (*piece)(const fb_dw_piece *o);
} fb_dw_loops;

/* What the kernels of all forms do. */
int fb_dw_plan(const qe_problem *p, qe_kernel_plan *plan, fb_dw_form form);
int fb_dw_prepack(const qe_problem *p, void *packed, fb_dw_form form);
int fb_dw_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, const fb_dw_loops *loops);

#endif
