/* Two float32 operands with broadcasting: what all instruction sets share. The loops: binary.inc. */
#include "float/binary.h"

int fb_binary_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (p->n_in != 2) return fb_refuse(reason, reason_size, "%s: %u inputs, expected 2", p->op, p->n_in);
  return fb_act_supports(self, p, reason, reason_size) && fb_broadcast_check(p, reason, reason_size);
}

int fb_binary_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  fb_nest_of_problem(&nest, p);
  plan->tiles = fb_nest_tiles(&nest, FB_BINARY_TILE);
  plan->flags = fb_same_place(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}
