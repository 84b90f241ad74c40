/* Slice: y[i] = x[starts + i * steps] in every dimension; any byte-sized type, any strides, negative steps too. */
#include "nest.h"

int ref_slice_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  bool fits = x->rank == y->rank;
  for (uint32_t d = 0; fits && d < y->rank; ++d) {
    const int64_t start = p->params->starts[d], last = start + (y->dims[d] - 1) * p->params->steps[d];
    fits = y->dims[d] == 0 || (start >= 0 && start < x->dims[d] && last >= 0 && last < x->dims[d]);
  }
  if (!fits)
    return ref_refuse(reason, reason_size, "Slice: starts and steps reach outside the input");
  return ref_move_supports(self, p, reason, reason_size);
}

int ref_slice_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const size_t size = ref_dtype_size(y->dtype);
  int64_t steps[QE_MAX_RANK], offset = 0;
  for (uint32_t d = 0; d < y->rank; ++d) {
    steps[d] = p->params->steps[d] * x->strides[d];
    offset += p->params->starts[d] * x->strides[d];
  }
  ref_nest nest;
  ref_nest_init(&nest, y->rank, y->dims);
  ref_nest_add(&nest, y->strides);
  ref_nest_add(&nest, steps);
  ref_nest_close(&nest);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  if (begin < end)
    ref_nest_copy(&nest, size, call->out[0], ref_at_const(call->in[0], size, offset), begin, end);
  return 0;
}
