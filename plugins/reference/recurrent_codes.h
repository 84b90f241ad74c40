/*
 * What the recurrent kernels over codes share: packed weights and the gates' sums
 *   (float)sum (q - z) * (w - zw) * (s * sw) + bias
 * exact in int32; without B nothing is added. The dynamic kernels take the weights' parameters from inputs, the static
 * ones from the operands.
 */
#ifndef QE_REFERENCE_RECURRENT_CODES_H
#define QE_REFERENCE_RECURRENT_CODES_H

#include "q8gemm.h"
#include "recurrent.h"

/* W or R. */
typedef struct ref_rnn_weight {
  uint32_t codes;       /* which input */
  uint32_t scale, zero; /* inputs of its parameters; 0: they are the operand's own */
  uint32_t gate_dim;    /* the dimension that the gates run along */
} ref_rnn_weight;

typedef struct ref_rnn_codes {
  ref_rnn_walk walk; /* first: the callbacks of the walk get a pointer to it */
  ref_rnn_weight weight[2];   /* W, R */
  const int16_t *packed[2];
  float *scales[2];           /* [gates * hidden] */
  uint8_t *codes;             /* [rows][inputs or hidden]: the codes to be multiplied */
  void *products;             /* scratch of q8gemm */
} ref_rnn_codes;

/* Constant codes and zero points are packed once. */
bool ref_rnn_codes_pack_once(const qe_problem *p, const ref_rnn_weight weight[2]);
void ref_rnn_codes_plan(const qe_problem *p, const ref_recurrent *s, const ref_rnn_weight weight[2],
                        qe_kernel_plan *plan);
void ref_rnn_codes_prepack(const qe_problem *p, const ref_recurrent *s, const ref_rnn_weight weight[2], void *packed);
/* Lays out the scratch for all of walk, whose call, problem, op, shape, direction and rows are set. False: a length is
 * impossible. */
bool ref_rnn_codes_begin(ref_rnn_codes *c);

/* codes = sat(rne(x / scale) + zero), n of them, x_step apart */
void ref_rnn_codes_quantize(uint8_t *codes, uint8_t dtype, const float *x, int64_t x_step, float scale, int32_t zero,
                            int64_t n);

/* Gates [gate, gate + gates) of every row into walk.xg (which 0: W) or walk.hg (1: R), from c->codes. */
void ref_rnn_codes_sums(ref_rnn_codes *c, int which, uint8_t dtype, float scale, int32_t zero, int64_t gate,
                        int64_t gates);

#endif
