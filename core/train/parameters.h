/* Finding what is trained. */
#ifndef QE_CORE_TRAIN_PARAMETERS_H
#define QE_CORE_TRAIN_PARAMETERS_H

#include "train/program.h"

/* Parameters and running statistics of the base graph, in the order of its nodes. */
qe_status_t qe__collect_parameters(qe_trainer_t *t);
/* Observed ranges of the places of fake-quantize. */
qe_status_t qe__collect_ranges(qe_trainer_t *t);
/* Scales and zero points, where they are trained. They have numbers once their places were observed (learn.c). */
qe_status_t qe__collect_learned(qe_trainer_t *t);

#endif
