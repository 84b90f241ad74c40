/* Loading and storing integer codes, 4-bit ones included (two per byte, low half first). */
#include "tensor/codes.h"

#define LOAD(type)                                                      \
  do {                                                                  \
    const type *p = (const type *)data + first;                         \
    for (int64_t i = 0; i < n; i++) codes[i] = (int32_t)p[i];           \
  } while (0)

#define STORE(type)                                                     \
  do {                                                                  \
    type *p = (type *)data + first;                                     \
    for (int64_t i = 0; i < n; i++) p[i] = (type)codes[i];              \
  } while (0)

static uint32_t half_byte(const uint8_t *data, int64_t index) {
  return (uint32_t)(data[index / 2] >> (index % 2 * 4)) & 15u;
}

void qe__codes_load(qe_dtype_t dtype, const void *data, int64_t first, int64_t n, int32_t *codes) {
  switch (dtype) {
  case QE_UINT8: LOAD(uint8_t); break;
  case QE_INT8: LOAD(int8_t); break;
  case QE_UINT16: LOAD(uint16_t); break;
  case QE_INT16: LOAD(int16_t); break;
  case QE_INT32: LOAD(int32_t); break;
  case QE_UINT4:
    for (int64_t i = 0; i < n; i++) codes[i] = (int32_t)half_byte(data, first + i);
    break;
  case QE_INT4:
    for (int64_t i = 0; i < n; i++) codes[i] = (int32_t)(half_byte(data, first + i) ^ 8u) - 8;
    break;
  default: break;
  }
}

void qe__codes_store(qe_dtype_t dtype, void *data, int64_t first, int64_t n, const int32_t *codes) {
  switch (dtype) {
  case QE_UINT8: STORE(uint8_t); break;
  case QE_INT8: STORE(int8_t); break;
  case QE_UINT16: STORE(uint16_t); break;
  case QE_INT16: STORE(int16_t); break;
  case QE_INT32: STORE(int32_t); break;
  case QE_UINT4:
  case QE_INT4:
    for (int64_t i = 0; i < n; i++) {
      uint8_t *byte = (uint8_t *)data + (first + i) / 2;
      const unsigned shift = (unsigned)((first + i) % 2 * 4);
      *byte = (uint8_t)((*byte & ~(15u << shift)) | (((uint32_t)codes[i] & 15u) << shift));
    }
    break;
  default: break;
  }
}
