/*
 * Trilu: keeps the triangle of the last two dimensions, zeros elsewhere; any byte-sized type, any strides. Mode 1
 * (upper) keeps column - row >= k, mode 0 (lower) column - row <= k. A tile is a number of rows.
 */
#include "nest.h"

int ref_trilu_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (p->in[0]->rank < 2 || p->in[0]->rank != p->out[0]->rank)
    return ref_refuse(reason, reason_size, "Trilu: ranks %d -> %d, expected two equal ones of at least 2",
                      p->in[0]->rank, p->out[0]->rank);
  return ref_move_supports(self, p, reason, reason_size);
}

static int64_t rows_per_tile(const qe_operand *y) {
  return ref_max64(1, REF_FLAT_TILE / ref_max64(1, y->dims[y->rank - 1]));
}

int ref_trilu_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const qe_operand *y = p->out[0];
  plan->tiles = y->count == 0 ? 0 : ref_ceil_div(y->count / y->dims[y->rank - 1], rows_per_tile(y));
  return 0;
}

int ref_trilu_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const size_t size = ref_dtype_size(y->dtype);
  const uint32_t rows_rank = y->rank - 1u;
  const int64_t n = y->dims[rows_rank], rows = y->dims[rows_rank - 1], k = p->params->starts[0];
  const int64_t x_step = x->strides[rows_rank], y_step = y->strides[rows_rank];
  const int64_t step = rows_per_tile(y), end = ref_min64(tile_end * step, n ? y->count / n : 0);
  const uint64_t zero = 0;
  for (int64_t row = tile_begin * step; row < end; ++row) {
    const int64_t i = row % rows;
    /* columns before `edge` have column - row < k (upper), <= k (lower); k may be anything */
    const int64_t reach = p->params->mode ? k : k == INT64_MAX ? k : k + 1;
    const int64_t edge = reach > n - i ? n : reach < -i ? 0 : i + reach;
    const void *from = ref_at_const(call->in[0], size, ref_offset(rows_rank, x->dims, x->strides, row));
    void *to = ref_at(call->out[0], size, ref_offset(rows_rank, y->dims, y->strides, row));
    void *to_edge = ref_at(to, size, edge * y_step);
    if (p->params->mode) {
      ref_copy_elements(size, to, y_step, &zero, 0, edge);
      ref_copy_elements(size, to_edge, y_step, ref_at_const(from, size, edge * x_step), x_step, n - edge);
    } else {
      ref_copy_elements(size, to, y_step, from, x_step, edge);
      ref_copy_elements(size, to_edge, y_step, &zero, 0, n - edge);
    }
  }
  return 0;
}
