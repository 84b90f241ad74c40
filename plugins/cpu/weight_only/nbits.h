/*
 * MatMulNBits, Y = A W + bias with W in blocks of codes: what all instruction sets share. Weights stay codes in memory: in
 * panels of `cols` columns a word holds the next 8 (4 bits) or 4 (8 bits) codes of one column, so that one load of a
 * vector of words serves as many k. Few rows multiply straight from the codes, which then come from memory once; for
 * more, a slice of a panel at a time becomes float32 in scratch, where the first-level cache keeps it, for the core of f32.
 */
#ifndef QE_CPU_WEIGHT_ONLY_NBITS_H
#define QE_CPU_WEIGHT_ONLY_NBITS_H

#include "f32/core.h"

enum { FB_NBITS_ROWS = 4 /* most rows that multiply from codes */, FB_NBITS_SLICE = 256 /* k's made float32 at a time */ };

typedef struct fb_nbits {
  int64_t m, n, k, block;
  int64_t blocks, words; /* of a column */
  int64_t panels, cols;  /* cols: of a panel, 2 vectors */
  int bits;
  bool zeros;            /* each block has a zero point of its own; else 2^(bits-1) */
  bool exact;            /* zero points are integers */
  const uint32_t *codes; /* packed, from here on: panels x words x cols */
  const float *scale;    /* panels x blocks x cols */
  const float *zero;     /* the same; NULL without */
} fb_nbits;

/* Rows of A: all that there are. */
typedef struct fb_nbits_rows {
  const fb_nbits *w;
  const float *a, *bias; /* m rows of k; bias NULL: none */
  float *y;              /* m rows of n */
  bool clamps;           /* to [lo, hi] */
  float lo, hi;
} fb_nbits_rows;

typedef struct fb_nbits_core {
  void (*rows)(const fb_nbits_rows *r, int64_t begin, int64_t end); /* panels [begin, end) of the result */
  /* Terms [k, k + kn) of a panel's first n columns as f32/core.h wants them; k a multiple of FB_NBITS_SLICE. */
  void (*make)(const fb_nbits *w, int64_t panel, int64_t n, int64_t k, int64_t kn, float *to);
} fb_nbits_core;

#define FB_NBITS_CORE(isa, unused) extern const fb_nbits_core fb_nbits_core__##isa;
FB_VECTORS(FB_NBITS_CORE, )
#undef FB_NBITS_CORE

#endif
