/*
 * Weights whose activations stay float32: rows of a table (Embedding, EmbeddingBag), blocks along the reduction
 * (MatMulNBits), float16. What the codes stand for is in docs/numerics.md; here is how they are chosen.
 */
#include <math.h>
#include <string.h>

#include "flow/weight_only.h"
#include "tensor/codes.h"

static qe_status_t need_weight(const qe_tensor_t *w, uint32_t rank, const char *what) {
  if (w->dtype != QE_FLOAT32 || (rank && w->rank != rank)) {
    char text[200];
    return qe__fail(QE_ERROR_SHAPE, "'%s': the weight is %s %s; float32%s was expected", what, qe_dtype_name(w->dtype),
                    qe__dims_text(w->rank, w->dims, text, sizeof text), rank ? " of rank 2" : "");
  }
  const float *x = w->data;
  for (int64_t i = 0; i < w->count; i++) {
    if (isfinite(x[i])) continue;
    return qe__fail(QE_ERROR_NUMERIC, "'%s': element %lld of the weight is %g; finite numbers were expected, so repair "
                    "it or leave the node float", what, (long long)i, (double)x[i]);
  }
  return QE_OK;
}

/* SQNR of x and what `back` makes of each element, without a copy of the weight. */
typedef float (*back_fn)(const void *arg, int64_t index);
static void measure(const qe_tensor_t *w, back_fn back, const void *arg, double *sqnr_db) {
  const float *x = w->data;
  double signal = 0.0, noise = 0.0;
  if (!sqnr_db) return;
  for (int64_t i = 0; i < w->count; i++) {
    const double d = (double)x[i] - (double)back(arg, i);
    signal += (double)x[i] * (double)x[i];
    noise += d * d;
  }
  *sqnr_db = noise == 0.0 ? (double)INFINITY : 10.0 * log10(signal / noise);
}

/* ---- rows ---- */

typedef struct rows {
  int64_t size;
  qe_dtype_t dtype;
  void *codes;
  float *scale, *offset;
} rows;

static float row_back(const void *arg, int64_t i) {
  const rows *r = arg;
  int32_t q;
  qe__codes_load(r->dtype, r->codes, i, 1, &q);
  const float v = (float)q * r->scale[i / r->size];
  return v + r->offset[i / r->size];
}

/*
 * torch's rules, bit for bit. 8 bits: the scale is range / 255 but codes come from a multiplication by 255 / (range +
 * 1e-8), so a constant row has scale 0. 4 bits: minimum and scale are rounded to float16 before codes are chosen.
 */
static bool row_parameters(bool narrow, float lo, float hi, float *scale, float *offset, float *factor) {
  *offset = narrow ? qe__half_value(qe__half_bits(lo)) : lo;
  const float range = hi - *offset;
  if (!narrow) {
    *scale = range / 255.0f;
    *factor = 255.0f / (range + 1e-8f);
    return isfinite(range);
  }
  *scale = range == 0.0f ? 1.0f : qe__half_value(qe__half_bits(range / 15.0f));
  if (*scale == 0.0f || isinf(1.0f / *scale)) *scale = 1.0f;
  *factor = 1.0f / *scale;
  return isfinite(*offset) && isfinite(*scale);
}

static void quantize_row(const float *x, rows *r, int64_t row, int32_t most, float factor) {
  for (int64_t i = 0; i < r->size; i++) {
    const float q = rintf((x[i] - r->offset[row]) * factor);
    const int32_t code = q <= 0.0f ? 0 : q >= (float)most ? most : (int32_t)q;
    qe__codes_store(r->dtype, r->codes, row * r->size + i, 1, &code);
  }
}

static qe_status_t quantize_all_rows(const qe_tensor_t *table, rows *r, const char *what) {
  for (int64_t row = 0; row < table->dims[0]; row++) {
    const float *x = (const float *)table->data + row * r->size;
    float lo = r->size ? x[0] : 0.0f, hi = lo, factor;
    for (int64_t i = 1; i < r->size; i++) {
      lo = x[i] < lo ? x[i] : lo;
      hi = x[i] > hi ? x[i] : hi;
    }
    if (!row_parameters(r->dtype == QE_UINT4, lo, hi, &r->scale[row], &r->offset[row], &factor)) {
      return qe__fail(QE_ERROR_NUMERIC, "'%s': row %lld of the table goes from %g to %g, which the %s scale and offset "
                      "of a row cannot hold; leave the node float", what, (long long)row, (double)lo, (double)hi,
                      r->dtype == QE_UINT4 ? "float16" : "float32");
    }
    quantize_row(x, r, row, r->dtype == QE_UINT4 ? 15 : 255, factor);
  }
  return QE_OK;
}

qe_status_t qe__quantize_rows(const qe_tensor_t *table, qe_dtype_t dtype, const char *what, qe_tensor_t **codes,
                              qe_tensor_t **scale, qe_tensor_t **offset, double *sqnr_db) {
  qe_status_t status;
  *codes = *scale = *offset = NULL;
  if (dtype != QE_UINT8 && dtype != QE_UINT4) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "'%s': rows of %s are not supported; uint8 and uint4 are", what,
                    qe_dtype_name(dtype));
  }
  QE_TRY(need_weight(table, 2, what));
  QE_TRY_GOTO(qe_tensor_create(dtype, 2, table->dims, codes), done);
  QE_TRY_GOTO(qe_tensor_create(QE_FLOAT32, 1, table->dims, scale), done);
  QE_TRY_GOTO(qe_tensor_create(QE_FLOAT32, 1, table->dims, offset), done);
  rows r = {table->dims[1], dtype, (*codes)->data, (*scale)->data, (*offset)->data};
  QE_TRY_GOTO(quantize_all_rows(table, &r, what), done);
  measure(table, row_back, &r, sqnr_db);
done:
  if (status != QE_OK) {
    qe_tensor_release(codes);
    qe_tensor_release(scale);
    qe_tensor_release(offset);
  }
  return status;
}

/* ---- blocks ---- */

typedef struct blocks {
  int64_t k, n, block, count; /* count: blocks of a column */
  int64_t step_k, step_n;     /* of the float weight */
  int bits;
  bool symmetric;
  uint8_t *codes, *zeros;     /* zeros NULL: symmetric */
  float *scales;
} blocks;

static int32_t packed_code(const uint8_t *data, int bits, int64_t i) {
  return bits == 8 ? data[i] : data[i / 2] >> i % 2 * 4 & 15;
}

static void pack_code(uint8_t *data, int bits, int64_t i, int32_t code) {
  if (bits == 8) data[i] = (uint8_t)code;
  else data[i / 2] = (uint8_t)(data[i / 2] | code << i % 2 * 4);
}

static int64_t column_bytes(const blocks *b) { return b->count * b->block * b->bits / 8; }
static int64_t zero_bytes(const blocks *b) { return (b->count * b->bits + 7) / 8; }

static int32_t block_zero(const blocks *b, int64_t n, int64_t g) {
  return b->zeros ? packed_code(b->zeros + n * zero_bytes(b), b->bits, g) : 1 << (b->bits - 1);
}

static float block_back(const void *arg, int64_t i) {
  const blocks *b = arg;
  const int64_t n = b->step_n == 1 ? i % b->n : i / b->k, k = b->step_n == 1 ? i / b->n : i % b->k, g = k / b->block;
  const int32_t q = packed_code(b->codes + n * column_bytes(b), b->bits, k);
  return ((float)q - (float)block_zero(b, n, g)) * b->scales[n * b->count + g];
}

/*
 * Symmetric: the element of largest magnitude, sign included, becomes the lowest code exactly (so a scale may be
 * negative): 2^(bits-1) steps to it instead of half a step less, about 1 dB for 4 bits. Affine: the range with 0 in it.
 */
static void block_parameters(const blocks *b, const float *x, int64_t count, float *scale, int32_t *zero) {
  const int32_t most = (1 << b->bits) - 1, middle = 1 << (b->bits - 1);
  float lo = 0.0f, hi = 0.0f;
  for (int64_t i = 0; i < count; i++) {
    lo = x[i * b->step_k] < lo ? x[i * b->step_k] : lo;
    hi = x[i * b->step_k] > hi ? x[i * b->step_k] : hi;
  }
  *scale = b->symmetric ? (-lo >= hi ? lo : hi) / (float)-middle : (float)(((double)hi - (double)lo) / most);
  if (*scale == 0.0f) *scale = 1.0f;
  const float z = rintf(-lo / *scale);
  *zero = b->symmetric ? middle : z >= (float)most ? most : (int32_t)z;
}

static void quantize_block(const blocks *b, const float *w, int64_t n, int64_t g) {
  const int64_t first = g * b->block, count = b->k - first < b->block ? b->k - first : b->block;
  const int32_t most = (1 << b->bits) - 1;
  const float *x = w + n * b->step_n + first * b->step_k;
  float scale;
  int32_t zero;
  block_parameters(b, x, count, &scale, &zero);
  b->scales[n * b->count + g] = scale;
  if (b->zeros) pack_code(b->zeros + n * zero_bytes(b), b->bits, g, zero);
  for (int64_t i = 0; i < b->block; i++) { /* behind the end: codes that mean 0 */
    const int32_t q = i < count ? qe__quantize_value(x[i * b->step_k], scale, zero, 0, most) : zero;
    pack_code(b->codes + n * column_bytes(b), b->bits, first + i, q);
  }
}

qe_status_t qe__quantize_blocks(const qe_tensor_t *w, bool trans_b, int bits, int64_t block, bool symmetric,
                                const char *what, qe_tensor_t **packed, qe_tensor_t **scales, qe_tensor_t **zero_points,
                                double *sqnr_db) {
  qe_status_t status;
  *packed = *scales = *zero_points = NULL;
  if ((bits != 4 && bits != 8) || block < 16 || block > 1 << 30 || (block & (block - 1)) != 0) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': %d bits in blocks of %lld; 4 or 8 in a power of 2 from 16 on were "
                    "expected", what, bits, (long long)block);
  }
  QE_TRY(need_weight(w, 2, what));
  if (w->count == 0) return qe__fail(QE_ERROR_SHAPE, "'%s': the weight is empty; leave the node float", what);
  blocks b = {.k = w->dims[trans_b], .n = w->dims[!trans_b], .block = block, .bits = bits, .symmetric = symmetric};
  b.count = b.k / block + (b.k % block != 0);
  b.step_k = trans_b ? 1 : b.n;
  b.step_n = trans_b ? b.k : 1;
  const int64_t dims[3] = {b.n, b.count, block * bits / 8}, scale_dims[1] = {b.n * b.count},
                zero_dims[1] = {b.n * zero_bytes(&b)}; /* no more than w->count each */
  QE_TRY_GOTO(qe_tensor_create(QE_UINT8, 3, dims, packed), done);
  QE_TRY_GOTO(qe_tensor_create(QE_FLOAT32, 1, scale_dims, scales), done);
  if (!symmetric) QE_TRY_GOTO(qe_tensor_create(QE_UINT8, 1, zero_dims, zero_points), done);
  b.codes = (*packed)->data;
  b.scales = (*scales)->data;
  b.zeros = symmetric ? NULL : (*zero_points)->data;
  for (int64_t n = 0; n < b.n; n++) {
    for (int64_t g = 0; g < b.count; g++) quantize_block(&b, w->data, n, g);
  }
  measure(w, block_back, &b, sqnr_db);
done:
  if (status != QE_OK) {
    qe_tensor_release(packed);
    qe_tensor_release(scales);
    qe_tensor_release(zero_points);
  }
  return status;
}

/* ---- float16 ---- */

static float half_back(const void *arg, int64_t i) { return qe__half_value(((const uint16_t *)arg)[i]); }

qe_status_t qe__to_float16(const qe_tensor_t *w, const char *what, qe_tensor_t **out, double *sqnr_db) {
  const float most = 65504.0f;
  *out = NULL;
  QE_TRY(need_weight(w, 0, what));
  QE_TRY(qe_tensor_create(QE_FLOAT16, w->rank, w->dims, out));
  const float *x = w->data;
  uint16_t *y = (*out)->data;
  for (int64_t i = 0; i < w->count; i++) y[i] = qe__half_bits(x[i] > most ? most : x[i] < -most ? -most : x[i]);
  measure(w, half_back, y, sqnr_db);
  return QE_OK;
}
