/*
 * GatherElements, any strides: y[.., i, ..] = x[.., indices[.., i, ..], ..] along one dimension. Indices int32 or
 * int64, negative ones count from the end; one out of range fails the run.
 */
#include "convert.h"
#include "nest.h"

int ref_gather_elements_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *indices = p->in[1], *y = p->out[0];
  if (indices->dtype != QE_DT_I32 && indices->dtype != QE_DT_I64)
    return ref_refuse(reason, reason_size, "GatherElements: indices are %s, expected int32 or int64",
                      ref_dtype_name(indices->dtype));
  bool fits = x->rank == y->rank && indices->rank == y->rank && p->params->axis >= 0 && p->params->axis < y->rank;
  for (uint32_t d = 0; fits && d < y->rank; ++d)
    fits = indices->dims[d] == y->dims[d] && (d == p->params->axis || y->dims[d] <= x->dims[d]);
  if (!fits)
    return ref_refuse(reason, reason_size, "GatherElements: the shapes do not fit along dimension %lld",
                      (long long)p->params->axis);
  return ref_move_supports(self, p, reason, reason_size);
}

int ref_gather_elements_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *indices = p->in[1], *y = p->out[0];
  const size_t size = ref_dtype_size(y->dtype);
  const int64_t axis = p->params->axis, n = x->dims[axis], axis_stride = x->strides[axis];
  int64_t from[QE_MAX_RANK]; /* x without the gathered dimension */
  for (uint32_t d = 0; d < y->rank; ++d)
    from[d] = d == axis ? 0 : x->strides[d];
  ref_nest nest;
  ref_nest_init(&nest, y->rank, y->dims);
  ref_nest_add(&nest, y->strides);
  ref_nest_add(&nest, from);
  ref_nest_add(&nest, indices->strides);
  ref_nest_close(&nest);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i) {
      int64_t index = ref_load_i64(call->in[1], indices->dtype, w.offset[2] + i * w.step[2]);
      if (index < -n || index >= n)
        return 1;
      index += index < 0 ? n : 0;
      ref_copy_elements(size, ref_at(call->out[0], size, w.offset[0] + i * w.step[0]), 1,
                        ref_at_const(call->in[0], size, w.offset[1] + i * w.step[1] + index * axis_stride), 1, 1);
    }
  return 0;
}
