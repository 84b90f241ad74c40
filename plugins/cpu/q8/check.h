/* What the quantized products (Gemm, MatMul, Conv, ConvTranspose) ask of types and parameters. */
#ifndef QE_CPU_Q8_CHECK_H
#define QE_CPU_Q8_CHECK_H

#include "fb.h"

/*
 * Types and parameters of quantized x, w, y and the bias: 1, or 0 with the reason. w has one pair of parameters or one
 * for each of its `channels` along `axis`; a weight that is no constant must keep sums of `terms` products below 2^31.
 */
int fb_q8_check(const qe_problem *p, int32_t axis, int64_t channels, int64_t terms, char *reason, size_t reason_size);

#endif
