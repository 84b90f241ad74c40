/*
 * Identity, Dropout, Reshape, Flatten, Squeeze, Unsqueeze: row-major memory is copied, whatever the shapes are
 * called.
 */
#include <string.h>

#include "nest.h"

int ref_identity_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (p->in[0]->count != p->out[0]->count)
    return ref_refuse(reason, reason_size, "%s: %lld elements do not become %lld", p->op, (long long)p->in[0]->count,
                      (long long)p->out[0]->count);
  return ref_move_supports(self, p, reason, reason_size);
}

int ref_identity_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const size_t size = ref_dtype_size(p->out[0]->dtype);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  if (begin < end)
    memcpy(ref_at(call->out[0], size, begin), ref_at_const(call->in[0], size, begin), (size_t)(end - begin) * size);
  return 0;
}
