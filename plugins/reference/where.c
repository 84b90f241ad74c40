/* Where: y = condition ? x1 : x2, elements of any byte-sized type, with broadcasting, any strides. */
#include <string.h>

#include "nest.h"

int ref_where_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t type = p->out[0]->dtype;
  if (p->in[1]->dtype != type || p->in[2]->dtype != type || ref_dtype_size(type) == 0)
    return ref_refuse(reason, reason_size, "Where: %s and %s -> %s, expected one type of whole bytes",
                      ref_dtype_name(p->in[1]->dtype), ref_dtype_name(p->in[2]->dtype), ref_dtype_name(type));
  return ref_broadcast_check(p, reason, reason_size);
}

#define SELECT(bytes)                                                                               \
  for (int64_t i = 0; i < w.n; ++i) {                                                               \
    const char *from = condition[i * w.step[1]] ? a + i * w.step[2] * (bytes) : b + i * w.step[3] * (bytes); \
    memcpy(y + i * w.step[0] * (bytes), from, (bytes));                                             \
  }                                                                                                 \
  break

int ref_where_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const size_t size = ref_dtype_size(p->out[0]->dtype);
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w)) {
    char *y = ref_at(call->out[0], size, w.offset[0]);
    const uint8_t *condition = (const uint8_t *)call->in[0] + w.offset[1];
    const char *a = ref_at_const(call->in[1], size, w.offset[2]), *b = ref_at_const(call->in[2], size, w.offset[3]);
    switch (size) {
    case 1: SELECT(1);
    case 2: SELECT(2);
    case 4: SELECT(4);
    default: SELECT(8);
    }
  }
  return 0;
}
