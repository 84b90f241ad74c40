/* ConstantOfShape: every element is the fill value. */
#include "convert.h"
#include "nest.h"

int ref_constant_of_shape_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (ref_dtype_size(p->out[0]->dtype) == 0)
    return ref_refuse(reason, reason_size, "ConstantOfShape: no kernel for %s", ref_dtype_name(p->out[0]->dtype));
  return 1;
}

int ref_constant_of_shape_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const size_t size = ref_dtype_size(p->out[0]->dtype);
  uint64_t fill = 0; /* holds one element, aligned for every type */
  ref_fill_element(p->out[0]->dtype, p->params->fill, p->params->fill_int, (uint8_t *)&fill);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  if (begin < end)
    ref_copy_elements(size, ref_at(call->out[0], size, begin), 1, &fill, 0, end - begin);
  return 0;
}
