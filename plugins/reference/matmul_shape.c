/* Shapes of MatMul (matmul.h) and the check that all MatMul kernels share. */
#include "matmul.h"

void ref_matmul_init(ref_matmul *s, const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1], *y = p->out[0];
  const uint32_t ar = a->rank, br = b->rank;
  *s = (ref_matmul){.batches = 1};
  s->one.k = a->dims[ar - 1];
  s->one.m = ar > 1 ? a->dims[ar - 2] : 1;
  s->one.n = br > 1 ? b->dims[br - 1] : 1;
  s->one.a_k = a->strides[ar - 1];
  s->one.a_m = ar > 1 ? a->strides[ar - 2] : 0;
  s->one.b_k = b->strides[br > 1 ? br - 2 : 0];
  s->one.b_n = br > 1 ? b->strides[br - 1] : 1;
  if (p->params->trans_b) { /* a matrix */
    s->one.n = b->dims[0];
    s->one.b_k = b->strides[1];
    s->one.b_n = b->strides[0];
  }
  const uint32_t a_lead = ar > 2 ? ar - 2 : 0, b_lead = br > 2 ? br - 2 : 0;
  if (b_lead == 0 && a_lead > 0) { /* one matrix B for all rows of A: one tall product */
    s->one.m = ref_count(ar - 1, a->dims);
    return;
  }
  s->batch_rank = a_lead > b_lead ? a_lead : b_lead;
  for (uint32_t i = 0; i < s->batch_rank; ++i) {
    s->batch_dims[i] = y->dims[i];
    const uint32_t skip_a = s->batch_rank - a_lead, skip_b = s->batch_rank - b_lead;
    s->a_batch[i] = i < skip_a || a->dims[i - skip_a] == 1 ? 0 : a->strides[i - skip_a];
    s->b_batch[i] = i < skip_b || b->dims[i - skip_b] == 1 ? 0 : b->strides[i - skip_b];
  }
  s->batches = ref_count(s->batch_rank, s->batch_dims);
}

void ref_matmul_offsets(const ref_matmul *s, int64_t batch, int64_t *a, int64_t *b) {
  *a = ref_offset(s->batch_rank, s->batch_dims, s->a_batch, batch);
  *b = ref_offset(s->batch_rank, s->batch_dims, s->b_batch, batch);
}

int ref_matmul_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *a = p->in[0], *b = p->in[1];
  if (a->rank < 1 || b->rank < 1)
    return ref_refuse(reason, reason_size, "MatMul: operands of rank %d and %d, expected at least 1", a->rank, b->rank);
  const int64_t k = b->dims[b->rank > 1 ? b->rank - 2 : 0];
  if (a->dims[a->rank - 1] != k)
    return ref_refuse(reason, reason_size, "MatMul: rows of a have %lld elements, columns of b %lld",
                      (long long)a->dims[a->rank - 1], (long long)k);
  if (ref_has_in(p, 2) && (p->in[2]->dtype != p->out[0]->dtype || p->in[2]->rank != 1 || b->rank < 2 ||
                           p->in[2]->dims[0] != b->dims[b->rank - 1]))
    return ref_refuse(reason, reason_size, "MatMul: bias of rank %d and %lld elements, expected one per column of b",
                      p->in[2]->rank, (long long)p->in[2]->count);
  return 1;
}
