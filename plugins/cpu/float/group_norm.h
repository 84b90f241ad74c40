/* Group- and InstanceNormalization: the shape of a group, and how it gets into a dense row and back. */
#ifndef QE_CPU_FLOAT_GROUP_NORM_H
#define QE_CPU_FLOAT_GROUP_NORM_H

#include "move/copy.h"

typedef struct fb_group_norm {
  int64_t groups, channels, plane; /* of a sample; of a group; positions */
  bool dense_x, dense_y;           /* a group is a dense row */
  int64_t at_once;                 /* groups of a tile: several where neighbours are channels */
} fb_group_norm;

void fb_group_norm_init(fb_group_norm *g, const qe_problem *p);
/* Some groups of x to dense rows, and such rows to y. */
void fb_group_norm_gather(const fb_group_norm *g, const qe_problem *p, float *row, const float *x, int64_t groups);
void fb_group_norm_scatter(const fb_group_norm *g, const qe_problem *p, float *y, const float *row, int64_t groups);

#endif
