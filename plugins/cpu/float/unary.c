/* Unary float ops: what all instruction sets share. The loops: unary.inc. */
#include "float/unary.h"

/* Minimum and maximum instructions clamp as the contract does when the bounds are in order. */
int fb_act_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->act_lo <= p->act_hi) return 1;
  return fb_refuse(reason, reason_size, "%s: the fused activation's bounds are not in order", p->op);
}

static int plan_tiles(const qe_problem *p, int64_t tile, qe_kernel_plan *plan) {
  plan->tiles = fb_ceil_div(p->out[0]->count, tile);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}

int fb_unary_light_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  return plan_tiles(p, FB_LIGHT_TILE, plan);
}

int fb_unary_heavy_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  return plan_tiles(p, FB_HEAVY_TILE, plan);
}
