/* Range: y[i] = start + i * delta in the type's arithmetic (integers modulo 2^bits); the output's size is the count. */
#include "ref.h"

int ref_range_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t type = p->out[0]->dtype;
  for (uint32_t i = 0; i < 3; ++i)
    if (!ref_has_in(p, i) || p->in[i]->dtype != type || p->in[i]->count != 1)
      return ref_refuse(reason, reason_size, "Range: input %u is no %s scalar", i, ref_dtype_name(type));
  switch (type) {
  case QE_DT_F32: case QE_DT_F64: case QE_DT_I16: case QE_DT_I32: case QE_DT_I64: return 1;
  default: return ref_refuse(reason, reason_size, "Range: no kernel for %s", ref_dtype_name(type));
  }
}

#define LOOP(type, expression)                                                                                \
  {                                                                                                           \
    const type start = *(const type *)call->in[0], delta = *(const type *)call->in[2];                        \
    type *y = call->out[0];                                                                                   \
    for (int64_t i = begin; i < end; ++i)                                                                     \
      y[i] = (type)(expression);                                                                              \
  }                                                                                                           \
  break
#define REAL(type)    LOOP(type, start + (type)i * delta)
#define INTEGER(type) LOOP(type, (uint64_t)start + (uint64_t)i * (uint64_t)delta)

int ref_range_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  switch (p->out[0]->dtype) {
  case QE_DT_F32: REAL(float);
  case QE_DT_F64: REAL(double);
  case QE_DT_I16: INTEGER(int16_t);
  case QE_DT_I32: INTEGER(int32_t);
  default: INTEGER(int64_t);
  }
  return 0;
}
