/* LayerNormalization: its rows. */
#ifndef QE_CPU_FLOAT_LAYER_NORM_H
#define QE_CPU_FLOAT_LAYER_NORM_H

#include "fb.h"

typedef struct fb_layer_norm {
  int64_t rows, length, rows_per_tile;
} fb_layer_norm;

fb_layer_norm fb_layer_norm_of(const qe_problem *p);

#endif
