/* Fitting a sample's shape to a model input's. */
#ifndef QE_CORE_DATA_FIT_H
#define QE_CORE_DATA_FIT_H

#include <stdint.h>

/*
 * How many different shapes agree with `want` (-1: any size) and differ from `have` only by dimensions of 1 that were
 * inserted or removed: 0, 1 or 2 for more. The first one goes to `fitted` (want_rank entries). Ranks at most
 * QE_MAX_RANK.
 */
uint32_t qe__fit_dims(uint32_t have_rank, const int64_t *have, uint32_t want_rank, const int64_t *want,
                      int64_t *fitted);

#endif
