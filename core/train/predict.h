/* What a model says about a batch. */
#ifndef QE_CORE_TRAIN_PREDICT_H
#define QE_CORE_TRAIN_PREDICT_H

#include "train/trainer.h"

/* Output 0, codes as the numbers that they stand for; *out is the caller's. Inputs are given in order. */
qe_status_t qe__run_batch(qe_session_t *session, const qe__batch *batch, qe_tensor_t **out);
/* Classes are the last dimension, or the second one when only 1s follow it ([N, classes, 1, 1]). */
int64_t qe__classes(const qe_tensor_t *y);

#endif
