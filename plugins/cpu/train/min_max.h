/* MinMax: how it is cut. */
#ifndef QE_CPU_TRAIN_MIN_MAX_H
#define QE_CPU_TRAIN_MIN_MAX_H

#include "codes/nest.h"

/* Channels of a tile: those whose elements lie side by side, or about as many as make a tile worth a call. */
static inline int64_t fb_min_max_tile(const qe_problem *p) {
  const qe_operand *x = p->in[0];
  const int64_t axis = p->params->axis, channels = p->out[0]->dims[1];
  if (axis < 0) return 1;
  if (x->strides[axis] == 1) return 64;
  return fb_max64(1, 32768 / fb_max64(1, x->count / fb_max64(1, channels)));
}

#endif
