/* What a step shares with the rest of the trainer. */
#ifndef QE_CORE_TRAIN_STEP_H
#define QE_CORE_TRAIN_STEP_H

#include "train/program.h"

/* The phase that the next step is in. */
qe__phase qe__trainer_phase(const qe_trainer_t *t);

#endif
