/* Softmax and LogSoftmax: its rows, walked by a nest of y and x without the axis. */
#ifndef QE_CPU_FLOAT_SOFTMAX_H
#define QE_CPU_FLOAT_SOFTMAX_H

#include "codes/nest.h"

typedef struct fb_softmax {
  fb_nest rows;
  int64_t length, y_step, x_step, rows_per_tile;
} fb_softmax;

void fb_softmax_init(fb_softmax *s, const qe_problem *p);

#endif
