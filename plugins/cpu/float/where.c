/* Where on float32: what all instruction sets share. The loops: where.inc. */
#include "float/where.h"

#include "codes/nest.h"

int fb_where_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return fb_broadcast_check(p, reason, reason_size);
}

int fb_where_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  fb_nest_of_problem(&nest, p);
  plan->tiles = fb_nest_tiles(&nest, FB_WHERE_TILE);
  return 0;
}
