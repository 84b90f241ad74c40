/* See one_op.h. */
#include "one_op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t random_state;

static uint64_t next(void) { /* splitmix64 */
  uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* About normal, deviation 1. */
static float normal(void) {
  float sum = 0.0f;
  for (int i = 0; i < 12; i++) sum += (float)(next() >> 40) * 0x1p-24f;
  return sum - 6.0f;
}

/* A constant of a model under construction. */
static qe_value_t constant(qe_model_t *m, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                           const void *data) {
  qe_tensor_t *t = NULL;
  if (qe_tensor_from_data(dtype, rank, dims, data, &t) != QE_OK) return -1;
  const qe_value_t v = qe_constant(m, name, t);
  qe_tensor_release(&t);
  return v;
}

static qe_value_t with_parameters(qe_model_t *m, const char *op, const char *name, qe_value_t x, float scale,
                                  uint8_t zero) {
  char part[64];
  snprintf(part, sizeof part, "%s.scale", name);
  const qe_value_t s = constant(m, part, QE_FLOAT32, 0, NULL, &scale);
  snprintf(part, sizeof part, "%s.zero_point", name);
  const qe_value_t in[3] = {x, s, constant(m, part, QE_UINT8, 0, NULL, &zero)};
  return qe_op(m, op, name, 3, in, NULL);
}

/* Normal weights whose largest code in each channel is 127, as per-channel quantization leaves them. */
static void quantized_weights(int64_t channels, int64_t each, int8_t *codes, float *scales) {
  float *row = malloc((size_t)each * sizeof *row);
  for (int64_t c = 0; row && c < channels; c++) {
    float largest = 1e-6f;
    for (int64_t i = 0; i < each; i++) {
      row[i] = normal();
      largest = fmaxf(largest, fabsf(row[i]));
    }
    scales[c] = largest / 127.0f / sqrtf((float)each);
    for (int64_t i = 0; i < each; i++) codes[c * each + i] = (int8_t)lrintf(row[i] / largest * 127.0f);
  }
  free(row);
}

static const float X_SCALE = 4.0f / 255.0f, Y_SCALE = 8.0f / 255.0f;

/* Channels first, per-channel parameters, dequantized. */
static qe_value_t weights(qe_model_t *m, uint32_t rank, const int64_t *dims, qe_value_t *bias) {
  const int64_t channels = dims[0];
  int64_t each = 1;
  for (uint32_t i = 1; i < rank; i++) each *= dims[i];
  int8_t *codes = calloc((size_t)(channels * each), 1), *zeros = calloc((size_t)channels, 1);
  float *scales = calloc((size_t)channels, sizeof *scales);
  int32_t *sums = calloc((size_t)channels, sizeof *sums), *zeros32 = calloc((size_t)channels, sizeof *zeros32);
  qe_value_t w = -1;
  if (codes && zeros && scales && sums && zeros32) {
    quantized_weights(channels, each, codes, scales);
    const qe_value_t in[3] = {constant(m, "w", QE_INT8, rank, dims, codes),
                              constant(m, "w.scale", QE_FLOAT32, 1, &channels, scales),
                              constant(m, "w.zero_point", QE_INT8, 1, &channels, zeros)};
    w = qe_op(m, "DequantizeLinear", "w.dequantize", 3, in, "{\"axis\": 0}");
    for (int64_t i = 0; i < channels; i++) {
      sums[i] = (int32_t)(normal() * 1000.0f);
      scales[i] *= X_SCALE;
    }
    const qe_value_t of_bias[3] = {constant(m, "b", QE_INT32, 1, &channels, sums),
                                   constant(m, "b.scale", QE_FLOAT32, 1, &channels, scales),
                                   constant(m, "b.zero_point", QE_INT32, 1, &channels, zeros32)};
    *bias = qe_op(m, "DequantizeLinear", "b.dequantize", 3, of_bias, "{\"axis\": 0}");
  }
  free(codes);
  free(zeros);
  free(scales);
  free(sums);
  free(zeros32);
  return w;
}

static qe_value_t float_weights(qe_model_t *m, uint32_t rank, const int64_t *dims, qe_value_t *bias) {
  int64_t each = 1;
  for (uint32_t i = 1; i < rank; i++) each *= dims[i];
  const int64_t count = dims[0] * each;
  float *numbers = calloc((size_t)count, sizeof *numbers);
  qe_value_t w = -1;
  if (numbers) {
    for (int64_t i = 0; i < count; i++) numbers[i] = normal() / sqrtf((float)each);
    w = constant(m, "w", QE_FLOAT32, rank, dims, numbers);
    *bias = constant(m, "b", QE_FLOAT32, 1, dims, numbers);
  }
  free(numbers);
  return w;
}

static void build(qe_model_t *m, const shape *s, bool int8) {
  const int64_t gemm_x[2] = {s->m, s->k}, gemm_w[2] = {s->n, s->k};
  const int64_t conv_x[4] = {1, s->c, s->size, s->size};
  const int64_t conv_w[4] = {s->o, s->groups ? s->c / s->groups : 0, s->kernel, s->kernel};
  const uint32_t rank = s->conv ? 4 : 2;
  qe_value_t bias = -1;
  qe_value_t x = qe_input(m, "x", int8 ? QE_UINT8 : QE_FLOAT32, rank, s->conv ? conv_x : gemm_x);
  if (int8) x = with_parameters(m, "DequantizeLinear", "x.dequantize", x, X_SCALE, 0);
  const qe_value_t w = (int8 ? weights : float_weights)(m, rank, s->conv ? conv_w : gemm_w, &bias);
  const qe_value_t in[3] = {x, w, bias};
  char attributes[256];
  if (s->conv) {
    const long long k = s->kernel, stride = s->stride, pad = s->kernel / 2, groups = s->groups;
    snprintf(attributes, sizeof attributes,
             "{\"kernel_shape\": [%lld, %lld], \"strides\": [%lld, %lld], \"pads\": [%lld, %lld, %lld, %lld], "
             "\"group\": %lld}",
             k, k, stride, stride, pad, pad, pad, pad, groups);
  } else {
    snprintf(attributes, sizeof attributes, "{\"transB\": 1}");
  }
  qe_value_t y = qe_op(m, s->conv ? "Conv" : "Gemm", "op", 3, in, attributes);
  if (int8) y = with_parameters(m, "QuantizeLinear", "y.quantize", y, Y_SCALE, 128);
  qe_output(m, "y", y);
}

qe_status_t one_op_model(const shape *s, bool int8, const char *path, qe_model_t **out) {
  qe_model_t *m = NULL;
  *out = NULL;
  random_state = 1;
  qe_status_t status = qe_model_create("one_op", &m);
  if (status == QE_OK) {
    build(m, s, int8);
    status = qe_model_finish(m);
  }
  if (status == QE_OK) status = qe_model_save(m, path, QE_FORMAT_QDQ, 1);
  qe_model_destroy(&m);
  return status == QE_OK ? qe_model_load(path, out) : status;
}
