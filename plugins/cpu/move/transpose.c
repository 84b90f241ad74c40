/* Transpose, Relayout and Expand: the same elements under other strides. */
#include "move/copy.h"

int fb_relayout_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return fb_move_supports(p, reason, reason_size) && fb_broadcast_check(p, reason, reason_size);
}

/* Relayout: y's shape is x's; Expand: x broadcasts to it. */
static fb_copy relayout_of(const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  int64_t from[QE_MAX_RANK];
  const uint32_t lead = y->rank - x->rank;
  for (uint32_t d = 0; d < y->rank; ++d) from[d] = d < lead || x->dims[d - lead] == 1 ? 0 : x->strides[d - lead];
  fb_copy c;
  fb_copy_init(&c, fb_dtype_size(y->dtype), y->rank, y->dims, y->strides, from);
  return c;
}

int fb_relayout_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_copy c = relayout_of(p);
  plan->tiles = fb_copy_tiles(&c);
  return 0;
}

int fb_relayout_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const fb_copy c = relayout_of(call->problem);
  fb_copy_run(&c, call->out[0], call->in[0], tile_begin, tile_end);
  return 0;
}

int fb_transpose_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  bool fits = x->rank == y->rank;
  for (uint32_t d = 0; fits && d < y->rank; ++d) {
    const int64_t from = p->params->perm[d];
    fits = from >= 0 && from < x->rank && x->dims[from] == y->dims[d];
  }
  if (!fits) return fb_refuse(reason, reason_size, "Transpose: perm does not give the output's shape");
  return fb_move_supports(p, reason, reason_size);
}

static fb_copy transpose_of(const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  int64_t from[QE_MAX_RANK];
  for (uint32_t d = 0; d < y->rank; ++d) from[d] = x->strides[p->params->perm[d]];
  fb_copy c;
  fb_copy_init(&c, fb_dtype_size(y->dtype), y->rank, y->dims, y->strides, from);
  return c;
}

int fb_transpose_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_copy c = transpose_of(p);
  plan->tiles = fb_copy_tiles(&c);
  return 0;
}

int fb_transpose_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const fb_copy c = transpose_of(call->problem);
  fb_copy_run(&c, call->out[0], call->in[0], tile_begin, tile_end);
  return 0;
}
