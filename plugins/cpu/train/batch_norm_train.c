/* BatchNormTrain, BatchNormGrad, and sums for each channel: what all instruction sets share. The loops: batch_norm_train.inc. */
#include "train/batch_norm_train.h"

int fb_batch_norm_train_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  return fb_channels_check(p, 1, reason, reason_size) && fb_act_supports(self, p, reason, reason_size);
}

int fb_batch_norm_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return fb_channels_check(p, 2, reason, reason_size);
}

int fb_batch_norm_train_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  fb_channels s;
  fb_channels_init(&s, p->out[0], fb_cpu(self));
  plan->tiles = s.blocks;
  plan->scratch_size = fb_channels_scratch(&s, FB_BN_ARRAYS);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}

/* ReduceSum of all dimensions but the second: gradients of biases. */
int fb_channel_sums_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!fb_channels_dense(x) || p->params->axes != ((1u << x->rank) - 1u - 2u))
    return fb_refuse(reason, reason_size, "%s: no sum for each of channels that lie side by side", p->op);
  if (y->count != x->dims[1] || (y->rank != 1 && y->rank != x->rank) || (y->count > 1 && y->strides[y->rank > 1] != 1))
    return fb_refuse(reason, reason_size, "%s: the results do not lie side by side", p->op);
  return fb_act_supports(self, p, reason, reason_size);
}

int fb_channel_sums_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  fb_channels s;
  fb_channels_init(&s, p->in[0], fb_cpu(self));
  plan->tiles = s.blocks;
  plan->scratch_size = fb_channels_scratch(&s, FB_BN_ARRAYS);
  return 0;
}
