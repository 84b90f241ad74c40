/* Learning rates over the steps of a training. */
#include <criterion/criterion.h>
#include <math.h>

#include "train/trainer.h"

static qe_train_options_t options(qe_lr_schedule_t schedule) {
  return (qe_train_options_t){.lr = 0.4f, .lr_min = 0.1f, .lr_gamma = 0.5f, .lr_step_epochs = 2, .schedule = schedule};
}

static void near(float have, double want) { cr_assert_float_eq((double)have, want, 1e-7, "%.9g, expected %.9g", (double)have, want); }

Test(schedule, constant) {
  const qe_train_options_t o = options(QE_LR_CONSTANT);
  for (uint64_t s = 0; s < 50; s += 7) cr_assert_eq(qe__learning_rate(&o, s, 10, 50), 0.4f);
}

Test(schedule, step_by_epochs) {
  const qe_train_options_t o = options(QE_LR_STEP);
  near(qe__learning_rate(&o, 19, 10, 100), 0.4);
  near(qe__learning_rate(&o, 20, 10, 100), 0.2);
  near(qe__learning_rate(&o, 99, 10, 100), 0.025);
  near(qe__learning_rate(&o, 99, 0, 0), 0.4); /* epochs are not known */
  qe_train_options_t none = o;
  none.lr_step_epochs = 0; /* every epoch */
  near(qe__learning_rate(&none, 10, 10, 100), 0.2);
}

Test(schedule, cosine_and_line_go_from_lr_to_lr_min) {
  const qe_train_options_t c = options(QE_LR_COSINE), l = options(QE_LR_LINEAR);
  for (uint64_t s = 0; s <= 120; s++) {
    const double t = s < 100 ? (double)s / 100 : 1.0;
    near(qe__learning_rate(&c, s, 10, 100), 0.1 + 0.15 * (1 + cos(3.14159265358979323846 * t)));
    near(qe__learning_rate(&l, s, 10, 100), 0.4 - 0.3 * t);
  }
  near(qe__learning_rate(&c, 5, 10, 0), 0.4);
}

Test(schedule, warm_up_rises_and_the_rest_is_spread_over_what_is_left) {
  qe_train_options_t o = options(QE_LR_LINEAR);
  o.warmup_steps = 4;
  near(qe__learning_rate(&o, 0, 10, 24), 0.1);
  near(qe__learning_rate(&o, 3, 10, 24), 0.4);
  near(qe__learning_rate(&o, 4, 10, 24), 0.4);
  near(qe__learning_rate(&o, 14, 10, 24), 0.25);
  near(qe__learning_rate(&o, 0, 0, 0), 0.1);
  near(qe__learning_rate(&o, 9, 0, 0), 0.4);
  o.warmup_steps = 1000; /* longer than the training */
  near(qe__learning_rate(&o, 23, 10, 24), 0.0096);
}

/* The cosine's bits, written down once. */
Test(schedule, same_bits_everywhere) {
  qe_train_options_t o = options(QE_LR_COSINE);
  o.lr_min = 0;
  uint32_t hash = 2166136261u;
  for (uint64_t s = 0; s < 1000; s++) {
    union { float f; uint32_t u; } v = {.f = qe__learning_rate(&o, s, 100, 1000)};
    hash = (hash ^ v.u) * 16777619u;
  }
  cr_assert_eq(hash, 3796019077u, "%u", hash);
}
