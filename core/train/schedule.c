/* Learning rates over time. In double, with SLEEF's deterministic cosine: the same bits everywhere. */
#include <sleef.h>

#include "train/trainer.h"

static const double PI = 3.14159265358979323846;

/* lr * gamma^(epoch / every), multiplied out as far as it changes anything. */
static double step_rate(const qe_train_options_t *o, uint64_t epoch) {
  double lr = (double)o->lr, before = 0;
  const uint64_t times = epoch / (o->lr_step_epochs > 0 ? o->lr_step_epochs : 1);
  for (uint64_t i = 0; i < times && lr != before; i++) {
    before = lr;
    lr *= (double)o->lr_gamma;
  }
  return lr;
}

float qe__learning_rate(const qe_train_options_t *o, uint64_t step, uint64_t steps_per_epoch, uint64_t total) {
  const double lr = (double)o->lr, least = (double)o->lr_min;
  if (step < o->warmup_steps) return (float)(lr * (double)(step + 1) / (double)o->warmup_steps);
  if (total == 0) return o->lr;
  /* share of the way from the end of the warm-up to the end */
  double t = total > o->warmup_steps ? (double)(step - o->warmup_steps) / (double)(total - o->warmup_steps) : 1.0;
  if (t > 1.0) t = 1.0;
  switch (o->schedule) {
  case QE_LR_STEP: return (float)step_rate(o, steps_per_epoch > 0 ? step / steps_per_epoch : 0);
  case QE_LR_COSINE: return (float)(least + 0.5 * (lr - least) * (1.0 + Sleef_cinz_cosd1_u10purec(PI * t)));
  case QE_LR_LINEAR: return (float)(lr + (least - lr) * t);
  default: return o->lr;
  }
}
