/* One step of the optimizer. */
#ifndef QE_CORE_TRAIN_UPDATE_H
#define QE_CORE_TRAIN_UPDATE_H

#include "train/trainer.h"

typedef struct qe__updater qe__updater;

/*
 * Moves the parameters that have a gradient (one per parameter, or NULL) by the options' optimizer; the gradient counts
 * times grad_scale. at.step is that of the step being done. On error no parameter and no state has changed.
 */
qe_status_t qe__update(qe_trainer_t *t, qe_tensor_t *const *gradient, float lr, float grad_scale);
/* Zeros for every parameter that has no state yet. */
qe_status_t qe__optimizer_state(const qe_trainer_t *t);
void qe__updater_destroy(qe__updater **u);

#endif
