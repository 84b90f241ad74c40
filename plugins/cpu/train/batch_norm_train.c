/* BatchNormTrain and BatchNormGrad: what all instruction sets share. The loops: batch_norm_train.inc. */
#include "train/batch_norm_train.h"

int fb_batch_norm_train_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  return fb_channels_check(p, 1, reason, reason_size) && fb_act_supports(self, p, reason, reason_size);
}

int fb_batch_norm_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return fb_channels_check(p, 2, reason, reason_size);
}

int fb_batch_norm_train_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_channels s;
  fb_channels_init(&s, p->out[0]);
  plan->tiles = s.blocks;
  plan->scratch_size = fb_channels_scratch(&s, FB_BN_ARRAYS);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}
