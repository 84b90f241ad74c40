/* Those who are compared. Each fills a contender; what could not be made has no state and says why in `detail`. */
#ifndef BENCH_CONTENDERS_H
#define BENCH_CONTENDERS_H

#include "one_op.h"
#include "rounds.h"

/* Our kernel alone: the step of a plan that multiplies, called directly with packed weights on one thread. */
void ours_open(const qe_model_t *model, contender *out);
/* Held to a level (of level.h) first; false: this build has no oneDNN. */
bool onednn_cap(const char *level);
void onednn_open(const shape *s, bool int8, contender *out);

#endif
