/* y = table[code], 256 entries: unary ops on codes and requantization. */
#include "fb.h"

#define TILE 16384

int fb_lookup_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!fb_is_code8(p->in[0]) || !fb_is_code8(p->out[0]) || !fb_has_in(p, 1) || p->in[1]->count != 256)
    return fb_refuse(reason, reason_size, "Lookup: expected uint8 or int8 codes and a table of 256 of them");
  return 1;
}

int fb_lookup_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = fb_ceil_div(p->out[0]->count, TILE);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}

int fb_lookup_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const uint8_t *x = call->in[0], *table = call->in[1];
  uint8_t *y = call->out[0];
  const int64_t end = fb_min64(tile_end * TILE, call->problem->out[0]->count);
  for (int64_t i = tile_begin * TILE; i < end; ++i) y[i] = table[x[i]];
  return 0;
}
