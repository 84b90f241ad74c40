/* SgdUpdate and AdamUpdate: what all instruction sets share. The loops: optimizer.inc. */
#include "train/optimizer.h"

static bool dense(const qe_operand *o) {
  int64_t stride = 1;
  for (uint32_t d = o->rank; d-- > 0; stride *= o->dims[d])
    if (o->dims[d] != 1 && o->strides[d] != stride) return false;
  return true;
}

int fb_optimizer_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  bool fits = true;
  for (uint32_t i = 0; i < p->n_in; ++i) fits = fits && dense(p->in[i]);
  for (uint32_t i = 0; i < p->n_out; ++i) fits = fits && p->out[i] && dense(p->out[i]);
  return fits ? 1 : fb_refuse(reason, reason_size, "%s: expected row-major memory and all outputs wanted", p->op);
}

int fb_optimizer_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = fb_ceil_div(p->out[0]->count, FB_OPTIMIZER_TILE);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}
