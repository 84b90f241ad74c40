/* Elements of two tensors, compared as bits and shown as text. */
#ifndef QE_CORE_CONFORM_MODEL_ELEMENT_H
#define QE_CORE_CONFORM_MODEL_ELEMENT_H

#include "qengine/tensor.h"

/* Elements that differ in any bit, and the first of them (-1: none). Other types or shapes: all of them differ. */
void qe__count_different(const qe_tensor_t *a, const qe_tensor_t *b, int64_t *count, int64_t *first);
void qe__element_text(const qe_tensor_t *t, int64_t index, char *text, size_t size);

#endif
