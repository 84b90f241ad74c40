/* See model_element.h. */
#include "conform/model_element.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool same_type(const qe_tensor_t *a, const qe_tensor_t *b) {
  return qe_tensor_dtype(a) == qe_tensor_dtype(b) && qe_tensor_rank(a) == qe_tensor_rank(b) &&
         memcmp(qe_tensor_dims(a), qe_tensor_dims(b), qe_tensor_rank(a) * sizeof(int64_t)) == 0;
}

static unsigned nibble(const qe_tensor_t *t, int64_t i) {
  const unsigned byte = ((const uint8_t *)qe_tensor_const_data(t))[i / 2];
  return i % 2 != 0 ? byte >> 4 : byte & 15u;
}

static bool differs(const qe_tensor_t *a, const qe_tensor_t *b, unsigned bits, int64_t i) {
  if (bits == 4) return nibble(a, i) != nibble(b, i);
  const size_t size = bits / 8;
  return memcmp((const uint8_t *)qe_tensor_const_data(a) + (size_t)i * size,
                (const uint8_t *)qe_tensor_const_data(b) + (size_t)i * size, size) != 0;
}

void qe__count_different(const qe_tensor_t *a, const qe_tensor_t *b, int64_t *count, int64_t *first) {
  const int64_t n = qe_tensor_count(a);
  *count = 0;
  *first = -1;
  if (!same_type(a, b)) {
    *count = n > 0 ? n : 1;
    return;
  }
  const unsigned bits = qe_dtype_bits(qe_tensor_dtype(a));
  for (int64_t i = 0; i < n; i++) {
    if (!differs(a, b, bits, i)) continue;
    if (*count == 0) *first = i;
    ++*count;
  }
}

void qe__element_text(const qe_tensor_t *t, int64_t i, char *text, size_t size) {
  const void *data = qe_tensor_const_data(t);
  switch (qe_tensor_dtype(t)) {
    case QE_FLOAT32: snprintf(text, size, "%.9g", (double)((const float *)data)[i]); break;
    case QE_FLOAT64: snprintf(text, size, "%.17g", ((const double *)data)[i]); break;
    case QE_UINT8: snprintf(text, size, "%u", ((const uint8_t *)data)[i]); break;
    case QE_BOOL: snprintf(text, size, "%s", ((const uint8_t *)data)[i] != 0 ? "true" : "false"); break;
    case QE_INT8: snprintf(text, size, "%d", ((const int8_t *)data)[i]); break;
    case QE_UINT16: snprintf(text, size, "%u", ((const uint16_t *)data)[i]); break;
    case QE_INT16: snprintf(text, size, "%d", ((const int16_t *)data)[i]); break;
    case QE_UINT32: snprintf(text, size, "%u", ((const uint32_t *)data)[i]); break;
    case QE_INT32: snprintf(text, size, "%d", ((const int32_t *)data)[i]); break;
    case QE_UINT64: snprintf(text, size, "%llu", (unsigned long long)((const uint64_t *)data)[i]); break;
    case QE_INT64: snprintf(text, size, "%lld", (long long)((const int64_t *)data)[i]); break;
    case QE_UINT4: snprintf(text, size, "%u", nibble(t, i)); break;
    case QE_INT4: snprintf(text, size, "%d", (int)(nibble(t, i) ^ 8u) - 8); break;
    case QE_FLOAT16:
    case QE_BFLOAT16: snprintf(text, size, "0x%04x", ((const uint16_t *)data)[i]); break;
    case QE_DTYPE_NONE:
    default: snprintf(text, size, "?"); break;
  }
}
