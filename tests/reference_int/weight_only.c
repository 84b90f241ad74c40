/* MatMulNBits, Embedding, EmbeddingBag against plain loops over codes that were unpacked one by one. */
#include <math.h>

#include "int_support.h"

/* Codes of `type`, as bytes or nibbles (low half first), from a list. */
static int32_t put_code(uint8_t *data, uint8_t type, int64_t i, uint64_t *s) {
  const bool sign = type == QE_DT_I8 || type == QE_DT_I4, nibble = kh_is_4bit(type);
  const int32_t lo = sign ? (nibble ? -8 : -128) : 0, hi = lo + (nibble ? 15 : 255);
  const int32_t v = (int32_t)(kh_int(s, 0, 4) == 0 ? (kh_int(s, 0, 1) ? lo : hi) : kh_int(s, lo, hi));
  if (!nibble) data[i] = (uint8_t)v;
  else data[i / 2] = (uint8_t)((data[i / 2] & (i % 2 ? 0x0f : 0xf0)) | (v & 15) << (i % 2 ? 4 : 0));
  return v;
}

static const uint8_t table_types[] = {QE_DT_U8, QE_DT_I8, QE_DT_U4, QE_DT_I4};

Test(reference_weight_only, embedding) {
  enum { ROWS = 9, D = 7, N = 12 };
  for (size_t t = 0; t < 4; ++t)
    for (int with = 0; with < 2; ++with) {
      uint64_t s = 1000 + t * 2 + (uint64_t)with;
      uint8_t data[ROWS * D];
      int32_t codes[ROWS * D];
      float scale[ROWS], offset[ROWS], y[N * D];
      int64_t at[N];
      int32_t narrow[N];
      for (int64_t i = 0; i < ROWS * D; ++i) codes[i] = put_code(data, table_types[t], i, &s);
      kh_fill_f32(&s, scale, ROWS, 0.01f, 2.0f);
      kh_fill_f32(&s, offset, ROWS, -3.0f, 3.0f);
      for (int i = 0; i < N; ++i) {
        at[i] = kh_int(&s, -ROWS, ROWS - 1);
        narrow[i] = (int32_t)at[i];
      }
      kh_case c = kh_new("Embedding");
      kh_in(&c, KH(table_types[t], data, ROWS, D));
      kh_in(&c, with ? KH(QE_DT_I64, at, 3, 4) : KH(QE_DT_I32, narrow, 3, 4));
      kh_in(&c, KH_F32(scale, ROWS));
      if (with) kh_in(&c, KH_F32(offset, ROWS));
      c.act_lo = -2.0f;
      kh_out(&c, KH_F32(y, 3, 4, D));
      kh_run(&c);
      for (int64_t i = 0; i < N * D; ++i) {
        const int64_t row = at[i / D] < 0 ? at[i / D] + ROWS : at[i / D];
        const volatile float product = (float)codes[row * D + i % D] * scale[row]; /* rounds before the sum */
        const float v = with ? product + offset[row] : product, e = v < -2.0f ? -2.0f : v;
        cr_assert(e == y[i], "type %zu: element %ld: expected %a, got %a", t, (long)i, (double)e, (double)y[i]);
      }
      at[5] = ROWS;
      narrow[5] = -ROWS - 1;
      c.may_fail = true;
      cr_assert_neq(kh_run(&c), 0, "an index out of range went unnoticed");
    }
}

/* One bag in plain loops; `row(i, d)` is element d of the row that index i names. */
static float bag_element(const float *row, const int64_t *at, const float *weights, int64_t begin, int64_t end, int mode,
                         int64_t padding, int64_t step, int64_t d) {
  float y = 0.0f;
  int64_t count = 0;
  for (int64_t i = begin; i < end; ++i) {
    if (at[i] == padding) continue;
    const volatile float v = row[at[i] * step + d], weighted = weights ? weights[i] * v : v;
    if (mode == 2) y = count == 0 || weighted > y || isnan(weighted) ? weighted : y;
    else y = y + weighted;
    count++;
  }
  return mode == 1 && count ? y / (float)count : y;
}

Test(reference_weight_only, embedding_bag) {
  enum { ROWS = 6, D = 5, N = 11, BAGS = 4 };
  static const uint8_t types[] = {QE_DT_F32, QE_DT_U8, QE_DT_I8, QE_DT_U4, QE_DT_I4};
  const int64_t offsets[BAGS + 1] = {0, 3, 3, 7, 10}; /* the second bag is empty; the last offset may be below N */
  for (size_t t = 0; t < 5; ++t)
    for (int mode = 0; mode < 3; ++mode)
      for (int variant = 0; variant < 4; ++variant) {
        uint64_t s = 5000 + t * 16 + (uint64_t)(mode * 4 + variant);
        const bool last = variant & 1, weighted = mode == 0 && variant & 2;
        const int64_t padding = variant & 2 ? 2 : -1;
        uint8_t data[ROWS * D];
        float real[ROWS * D], scale[ROWS], offset[ROWS], weights[N], y[BAGS * D];
        int64_t at[N];
        kh_fill_f32(&s, scale, ROWS, 0.01f, 2.0f);
        kh_fill_f32(&s, offset, ROWS, -30.0f, 3.0f);
        kh_fill_f32(&s, weights, N, -1.0f, 2.0f);
        kh_fill_f32(&s, real, ROWS * D, -5.0f, 5.0f);
        real[7] = NAN;
        for (int64_t i = 0; i < ROWS * D && t > 0; ++i) {
          const volatile float product = (float)put_code(data, types[t], i, &s) * scale[i / D];
          real[i] = product + offset[i / D];
        }
        for (int i = 0; i < N; ++i) at[i] = kh_int(&s, 0, ROWS - 1);
        kh_case c = kh_new("EmbeddingBag");
        c.params.mode = (uint32_t)mode;
        c.params.starts[0] = padding;
        kh_in(&c, t ? KH(types[t], data, ROWS, D) : KH_F32(real, ROWS, D));
        kh_in(&c, KH(QE_DT_I64, at, N));
        kh_in(&c, KH(QE_DT_I64, offsets, BAGS + last));
        kh_in(&c, t ? KH_F32(scale, ROWS) : KH_NONE);
        kh_in(&c, t ? KH_F32(offset, ROWS) : KH_NONE);
        kh_in(&c, weighted ? KH_F32(weights, N) : KH_NONE);
        kh_out(&c, KH_F32(y, BAGS, D));
        kh_run(&c);
        for (int64_t i = 0; i < BAGS * D; ++i) {
          const int64_t b = i / D, end = b + 1 < BAGS || last ? offsets[b + 1] : N;
          const float e = bag_element(real, at, weighted ? weights : NULL, offsets[b], end, mode, padding, D, i % D);
          cr_assert(e == y[i] || (isnan(e) && isnan(y[i])), "type %zu, mode %d, variant %d: element %ld: expected %a, got %a",
                    t, mode, variant, (long)i, (double)e, (double)y[i]);
        }
        c.may_fail = true;
        const int64_t kept = at[9];
        at[9] = ROWS;
        cr_assert_neq(kh_run(&c), 0, "an index out of range went unnoticed");
        at[9] = kept;
        static const int64_t descending[BAGS + 1] = {0, 3, 2, 7, 10}, beyond[BAGS + 1] = {0, 3, 3, N + 1, N + 1};
        c.in[2] = KH(QE_DT_I64, descending, BAGS + last);
        cr_assert_neq(kh_run(&c), 0, "descending offsets went unnoticed");
        c.in[2] = KH(QE_DT_I64, beyond, BAGS + last);
        cr_assert_neq(kh_run(&c), 0, "an offset beyond the indices went unnoticed");
      }
}

/* The order of docs/numerics.md: fma, k ascending, in chunks of 4096. */
static float chunked(const float *a, const float *w, int64_t k) {
  float total = 0.0f;
  for (int64_t chunk = 0; chunk < k; chunk += 4096) {
    float part = 0.0f;
    for (int64_t i = chunk; i < k && i < chunk + 4096; ++i) part = fmaf(a[i], w[i], part);
    total = chunk == 0 ? part : total + part;
  }
  return total;
}

static void check_blocks(int bits, int64_t block, int zero_kind, int64_t m, int64_t n, int64_t k, bool bias) {
  uint64_t s = 77 + (uint64_t)(bits * 1000 + block * 7 + zero_kind * 3 + k);
  const int64_t blocks = (k + block - 1) / block, bytes = block * bits / 8, zero_bytes = (blocks * bits + 7) / 8;
  float *a = malloc(sizeof *a * (size_t)(m * k)), *w = malloc(sizeof *w * (size_t)(n * k)),
        *y = malloc(sizeof *y * (size_t)(m * n)), *scales = malloc(sizeof *scales * (size_t)(n * blocks)),
        *zero = malloc(sizeof *zero * (size_t)(n * blocks)), *b = malloc(sizeof *b * (size_t)n);
  uint8_t *codes = malloc((size_t)(n * blocks * bytes)), *packed = calloc((size_t)(n * zero_bytes), 1);
  cr_assert(a && w && y && scales && zero && b && codes && packed);
  kh_fill_f32(&s, a, m * k, -2.0f, 2.0f);
  kh_fill_f32(&s, scales, n * blocks, 0.01f, 0.3f);
  kh_fill_f32(&s, zero, n * blocks, 0.0f, (float)(1 << bits));
  kh_fill_f32(&s, b, n, -1.0f, 1.0f);
  ti_bytes(&s, codes, n * blocks * bytes);
  for (int64_t i = 0; i < n * blocks; ++i) {
    const int32_t z = (int32_t)kh_int(&s, 0, (1 << bits) - 1);
    if (bits == 8) packed[i] = (uint8_t)z;
    else packed[i / blocks * zero_bytes + i % blocks / 2] |= (uint8_t)(z << i % blocks % 2 * 4);
    if (zero_kind < 2) zero[i] = zero_kind ? (float)z : bits == 4 ? 8.0f : 128.0f;
  }
  for (int64_t i = 0; i < n * k; ++i) {
    const int64_t column = i / k, at = i % k, g = column * blocks + at / block;
    const uint8_t *of = codes + column * blocks * bytes;
    const int q = bits == 8 ? of[at] : of[at / 2] >> at % 2 * 4 & 15;
    const volatile float centred = (float)q - zero[g];
    w[i] = centred * scales[g];
  }
  kh_case c = kh_new("MatMulNBits");
  c.params.mode = (uint32_t)bits;
  c.params.kernel[0] = block;
  kh_in(&c, KH_F32(a, m, k));
  kh_in(&c, KH(QE_DT_U8, codes, n, blocks, bytes));
  kh_in(&c, KH_F32(scales, n * blocks));
  kh_in(&c, zero_kind == 0 ? KH_NONE : zero_kind == 1 ? KH(QE_DT_U8, packed, n * zero_bytes) : KH_F32(zero, n * blocks));
  kh_in(&c, KH_NONE);
  kh_in(&c, bias ? KH_F32(b, n) : KH_NONE);
  c.act_hi = 1.5f;
  kh_out(&c, KH_F32(y, m, n));
  kh_run(&c);
  for (int64_t i = 0; i < m * n; ++i) {
    const float sum = chunked(a + i / n * k, w + i % n * k, k), v = bias ? sum + b[i % n] : sum;
    const float e = v > 1.5f ? 1.5f : v;
    cr_assert(e == y[i], "%d bits, blocks of %ld, zero points %d, [%ld,%ld] of %ld: element %ld: expected %a, got %a",
              bits, (long)block, zero_kind, (long)m, (long)n, (long)k, (long)i, (double)e, (double)y[i]);
  }
  free(a), free(w), free(y), free(scales), free(zero), free(b), free(codes), free(packed);
}

Test(reference_weight_only, matmul_nbits) {
  for (int bits = 4; bits <= 8; bits += 4)
    for (int zero_kind = 0; zero_kind < 3; ++zero_kind) {
      check_blocks(bits, 16, zero_kind, 3, 35, 50, false);
      check_blocks(bits, 32, zero_kind, 1, 5, 32, true);
      check_blocks(bits, 256, zero_kind, 18, 33, 4200, true);
    }
}
