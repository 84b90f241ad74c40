/* MinMax: what all instruction sets share. The loops: min_max.inc. */
#include "train/min_max.h"

int fb_min_max_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = fb_ceil_div(p->out[0]->dims[1], fb_min_max_tile(p));
  return 0;
}
