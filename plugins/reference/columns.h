/*
 * The 16-lane sums of sums.c for many columns side by side: rows of terms are fed one after the other, so that the
 * loops run over neighbouring columns.
 */
#ifndef QE_REFERENCE_COLUMNS_H
#define QE_REFERENCE_COLUMNS_H

#include "ref.h"

typedef struct ref_columns {
  const ref_loops *loops;
  float *lanes, *total; /* 16 rows; one row */
  int64_t width;        /* of a row */
  int64_t fed;          /* rows so far */
} ref_columns;

/* Floats of scratch that the sums of so many columns take. */
static inline uint64_t ref_columns_floats(int64_t width) { return 17 * (uint64_t)width; }
void ref_columns_start(ref_columns *s, const ref_loops *loops, float *scratch, int64_t width);
/* Feeds the next term of every column. */
void ref_columns_add(ref_columns *s, const float *terms);
/* Ends the sums, which are in the returned array (within scratch); +0 when nothing was fed. */
const float *ref_columns_finish(ref_columns *s);

#endif
