/* DynamicQuantizeLinear of float32: what all instruction sets share. The loops: dynamic_quantize.inc. */
#include "codes/dynamic_quantize.h"

int fb_dynamic_quantize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = fb_max64(1, fb_ceil_div(p->in[0]->count, fb_dynamic_quantize_tile(p))); /* nothing has parameters too */
  return 0;
}
