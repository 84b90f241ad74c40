/*
 * MatMul on codes, MatMulInteger and MatMulIntegerToFloat, under numpy's rules: one-dimensional operands are one row or column, one matrix B
 * for all rows of A makes one tall product, other batches are the parts of a product.
 */
#include "q8/check.h"
#include "q8/matrices.h"

/* The dimension of b along k (side 0) or n (1); trans_b: MatMulIntegerToFloat's b is [N, K]. b of rank 1 has no n. */
static uint32_t b_dim(const qe_problem *p, uint32_t side) {
  const uint32_t rank = p->in[1]->rank;
  return rank < 2 ? 0 : rank - 2 + (side ^ (p->params->trans_b ? 1u : 0u));
}

static int64_t columns_of(const qe_problem *p) { return p->in[1]->rank > 1 ? p->in[1]->dims[b_dim(p, 1)] : 1; }

static bool sizes_fit(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  return a->rank >= 1 && b->rank >= 1 && a->dims[a->rank - 1] == b->dims[b_dim(p, 0)];
}

static int supports(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *b = p->in[1];
  if (!sizes_fit(p)) return fb_refuse(reason, reason_size, "MatMul: rows of a and columns of b differ in size");
  const int64_t n = columns_of(p);
  if (fb_has_in(p, 2) && (p->in[2]->count != n || b->rank < 2))
    return fb_refuse(reason, reason_size, "MatMul: the bias has %lld elements, expected one per column of b",
                     (long long)p->in[2]->count);
  return fb_q8_check(p, b->rank - 1, n, b->dims[b->rank > 1 ? b->rank - 2 : 0], reason, reason_size);
}

/* Input i, the zero point of input `of`. */
static bool zero_fits(const qe_problem *p, uint32_t i, uint32_t of, int64_t most) {
  return !fb_has_in(p, i) ||
         (p->in[i]->dtype == p->in[of]->dtype && (p->in[i]->count == 1 || p->in[i]->count == most));
}

static int supports_integer(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  if (!fb_is_code8(a) || !fb_is_code8(b) || p->out[0]->dtype != QE_DT_I32)
    return fb_refuse(reason, reason_size, "MatMulInteger: expected uint8 or int8 -> int32");
  if (!sizes_fit(p)) return fb_refuse(reason, reason_size, "MatMulInteger: rows of a and columns of b differ in size");
  if (!zero_fits(p, 2, 0, a->rank > 1 ? a->dims[a->rank - 2] : 1) ||
      !zero_fits(p, 3, 1, columns_of(p)))
    return fb_refuse(reason, reason_size,
                     "MatMulInteger: zero points must have their matrix's type and one element, or one per row of a and "
                     "column of b");
  return 1;
}

static int supports_to_float(const qe_problem *p, char *reason, size_t reason_size) {
  const int64_t n = sizes_fit(p) ? columns_of(p) : 0;
  if (!fb_is_code8(p->in[0]) || !fb_is_code8(p->in[1]) || p->out[0]->dtype != QE_DT_F32)
    return fb_refuse(reason, reason_size, "MatMulIntegerToFloat: expected uint8 or int8 -> float32");
  if (!sizes_fit(p))
    return fb_refuse(reason, reason_size, "MatMulIntegerToFloat: rows of a and columns of b differ in size");
  if (!fb_has_in(p, 2) || !fb_has_in(p, 3) || p->in[2]->count != 1 || (p->in[3]->count != 1 && p->in[3]->count != n))
    return fb_refuse(reason, reason_size,
                     "MatMulIntegerToFloat: expected one scale of a, and one scale of b or one per column");
  if (!zero_fits(p, 4, 0, 1) || !zero_fits(p, 5, 1, n))
    return fb_refuse(reason, reason_size,
                     "MatMulIntegerToFloat: zero points must have their matrix's type and one element, or one per "
                     "column of b");
  if (fb_has_in(p, 6) && (p->in[6]->dtype != QE_DT_F32 || p->in[6]->count != n))
    return fb_refuse(reason, reason_size,
                     "MatMulIntegerToFloat: the bias must be float32 with one element per column of b");
  return 1;
}

static void find_batch(const fb_q8_product *p, int64_t part, int64_t *a, int64_t *b) {
  fb_batch_at(&p->at.matrices.batch, part, a, b);
}

static void describe(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  (void)core;
  (void)phase;
  const qe_operand *a = p->in[0], *b = p->in[1];
  const uint32_t ar = a->rank, br = b->rank;
  const fb_batch batch = fb_batch_of(p);
  *out = (fb_q8_product){.problem = p,
                         .phases = 1,
                         .parts = batch.count,
                         .rows = fb_batch_rows(p),
                         .n = columns_of(p),
                         .taps = 1,
                         .flip = fb_q8_flip_x(p),
                         .kc = a->dims[ar - 1],
                         .constant = b->data != NULL && br <= 2,
                         .c_col = 1};
  fb_q8_matrices_init(out, ar > 1 ? a->strides[ar - 2] : 0, a->strides[ar - 1],
                      br > 1 ? b->strides[b_dim(p, 1)] : 1, b->strides[b_dim(p, 0)]);
  out->y_step = out->n;
  if (br <= 2) return;
  out->at.matrices.batch = batch;
  out->y_part = out->rows * out->n;
  out->find_batch = find_batch;
}

static void describe_integer(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  describe(p, core, phase, out);
  out->integer = true;
}

static void describe_to_float(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  describe_integer(p, core, phase, out);
  out->scaled = true;
}

const fb_q8_op fb_q8_qmatmul = {supports, describe};
const fb_q8_op fb_q8_matmul_integer = {supports_integer, describe_integer};
const fb_q8_op fb_q8_matmul_integer_to_float = {supports_to_float, describe_to_float};
