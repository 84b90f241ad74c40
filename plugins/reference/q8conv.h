/* The integer convolution that Conv (quantized) and ConvInteger share: exact int32 sums, channels last. */
#ifndef QE_REFERENCE_Q8CONV_H
#define QE_REFERENCE_Q8CONV_H

#include "q8.h"
#include "window.h"

typedef struct ref_q8conv {
  ref_window g;
  int64_t groups, ic, oc; /* channels per group */
  int64_t oc_padded;
  int64_t terms;          /* of one sum: taps * ic */
  int64_t row_size;       /* terms, made even */
  bool depthwise;         /* one channel per group on both sides */
  bool pointwise;         /* rows of x are the pixels as they are */
  int64_t rows;           /* pixels gathered at a time */
} ref_q8conv;

int ref_q8conv_check(const qe_problem *p, char *reason, size_t reason_size);
void ref_q8conv_init(ref_q8conv *s, const qe_problem *p);

/* Bytes of the packed weights: int16, as ref_q8_place says, for every group or, depthwise,
 * the taps being the terms. */
uint64_t ref_q8conv_packed_bytes(const ref_q8conv *s);
void ref_q8conv_pack(const ref_q8conv *s, const qe_operand *w, const void *data, const ref_q8_zeros *zeros,
                     int16_t *packed);

uint64_t ref_q8conv_scratch_bytes(const ref_q8conv *s);
/* Pixels of one tile; many when every call has to pack the weights. */
int64_t ref_q8conv_tile_pixels(const ref_q8conv *s, bool packs_in_run);

/* Takes the sums of channels [channel, channel + n) at a pixel (numbered over batch and output positions). */
typedef void (*ref_q8conv_store)(void *arg, int64_t pixel, int64_t channel, int32_t *acc, int64_t n);
void ref_q8conv_run(const ref_q8conv *s, const ref_loops *loops, const void *x, uint8_t x_dtype, int32_t x_zero,
                    const int16_t *w, void *scratch, int64_t begin, int64_t end, ref_q8conv_store store, void *arg);

#endif
