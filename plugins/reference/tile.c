/* Tile: y[i] = x[i mod x's size] in every dimension; any byte-sized type, any strides. */
#include "remap.h"

int ref_tile_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  bool fits = x->rank == y->rank;
  for (uint32_t d = 0; fits && d < y->rank; ++d)
    fits = y->dims[d] == 0 || x->dims[d] > 0;
  if (!fits)
    return ref_refuse(reason, reason_size, "Tile: an input of rank %d cannot fill an output of rank %d", x->rank,
                      y->rank);
  return ref_move_supports(self, p, reason, reason_size);
}

int ref_tile_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  ref_remap r;
  ref_remap_init(&r, y, call->scratch);
  for (uint32_t d = 0; d < y->rank; ++d)
    for (int64_t i = 0; i < y->dims[d]; ++i)
      r.table[d][i] = i % x->dims[d] * x->strides[d];
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_remap_run(&r, ref_dtype_size(y->dtype), call->out[0], call->in[0], NULL, begin, end);
  return 0;
}
