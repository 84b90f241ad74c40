/*
 * Pad: constant, reflect, edge, wrap; any byte-sized type, any strides. starts holds the leading pads, the trailing
 * ones follow from the shapes; negative pads cut, and the other modes continue what is left.
 */
#include "convert.h"
#include "remap.h"

int ref_pad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (p->in[0]->rank != p->out[0]->rank)
    return ref_refuse(reason, reason_size, "Pad: ranks %d -> %d", p->in[0]->rank, p->out[0]->rank);
  if (p->params->mode > QE_PAD_WRAP)
    return ref_refuse(reason, reason_size, "Pad: unknown mode %u", p->params->mode);
  return ref_move_supports(self, p, reason, reason_size);
}

/* The position within lo..hi-1 that position i stands for, or -1. */
static int64_t source(uint32_t mode, int64_t i, int64_t lo, int64_t hi) {
  const int64_t n = hi - lo;
  if (i >= lo && i < hi)
    return i;
  if (n <= 0 || mode == QE_PAD_CONSTANT)
    return -1;
  if (mode == QE_PAD_EDGE)
    return i < lo ? lo : hi - 1;
  const int64_t period = mode == QE_PAD_WRAP ? n : ref_max64(1, 2 * (n - 1));
  const int64_t k = ((i - lo) % period + period) % period;
  return lo + (k < n ? k : period - k);
}

int ref_pad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  ref_remap r;
  ref_remap_init(&r, y, call->scratch);
  for (uint32_t d = 0; d < y->rank; ++d) {
    const int64_t before = p->params->starts[d], behind = y->dims[d] - x->dims[d] - before;
    const int64_t lo = ref_max64(0, -before), hi = x->dims[d] + ref_min64(0, behind);
    for (int64_t i = 0; i < y->dims[d]; ++i) {
      const int64_t from = source(p->params->mode, i - before, lo, hi);
      r.table[d][i] = from < 0 ? REF_REMAP_FILL : from * x->strides[d];
    }
  }
  uint8_t fill[8];
  ref_fill_element(y->dtype, p->params->fill, p->params->fill_int, fill);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_remap_run(&r, ref_dtype_size(y->dtype), call->out[0], call->in[0], fill, begin, end);
  return 0;
}
