/* Transpose: dimension i of y is dimension perm[i] of x; any byte-sized type, any strides. */
#include "nest.h"

int ref_transpose_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  bool fits = x->rank == y->rank;
  for (uint32_t d = 0; fits && d < y->rank; ++d) {
    const int64_t from = p->params->perm[d];
    fits = from >= 0 && from < x->rank && x->dims[from] == y->dims[d];
  }
  if (!fits)
    return ref_refuse(reason, reason_size, "Transpose: perm does not give the output's shape");
  return ref_move_supports(self, p, reason, reason_size);
}

int ref_transpose_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  int64_t from[QE_MAX_RANK];
  for (uint32_t d = 0; d < y->rank; ++d)
    from[d] = x->strides[p->params->perm[d]];
  ref_nest nest;
  ref_nest_init(&nest, y->rank, y->dims);
  ref_nest_add(&nest, y->strides);
  ref_nest_add(&nest, from);
  ref_nest_close(&nest);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_nest_copy(&nest, ref_dtype_size(y->dtype), call->out[0], call->in[0], begin, end);
  return 0;
}
