/* MatMulInteger: y = (A - a_zero) * (B - b_zero) in int32, zero points as inputs 2 and 3 (integer_product.h). */
#include <string.h>

#include "integer_product.h"

enum { ZEROS = 2 };

int ref_matmul_integer_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_integer_product_check(p, ZEROS, reason, reason_size);
}

int ref_matmul_integer_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_integer_product_plan(p, ZEROS, plan);
  return 0;
}

int ref_matmul_integer_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  ref_integer_product_prepack(p, ZEROS, packed);
  return 0;
}

static void store(void *arg, int64_t first, int64_t col, int32_t *acc, int64_t n) {
  memcpy((int32_t *)arg + first + col, acc, sizeof *acc * (size_t)n);
}

int ref_matmul_integer_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  ref_integer_product_run(self, call, ZEROS, tile_begin, tile_end, store, call->out[0]);
  return 0;
}
