/* Samples one by one, for batches in another order than the files'. */
#ifndef QE_CORE_DATA_DATASET_H
#define QE_CORE_DATA_DATASET_H

#include "qengine/data.h"

/* Samples [first, first + count), which must exist, as qe_dataset_batch gives them, into memory of the caller. */
void qe__dataset_copy(const qe_dataset_t *dataset, int64_t first, int64_t count, void *out);

#endif
