/* GatherGrad: dx as [outer, size, inner], of which a tile owns some rows of one outer index, or some whole ones. */
#ifndef QE_CPU_TRAIN_GATHER_GRAD_H
#define QE_CPU_TRAIN_GATHER_GRAD_H

#include "fb.h"

typedef struct fb_gather_grad {
  int64_t outer, size, inner, indices;
  int64_t tile_outer, tile_size; /* of a tile; tile_outer is 1 unless tile_size is size */
  int64_t size_tiles;
} fb_gather_grad;

fb_gather_grad fb_gather_grad_of(const qe_problem *p);

#endif
