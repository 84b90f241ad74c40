/* The matrices of a MatMul whose operands broadcast over leading dimensions. */
#ifndef QE_CPU_BATCH_H
#define QE_CPU_BATCH_H

#include "fb.h"

/* Products [0, count) in row-major order of y's leading dimensions; steps in elements, 0 where an operand broadcasts. */
typedef struct fb_batch {
  uint32_t rank;
  int64_t count, dims[QE_MAX_RANK], a[QE_MAX_RANK], b[QE_MAX_RANK];
} fb_batch;

/* One matrix B for all of A is no batch (rank 0, count 1): then all rows of A make one product. */
static inline fb_batch fb_batch_of(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const uint32_t a_lead = a->rank > 2 ? a->rank - 2u : 0, b_lead = b->rank > 2 ? b->rank - 2u : 0;
  fb_batch s = {.count = 1};
  if (b_lead == 0) return s;
  s.rank = a_lead > b_lead ? a_lead : b_lead;
  for (uint32_t i = 0; i < s.rank; ++i) {
    const uint32_t skip_a = s.rank - a_lead, skip_b = s.rank - b_lead;
    s.dims[i] = p->out[0]->dims[i];
    s.a[i] = i < skip_a || a->dims[i - skip_a] == 1 ? 0 : a->strides[i - skip_a];
    s.b[i] = i < skip_b || b->dims[i - skip_b] == 1 ? 0 : b->strides[i - skip_b];
    s.count *= s.dims[i];
  }
  return s;
}

/* Rows of A in each product. */
static inline int64_t fb_batch_rows(const qe_problem *p) {
  const qe_operand *a = p->in[0];
  int64_t rows = a->rank > 1 ? a->dims[a->rank - 2] : 1;
  for (uint32_t i = 0; p->in[1]->rank <= 2 && i + 2 < a->rank; ++i) rows *= a->dims[i];
  return rows;
}

/* Where A and B of a product begin, in elements. */
static inline void fb_batch_at(const fb_batch *s, int64_t product, int64_t *a, int64_t *b) {
  *a = *b = 0;
  for (uint32_t i = s->rank; i-- > 0; product /= s->dims[i]) {
    *a += product % s->dims[i] * s->a[i];
    *b += product % s->dims[i] * s->b[i];
  }
}

#endif
