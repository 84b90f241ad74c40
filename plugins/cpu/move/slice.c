/* Slice: y[i] = x[starts + i * steps] in every dimension, negative steps too. */
#include "move/copy.h"

int fb_slice_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  bool fits = x->rank == y->rank;
  for (uint32_t d = 0; fits && d < y->rank; ++d) {
    const int64_t start = p->params->starts[d], last = start + (y->dims[d] - 1) * p->params->steps[d];
    fits = y->dims[d] == 0 || (start >= 0 && start < x->dims[d] && last >= 0 && last < x->dims[d]);
  }
  if (!fits) return fb_refuse(reason, reason_size, "Slice: starts and steps reach outside the input");
  return fb_move_supports(p, reason, reason_size);
}

static fb_copy slice_of(const qe_problem *p, int64_t *offset) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  int64_t from[QE_MAX_RANK];
  *offset = 0;
  for (uint32_t d = 0; d < y->rank; ++d) {
    from[d] = p->params->steps[d] * x->strides[d];
    *offset += p->params->starts[d] * x->strides[d];
  }
  fb_copy c;
  fb_copy_init(&c, fb_dtype_size(y->dtype), y->rank, y->dims, y->strides, from);
  return c;
}

int fb_slice_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  int64_t offset;
  const fb_copy c = slice_of(p, &offset);
  plan->tiles = fb_copy_tiles(&c);
  return 0;
}

int fb_slice_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  int64_t offset;
  const fb_copy c = slice_of(call->problem, &offset);
  if (tile_begin < tile_end)
    fb_copy_run(&c, call->out[0], fb_element_const(call->in[0], c.size, offset), tile_begin, tile_end);
  return 0;
}
