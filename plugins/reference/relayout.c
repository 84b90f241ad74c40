/* Relayout, Expand and Transpose: the same elements under other strides, any byte-sized type. */
#include "nest.h"

int ref_relayout_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  return ref_move_supports(self, p, reason, reason_size) && ref_broadcast_check(p, reason, reason_size);
}

/* Relayout: y's shape is x's; Expand: x broadcasts to it. */
int ref_relayout_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_nest_copy(&nest, ref_dtype_size(p->out[0]->dtype), call->out[0], call->in[0], begin, end);
  return 0;
}
