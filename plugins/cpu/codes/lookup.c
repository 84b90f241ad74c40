/* y = table[code], 256 entries: unary ops on codes and requantization. What all instruction sets share. */
#include "codes/lookup.h"

int fb_lookup_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!fb_is_code8(p->in[0]) || !fb_is_code8(p->out[0]) || !fb_has_in(p, 1) || p->in[1]->count != 256)
    return fb_refuse(reason, reason_size, "Lookup: expected uint8 or int8 codes and a table of 256 of them");
  return 1;
}

int fb_lookup_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = fb_ceil_div(p->out[0]->count, FB_LOOKUP_TILE);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}
