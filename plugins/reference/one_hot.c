/*
 * OneHot, any strides: along the new dimension `axis` the element that the index names is on, the others are off
 * (values = [off, on], any byte-sized type). Indices of any number type, negative ones count from the end; one out of
 * range leaves all off. A tile is a number of indices.
 */
#include "convert.h"
#include "nest.h"

int ref_one_hot_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *indices = p->in[0], *values = p->in[2], *y = p->out[0];
  const int64_t axis = p->params->axis;
  bool fits = y->rank == indices->rank + 1 && axis >= 0 && axis < y->rank && values->count == 2 &&
              values->dtype == y->dtype && ref_dtype_size(y->dtype) != 0 && ref_dtype_size(indices->dtype) != 0;
  for (uint32_t d = 0; fits && d < indices->rank; ++d)
    fits = indices->dims[d] == y->dims[d < axis ? d : d + 1];
  return fits ? 1 : ref_refuse(reason, reason_size, "OneHot: shapes or types do not fit");
}

static int64_t indices_per_tile(const qe_problem *p) {
  return ref_max64(1, REF_FLAT_TILE / ref_max64(1, p->out[0]->dims[p->params->axis]));
}

int ref_one_hot_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(p->in[0]->count, indices_per_tile(p));
  return 0;
}

int ref_one_hot_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *indices = p->in[0], *y = p->out[0];
  const size_t size = ref_dtype_size(y->dtype);
  const int64_t axis = p->params->axis, depth = y->dims[axis], step = indices_per_tile(p);
  int64_t to[QE_MAX_RANK];
  for (uint32_t d = 0; d < indices->rank; ++d)
    to[d] = y->strides[d < axis ? d : d + 1];
  ref_nest nest;
  ref_nest_init(&nest, indices->rank, indices->dims);
  ref_nest_add(&nest, to);
  ref_nest_add(&nest, indices->strides);
  ref_nest_close(&nest);
  const void *off = call->in[2], *on = ref_at_const(call->in[2], size, p->in[2]->rank ? p->in[2]->strides[0] : 0);
  ref_walk w;
  for (ref_walk_start(&w, &nest, tile_begin * step, tile_end * step); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i) {
      int64_t index = ref_load_i64(call->in[0], indices->dtype, w.offset[1] + i * w.step[1]);
      index += index < 0 ? depth : 0;
      void *row = ref_at(call->out[0], size, w.offset[0] + i * w.step[0]);
      ref_copy_elements(size, row, y->strides[axis], off, 0, depth);
      if (index >= 0 && index < depth)
        ref_copy_elements(size, ref_at(row, size, index * y->strides[axis]), 1, on, 1, 1);
    }
  return 0;
}
