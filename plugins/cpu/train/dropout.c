/* RandomDropout: what all instruction sets share. The loops: dropout.inc. */
#include "train/dropout.h"

int fb_random_dropout_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = fb_ceil_div(p->out[0]->count, FB_DROPOUT_TILE);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}
