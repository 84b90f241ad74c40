/* ClipGrad: what all instruction sets share. The loops: clip_grad.inc. */
#include "train/clip_grad.h"

int fb_clip_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  fb_nest_of_problem(&nest, p);
  plan->tiles = fb_nest_tiles(&nest, FB_CLIP_GRAD_TILE);
  plan->flags = fb_same_place(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}
