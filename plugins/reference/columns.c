/* 16-lane sums of neighbouring columns (columns.h). */
#include "columns.h"

#include <string.h>

void ref_columns_start(ref_columns *s, const ref_loops *loops, float *scratch, int64_t width) {
  *s = (ref_columns){.loops = loops, .total = scratch, .lanes = scratch + width, .width = width};
  memset(scratch, 0, sizeof(float) * ref_columns_floats(width));
}

/* Ends a chunk: the tree over the lanes; the first chunk's sum is the total, the others are added to it. */
static void end_chunk(ref_columns *s) {
  for (int64_t half = 8; half > 0; half /= 2)
    s->loops->add_f32(s->lanes, s->lanes + half * s->width, half * s->width);
  if (s->fed <= REF_SUM_CHUNK)
    memcpy(s->total, s->lanes, sizeof(float) * (size_t)s->width);
  else
    s->loops->add_f32(s->total, s->lanes, s->width);
  memset(s->lanes, 0, sizeof(float) * 16 * (size_t)s->width);
}

void ref_columns_add(ref_columns *s, const float *terms) {
  s->loops->add_f32(s->lanes + s->fed % 16 * s->width, terms, s->width);
  if (++s->fed % REF_SUM_CHUNK == 0)
    end_chunk(s);
}

const float *ref_columns_finish(ref_columns *s) {
  if (s->fed % REF_SUM_CHUNK != 0)
    end_chunk(s);
  return s->total;
}
