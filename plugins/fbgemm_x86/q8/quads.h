/* Packed weights of the cores that multiply by four codes at a time (layout: quads__avx2.c). */
#ifndef QE_FBGEMM_Q8_QUADS_H
#define QE_FBGEMM_Q8_QUADS_H

#include "q8/core.h"

/*
 * Panels of 2 * lanes columns (the last one is of `lanes` where no more are left), of each [k / 4][columns][4] codes;
 * zeros where columns or k (to a multiple of depth_step) end.
 */
void fb_q8_pack_quads(const fb_q8_weight *w, int64_t lanes, int64_t depth_step, void *packed, int32_t *sums);

#endif
