/*
 * Data for kernel tests: seeded random numbers, tensors over plain row-major arrays, cases, and comparisons that print
 * both values. kernel_host.h runs the cases.
 */
#ifndef QE_TESTS_KERNEL_CASE_H
#define QE_TESTS_KERNEL_CASE_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "qengine_plugin.h"

#define KH_MAX_IO 16

typedef struct kh_tensor {
  uint8_t dtype;
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
  void *data;             /* row-major, dense */
  bool absent;            /* optional operand not given */
  bool constant;          /* the kernel may read it in plan and prepack */
  uint32_t q_count;       /* quantization parameters, as in qe_operand */
  int32_t q_axis;
  const float *scales;
  const int32_t *zero_points;
} kh_tensor;

typedef struct kh_case {
  const char *op;
  const char *kernel;     /* row name to insist on, e.g. "relu_f32__c"; NULL: whichever fits first */
  uint32_t n_in, n_out;
  kh_tensor in[KH_MAX_IO], out[KH_MAX_IO];
  qe_op_params params;
  int32_t clamp_lo, clamp_hi;
  float act_lo, act_hi;
  bool quantized;
  bool may_fail;          /* run may return an error; kh_run then returns it */
  uint64_t seed;          /* tile order and strides */
} kh_case;

/* -- random numbers ------------------------------------------------------------------------------------------------ */

static inline uint64_t kh_next(uint64_t *state) { /* splitmix64 */
  uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}
/* An integer of lo..hi. */
static inline int64_t kh_int(uint64_t *state, int64_t lo, int64_t hi) {
  return lo + (int64_t)(kh_next(state) % (uint64_t)(hi - lo + 1));
}
static inline float kh_float(uint64_t *state, float lo, float hi) {
  return lo + (hi - lo) * (float)(kh_next(state) >> 40) * 0x1p-24f;
}
static inline void kh_fill_f32(uint64_t *state, float *x, int64_t n, float lo, float hi) {
  for (int64_t i = 0; i < n; ++i)
    x[i] = kh_float(state, lo, hi);
}

/* -- tensors and cases --------------------------------------------------------------------------------------------- */

static inline size_t kh_size(uint8_t dtype) {
  switch (dtype) {
  case QE_DT_U8: case QE_DT_I8: case QE_DT_BOOL: return 1;
  case QE_DT_U16: case QE_DT_I16: case QE_DT_F16: case QE_DT_BF16: return 2;
  case QE_DT_F64: case QE_DT_I64: case QE_DT_U64: return 8;
  default: return 4;
  }
}

static inline bool kh_is_4bit(uint8_t dtype) { return dtype == QE_DT_U4 || dtype == QE_DT_I4; }
/* Bytes of so many elements; two of a 4-bit type share one. */
static inline size_t kh_bytes(uint8_t dtype, size_t elements) {
  return kh_is_4bit(dtype) ? (elements + 1) / 2 : elements * kh_size(dtype);
}

static inline kh_tensor kh_tensor_make(uint8_t dtype, void *data, uint32_t rank, const int64_t *dims) {
  kh_tensor t;
  memset(&t, 0, sizeof t);
  t.dtype = dtype;
  t.data = data;
  t.rank = rank;
  t.q_axis = -1;
  for (uint32_t i = 0; i < rank; ++i)
    t.dims[i] = dims[i];
  return t;
}
/* KH(QE_DT_I64, data, 2, 3): a tensor of shape [2,3]. KH_SCALAR: rank 0. KH_NONE: an optional operand left out. */
#define KH(dtype, data, ...)                                                                \
  kh_tensor_make((dtype), (void *)(data), (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), \
                 (const int64_t[]){__VA_ARGS__})
#define KH_F32(data, ...)       KH(QE_DT_F32, data, __VA_ARGS__)
#define KH_SCALAR(dtype, data)  kh_tensor_make((dtype), (void *)(data), 0, NULL)
#define KH_NONE                 ((kh_tensor){.absent = true, .q_axis = -1})

static inline kh_tensor kh_const(kh_tensor t) {
  t.constant = true;
  return t;
}
/* Per-tensor (count 1, axis -1) or per-channel parameters. */
static inline kh_tensor kh_quantized(kh_tensor t, uint32_t count, int32_t axis, const float *scales,
                                     const int32_t *zps) {
  t.q_count = count;
  t.q_axis = axis;
  t.scales = scales;
  t.zero_points = zps;
  return t;
}

static inline kh_case kh_new(const char *op) {
  kh_case c;
  memset(&c, 0, sizeof c);
  c.op = op;
  c.params.struct_size = sizeof c.params;
  c.params.clip_lo = -INFINITY;
  c.params.clip_hi = INFINITY;
  c.act_lo = -INFINITY;
  c.act_hi = INFINITY;
  c.clamp_lo = INT32_MIN;
  c.clamp_hi = INT32_MAX;
  c.seed = 1;
  return c;
}
static inline void kh_in(kh_case *c, kh_tensor t) {
  cr_assert_lt(c->n_in, KH_MAX_IO);
  c->in[c->n_in++] = t;
}
static inline void kh_out(kh_case *c, kh_tensor t) {
  cr_assert_lt(c->n_out, KH_MAX_IO);
  c->out[c->n_out++] = t;
}
static inline int64_t kh_count(const kh_tensor *t) {
  int64_t n = 1;
  for (uint32_t i = 0; i < t->rank; ++i)
    n *= t->dims[i];
  return n;
}

/* -- comparing -------------------------------------------------------------------------------------------------------
 */

/* Bit comparison of float arrays; NaNs are equal whatever their payload. */
static inline void kh_same_f32(const float *expected, const float *got, int64_t n, const char *what) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t a, b;
    memcpy(&a, expected + i, 4);
    memcpy(&b, got + i, 4);
    if (isnan(expected[i]) && isnan(got[i]))
      continue;
    cr_assert_eq(a, b, "%s: element %ld: expected %.9g (%08x), got %.9g (%08x)", what, (long)i, (double)expected[i], a,
                 (double)got[i], b);
  }
}
static inline void kh_close_f32(const double *expected, const float *got, int64_t n, double relative,
                                const char *what) {
  for (int64_t i = 0; i < n; ++i) {
    if (isnan(expected[i]) && isnan(got[i]))
      continue;
    const double error = fabs(expected[i] - (double)got[i]);
    cr_assert(expected[i] == (double)got[i] || error <= relative * (1.0 + fabs(expected[i])),
              "%s: element %ld: expected %.9g, got %.9g", what, (long)i, expected[i], (double)got[i]);
  }
}

#endif
