/* Runs of integer codes of any quantizable type, as int32. */
#ifndef QE_CORE_TENSOR_CODES_H
#define QE_CORE_TENSOR_CODES_H

#include "tensor/tensor.h"

/* Elements [first, first + n) of an array of `dtype`. Values to store must be in the type's range. */
void qe__codes_load(qe_dtype_t dtype, const void *data, int64_t first, int64_t n, int32_t *codes);
void qe__codes_store(qe_dtype_t dtype, void *data, int64_t first, int64_t n, const int32_t *codes);

#endif
