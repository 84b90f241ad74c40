/*
 * MatMulIntegerToFloat: the exact product of codes, then y = (float)acc * (a_scale * b_scale) + bias, two roundings,
 * clamped by a fused activation. Inputs: A, B, a_scale (one), b_scale (one, or one per column), zero points of A (one)
 * and B (one, or one per column), bias (one per column); absent zero points are 0, without a bias nothing is added.
 */
#include "integer_product.h"

enum { A_SCALE = 2, B_SCALE = 3, ZEROS = 4, BIAS = 6 };

int ref_matmul_integer_to_float_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!ref_integer_product_check(p, ZEROS, reason, reason_size)) return 0;
  const qe_operand *b = p->in[1];
  const int64_t n = b->rank > 1 ? b->dims[p->params->trans_b ? 0 : b->rank - 1] : 1;
  if (p->in[A_SCALE]->count != 1 || (p->in[B_SCALE]->count != 1 && p->in[B_SCALE]->count != n))
    return ref_refuse(reason, reason_size, "MatMulIntegerToFloat: a has one scale, b one or one per column");
  if (ref_has_in(p, ZEROS) && p->in[ZEROS]->count != 1)
    return ref_refuse(reason, reason_size, "MatMulIntegerToFloat: a has one zero point");
  if (ref_has_in(p, BIAS) && p->in[BIAS]->count != n)
    return ref_refuse(reason, reason_size, "MatMulIntegerToFloat: the bias has %lld elements, expected one per column",
                      (long long)p->in[BIAS]->count);
  return 1;
}

int ref_matmul_integer_to_float_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_integer_product_plan(p, ZEROS, plan);
  return 0;
}

int ref_matmul_integer_to_float_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  ref_integer_product_prepack(p, ZEROS, packed);
  return 0;
}

typedef struct store_arg {
  const qe_problem *problem;
  float a_scale;
  const float *b_scale, *bias; /* bias NULL: none */
  float *y;
} store_arg;

static void store(void *arg, int64_t first, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *s = arg;
  const bool per_column = s->problem->in[B_SCALE]->count > 1;
  for (int64_t i = 0; i < n; ++i) {
    const float scale = s->a_scale * s->b_scale[per_column ? col + i : 0];
    float y = (float)acc[i] * scale;
    if (s->bias) y += s->bias[col + i];
    s->y[first + col + i] = ref_act(y, s->problem->act_lo, s->problem->act_hi);
  }
}

int ref_matmul_integer_to_float_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  store_arg arg = {.problem = call->problem,
                   .a_scale = *(const float *)call->in[A_SCALE],
                   .b_scale = call->in[B_SCALE],
                   .bias = ref_has_in(call->problem, BIAS) ? call->in[BIAS] : NULL,
                   .y = call->out[0]};
  ref_integer_product_run(self, call, ZEROS, tile_begin, tile_end, store, &arg);
  return 0;
}
