/*
 * MatMul on codes and MatMulInteger, under numpy's rules: one-dimensional operands are one row or column, one matrix B
 * for all rows of A makes one tall product, other batches are the parts of a product.
 */
#include "q8/check.h"
#include "q8/matrices.h"

static bool sizes_fit(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  return a->rank >= 1 && b->rank >= 1 && a->dims[a->rank - 1] == b->dims[b->rank > 1 ? b->rank - 2 : 0];
}

static int supports(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *b = p->in[1];
  if (!sizes_fit(p)) return fb_refuse(reason, reason_size, "MatMul: rows of a and columns of b differ in size");
  const int64_t n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
  if (fb_has_in(p, 2) && (p->in[2]->count != n || b->rank < 2))
    return fb_refuse(reason, reason_size, "MatMul: the bias has %lld elements, expected one per column of b",
                     (long long)p->in[2]->count);
  return fb_q8_check(p, b->rank - 1, n, b->dims[b->rank > 1 ? b->rank - 2 : 0], reason, reason_size);
}

static bool zero_fits(const qe_problem *p, uint32_t i, int64_t most) {
  return !fb_has_in(p, i) ||
         (p->in[i]->dtype == p->in[i - 2]->dtype && (p->in[i]->count == 1 || p->in[i]->count == most));
}

static int supports_integer(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  if (!fb_is_code8(a) || !fb_is_code8(b) || p->out[0]->dtype != QE_DT_I32)
    return fb_refuse(reason, reason_size, "MatMulInteger: expected uint8 or int8 -> int32");
  if (!sizes_fit(p)) return fb_refuse(reason, reason_size, "MatMulInteger: rows of a and columns of b differ in size");
  if (!zero_fits(p, 2, a->rank > 1 ? a->dims[a->rank - 2] : 1) ||
      !zero_fits(p, 3, b->rank > 1 ? b->dims[b->rank - 1] : 1))
    return fb_refuse(reason, reason_size,
                     "MatMulInteger: zero points must have their matrix's type and one element, or one per row of a and "
                     "column of b");
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
                         .n = br > 1 ? b->dims[br - 1] : 1,
                         .taps = 1,
                         .flip = fb_q8_flip_x(p),
                         .kc = a->dims[ar - 1],
                         .constant = b->data != NULL && br <= 2,
                         .c_col = 1};
  fb_q8_matrices_init(out, ar > 1 ? a->strides[ar - 2] : 0, a->strides[ar - 1], br > 1 ? b->strides[br - 1] : 1,
                      b->strides[br > 1 ? br - 2 : 0]);
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

const fb_q8_op fb_q8_qmatmul = {supports, describe};
const fb_q8_op fb_q8_matmul_integer = {supports_integer, describe_integer};
