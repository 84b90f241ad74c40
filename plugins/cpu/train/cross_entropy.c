/* SoftmaxCrossEntropy and its gradient, row-major: what all instruction sets share. The loops: cross_entropy.inc. */
#include "train/cross_entropy.h"

#define TILE 16384 /* elements, about */

fb_cross_entropy fb_cross_entropy_of(const qe_problem *p, uint32_t first) {
  const qe_operand *x = p->in[first];
  fb_cross_entropy s = {.rows = 1,
                        .classes = x->dims[x->rank - 1],
                        .ignores = p->params->mode == 1,
                        .ignored = p->params->starts[0],
                        .smoothing = p->params->alpha};
  for (uint32_t d = 0; d + 1 < x->rank; ++d) s.rows *= x->dims[d];
  s.rows_per_tile = fb_max64(1, TILE / fb_max64(1, s.classes));
  return s;
}

static int check(const qe_problem *p, uint32_t first, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[first], *t = p->in[first + 1];
  if (x->rank < 1 || x->dims[x->rank - 1] < 1 || x->dtype != QE_DT_F32 || t->dtype != QE_DT_I64 ||
      t->count != fb_cross_entropy_of(p, first).rows)
    return fb_refuse(reason, reason_size, "%s: expected float32 logits and an int64 label for each row of them", p->op);
  return 1;
}

int fb_cross_entropy_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return check(p, 0, reason, reason_size);
}

int fb_cross_entropy_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->count != 1 || p->out[0]->count != p->in[1]->count)
    return fb_refuse(reason, reason_size, "%s: expected one gradient of the loss, and a result for each logit", p->op);
  return check(p, 1, reason, reason_size);
}

int fb_cross_entropy_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = 1;
  plan->scratch_size = sizeof(float) * (uint64_t)fb_min64(fb_cross_entropy_of(p, 0).rows, FB_SUM_CHUNK);
  return 0;
}

int fb_cross_entropy_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_cross_entropy s = fb_cross_entropy_of(p, 1);
  plan->tiles = fb_ceil_div(s.rows, s.rows_per_tile);
  return 0;
}
