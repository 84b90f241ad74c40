/* LayerNormGrad: its tiles. The first ones are columns of dscale and dB, for all rows, the others rows of dx. */
#ifndef QE_CPU_TRAIN_LAYER_NORM_GRAD_H
#define QE_CPU_TRAIN_LAYER_NORM_GRAD_H

#include "fb.h"

#define FB_LN_COLUMNS 1024 /* of a tile; each has to find mean and variance of all rows again */
#define FB_LN_BATCH   64   /* rows whose terms go to the lanes together */

typedef struct fb_layer_norm_grad {
  int64_t rows, length, rows_per_tile;
  int64_t column_tiles, row_tiles;
} fb_layer_norm_grad;

fb_layer_norm_grad fb_layer_norm_grad_of(const qe_problem *p);

#endif
