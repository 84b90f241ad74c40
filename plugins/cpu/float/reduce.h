/* ReduceSum, Mean, SumSquare, L2, Max and Min of float32: what is reduced and what is kept. */
#ifndef QE_CPU_FLOAT_REDUCE_H
#define QE_CPU_FLOAT_REDUCE_H

#include "codes/nest.h"

/* Terms that are put together before they are added; longer reductions are chunks of as many. */

typedef struct fb_reduce {
  fb_nest kept;      /* y, x: the results */
  uint32_t box_rank; /* the reduced dimensions, joined where one stride walks them, in row-major order */
  int64_t box_dims[QE_MAX_RANK], box_strides[QE_MAX_RANK], box_count;
  int64_t tile; /* results */
} fb_reduce;

void fb_reduce_init(fb_reduce *s, const qe_problem *p);

/* Walks the box in row-major order. */
typedef struct fb_box {
  const fb_reduce *s;
  int64_t index[QE_MAX_RANK], offset;
} fb_box;
static inline fb_box fb_box_start(const fb_reduce *s) { return (fb_box){.s = s}; }
static inline void fb_box_next(fb_box *b) {
  for (uint32_t d = b->s->box_rank; d-- > 0;) {
    b->offset += b->s->box_strides[d];
    if (++b->index[d] < b->s->box_dims[d]) return;
    b->offset -= b->s->box_dims[d] * b->s->box_strides[d];
    b->index[d] = 0;
  }
}

#endif
