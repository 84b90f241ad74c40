/* Gemm on codes: y = A * B + c, alpha and beta 1; c is int32 (float32 for a float32 output) and broadcasts to [M, N]. */
#include "q8/check.h"
#include "q8/matrices.h"

static int supports(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *a = p->in[0], *b = p->in[1], *y = p->out[0];
  if (a->rank != 2 || b->rank != 2 || y->rank != 2)
    return fb_refuse(reason, reason_size, "Gemm: ranks %d, %d -> %d, expected 2", a->rank, b->rank, y->rank);
  const bool ta = p->params->trans_a != 0, tb = p->params->trans_b != 0;
  const int64_t k = a->dims[!ta], n = b->dims[!tb];
  if (b->dims[tb] != k || y->dims[0] != a->dims[ta] || y->dims[1] != n)
    return fb_refuse(reason, reason_size, "Gemm: the sizes of a, b and y do not fit each other");
  if (p->params->alpha != 1.0f || (fb_has_in(p, 2) && p->params->beta != 1.0f))
    return fb_refuse(reason, reason_size, "Gemm: alpha %g, beta %g, expected 1 on codes", (double)p->params->alpha,
                     (double)p->params->beta);
  if (fb_has_in(p, 2)) {
    const qe_operand *c = p->in[2];
    for (uint32_t i = 0; i < c->rank; ++i)
      if (c->rank > 2 || (c->dims[i] != 1 && c->dims[i] != y->dims[2 - c->rank + i]))
        return fb_refuse(reason, reason_size, "Gemm: c of rank %d does not broadcast to the output", c->rank);
  }
  return fb_q8_check(p, tb ? 0 : 1, n, k, reason, reason_size);
}

static void describe(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  (void)core;
  (void)phase;
  const qe_operand *a = p->in[0], *b = p->in[1];
  const bool ta = p->params->trans_a != 0, tb = p->params->trans_b != 0;
  *out = (fb_q8_product){.problem = p,
                         .phases = 1,
                         .parts = 1,
                         .rows = a->dims[ta],
                         .n = b->dims[!tb],
                         .taps = 1,
                         .flip = fb_q8_flip_x(p),
                         .kc = a->dims[!ta],
                         .constant = b->data != NULL,
                         .y_step = b->dims[!tb]};
  fb_q8_matrices_init(out, a->strides[ta], a->strides[!ta], b->strides[!tb], b->strides[tb]);
  if (!fb_has_in(p, 2)) return;
  const qe_operand *c = p->in[2];
  if (c->rank > 0 && c->dims[c->rank - 1] != 1) out->c_col = c->strides[c->rank - 1];
  if (c->rank > 1 && c->dims[0] != 1) out->c_row = c->strides[0];
}

const fb_q8_op fb_q8_qgemm = {supports, describe};
