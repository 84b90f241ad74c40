/* Lookup: y = table[code as an unsigned byte]; quantized unary ops and requantization of 8-bit codes. */
#include "ref.h"

int ref_lookup_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  for (uint32_t i = 0; i < 3; ++i) {
    const qe_operand *o = i < 2 ? p->in[i] : p->out[0];
    if (ref_dtype_size(o->dtype) != 1)
      return ref_refuse(reason, reason_size, "Lookup: operand %u is %s, expected bytes", i, ref_dtype_name(o->dtype));
  }
  if (p->in[1]->count != 256)
    return ref_refuse(reason, reason_size, "Lookup: a table of %lld entries, expected 256", (long long)p->in[1]->count);
  return 1;
}

int ref_lookup_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const uint8_t *x = call->in[0], *table = call->in[1];
  uint8_t *y = call->out[0];
  int64_t begin, end;
  ref_flat_range(call->problem, tile_begin, tile_end, &begin, &end);
  for (int64_t i = begin; i < end; ++i)
    y[i] = table[x[i]];
  return 0;
}
