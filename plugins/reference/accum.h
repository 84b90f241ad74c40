/*
 * Reductions of conv, matmul and their kin for a row of n neighbouring outputs, in the order of docs/numerics.md:
 * within a chunk of 4096 reduction indices acc = fma(x_k, w_k, acc) with k ascending from +0; the chunk sums are added
 * in order (a chunk whose taps were all skipped counts as +0).
 */
#ifndef QE_REFERENCE_ACCUM_H
#define QE_REFERENCE_ACCUM_H

#include "ref.h"

#define REF_CHUNK 4096 /* reduction indices per chunk */

typedef struct ref_accum {
  const ref_loops *loops;
  float *total, *part; /* n floats each */
  int64_t n;
  int64_t chunk; /* the chunk that part belongs to */
} ref_accum;

/* Floats of scratch that an accumulator of n outputs takes. */
static inline uint64_t ref_accum_floats(int64_t n) { return 2 * (uint64_t)n; }
/* Begins a reduction; scratch: ref_accum_floats(n) floats. */
void ref_accum_start(ref_accum *a, const ref_loops *loops, float *scratch, int64_t n);
/* Ends the chunks before the one of index `at`. Whoever adds to `part` by itself calls it first, for up to
 * REF_CHUNK - at % REF_CHUNK indices. */
void ref_accum_seek(ref_accum *a, int64_t at);
/* Feeds reduction indices [at, at + k), at not below what was fed before: terms x[j * x_step] * w[j * w_step + i]. */
void ref_accum_panel(ref_accum *a, int64_t at, const float *x, int64_t x_step, const float *w, int64_t w_step,
                     int64_t k);
/* Feeds the one index `at` with terms x[i] * w[i]. */
void ref_accum_products(ref_accum *a, int64_t at, const float *x, const float *w);
/* Ends a reduction of `length` indices; the n sums are in the returned array (within scratch). */
const float *ref_accum_finish(ref_accum *a, int64_t length);

#endif
