/* Quantizing weights alone: rows of tables, blocks, float16. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "flow/flow_internal.h"
#include "flow/weight_only.h"
#include "support/golden.h"
#include "support/models.h"
#include "tensor/codes.h"

static qe_tensor_t *matrix(int64_t rows, int64_t columns, const float *data) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 2, (int64_t[]){rows, columns}, data, &t), QE_OK);
  return t;
}

static int32_t code_at(const qe_tensor_t *t, int64_t i) { return (int32_t)qe__tensor_int_at(t, i); }
static float float_at(const qe_tensor_t *t, int64_t i) { return ((const float *)t->data)[i]; }

/* torch's packed rows: codes, then the scale and the minimum, bit for bit. */
Test(weight_only, byte_rows_are_those_of_torch) {
  golden g;
  int64_t rows = 0;
  golden_open(&g, "qdynamic");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    if (strcmp(golden_text(c, "op"), "embedding_bag_byte_prepack") != 0) continue;
    qe_tensor_t *w = golden_tensor(&g, c, "inputs", "w_float"), *want = golden_tensor(&g, c, "expected", "packed");
    qe_tensor_t *codes, *scale, *offset;
    double db;
    cr_assert_eq(qe__quantize_rows(w, QE_UINT8, "table", &codes, &scale, &offset, &db), QE_OK, "%s", qe_last_error());
    cr_assert_gt(db, 30.0);
    const int64_t d = w->dims[1];
    for (int64_t r = 0; r < w->dims[0]; r++, rows++) {
      const uint8_t *row = (const uint8_t *)want->data + r * (d + 8);
      cr_assert_eq(memcmp(row, (const uint8_t *)codes->data + r * d, (size_t)d), 0, "%s: codes of row %ld",
                   golden_text(c, "name"), (long)r);
      cr_assert_eq(memcmp(row + d, (const float *)scale->data + r, 4), 0);
      cr_assert_eq(memcmp(row + d + 4, (const float *)offset->data + r, 4), 0);
    }
    qe_tensor_release(&w), qe_tensor_release(&want);
    qe_tensor_release(&codes), qe_tensor_release(&scale), qe_tensor_release(&offset);
  }
  cr_assert_gt(rows, 100);
  golden_close(&g);
}

/* Each value comes back to within half a step of its row (and what rounding the minimum to float16 costs). */
Test(weight_only, rows_come_back) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    const int64_t rows = 1 + (int64_t)(seed % 5), d = 1 + (int64_t)(seed * 7 % 19);
    qe_tensor_t *w = test_random(2, (int64_t[]){rows, d}, 3.0f, seed), *codes, *scale, *offset;
    for (int narrow = 0; narrow < 2; narrow++) {
      const qe_dtype_t t = narrow ? QE_UINT4 : QE_UINT8;
      cr_assert_eq(qe__quantize_rows(w, t, "table", &codes, &scale, &offset, NULL), QE_OK, "%s", qe_last_error());
      cr_assert_eq(codes->dtype, t);
      for (int64_t i = 0; i < w->count; i++) {
        const float s = float_at(scale, i / d), v = (float)code_at(codes, i) * s + float_at(offset, i / d);
        cr_assert_leq(fabsf(v - float_at(w, i)), s * 0.502f + (narrow ? 0.02f : 1e-6f), "seed %lu, element %ld: %g, %g",
                      (unsigned long)seed, (long)i, (double)v, (double)float_at(w, i));
        if (narrow) cr_assert_eq(s, qe__half_value(qe__half_bits(s)));
      }
      qe_tensor_release(&codes), qe_tensor_release(&scale), qe_tensor_release(&offset);
    }
    qe_tensor_release(&w);
  }
}

Test(weight_only, unusual_rows) {
  qe_tensor_t *codes, *scale, *offset;
  qe_tensor_t *same = matrix(2, 3, (float[]){2, 2, 2, 0, 0, 0});
  double db;
  for (int narrow = 0; narrow < 2; narrow++) {
    cr_assert_eq(qe__quantize_rows(same, narrow ? QE_UINT4 : QE_UINT8, "t", &codes, &scale, &offset, &db), QE_OK);
    cr_assert_eq(db, (double)INFINITY);
    cr_assert_eq(float_at(offset, 0), 2.0f);
    qe_tensor_release(&codes), qe_tensor_release(&scale), qe_tensor_release(&offset);
  }
  qe_tensor_release(&same);
  static const struct {
    float x[2];
    qe_dtype_t dtype;
    const char *message;
  } bad[] = {{{1, NAN}, QE_UINT8, "element 1"},        {{INFINITY, 0}, QE_UINT4, "element 0"},
             {{-1e6f, 0}, QE_UINT4, "float16"},        {{-3e38f, 3e38f}, QE_UINT8, "row 0"},
             {{-3e6f, 3e6f}, QE_UINT4, "row 0"},       {{1, 2}, QE_INT8, "int8"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    qe_tensor_t *w = matrix(1, 2, bad[i].x);
    cr_assert_neq(qe__quantize_rows(w, bad[i].dtype, "emb", &codes, &scale, &offset, &db), QE_OK, "case %zu", i);
    cr_assert(strstr(qe_last_error(), "'emb'") && strstr(qe_last_error(), bad[i].message), "%s", qe_last_error());
    cr_assert(!codes && !scale && !offset);
    qe_tensor_release(&w);
  }
}

/* Element (k, n) of a weight in blocks, as the op reads it. */
static float block_value(const qe_tensor_t *packed, const qe_tensor_t *scales, const qe_tensor_t *zeros, int bits,
                         int64_t block, int64_t k, int64_t n) {
  const int64_t blocks = packed->dims[1], g = k / block;
  const uint8_t *column = (const uint8_t *)packed->data + n * blocks * packed->dims[2];
  const int q = bits == 8 ? column[k] : column[k / 2] >> k % 2 * 4 & 15;
  int z = 1 << (bits - 1);
  if (zeros) {
    const uint8_t *of = (const uint8_t *)zeros->data + n * ((blocks * bits + 7) / 8);
    z = bits == 8 ? of[g] : of[g / 2] >> g % 2 * 4 & 15;
  }
  return ((float)q - (float)z) * float_at(scales, n * blocks + g);
}

Test(weight_only, blocks_come_back_either_way_round) {
  for (int bits = 4; bits <= 8; bits += 4)
    for (int64_t block = 16; block <= 256; block *= 2)
      for (int symmetric = 0; symmetric < 2; symmetric++) {
        const int64_t k = 70 + block, n = 5;
        qe_tensor_t *w = test_random(2, (int64_t[]){k, n}, 1.0f, (uint64_t)(block + bits)), *t = NULL;
        qe_tensor_t *packed[2], *scales[2], *zeros[2];
        double db[2], noise = 0, signal = 0;
        cr_assert_eq(qe_tensor_create(QE_FLOAT32, 2, (int64_t[]){n, k}, &t), QE_OK);
        for (int64_t i = 0; i < w->count; i++) ((float *)t->data)[i % n * k + i / n] = float_at(w, i);
        for (int way = 0; way < 2; way++)
          cr_assert_eq(qe__quantize_blocks(way ? t : w, way, bits, block, symmetric, "fc", &packed[way], &scales[way],
                                           &zeros[way], &db[way]), QE_OK, "%s", qe_last_error());
        cr_assert_eq(memcmp(packed[0]->data, packed[1]->data, packed[0]->bytes), 0);
        cr_assert_eq(memcmp(scales[0]->data, scales[1]->data, scales[0]->bytes), 0);
        cr_assert_eq(zeros[0] == NULL, symmetric);
        for (int64_t i = 0; i < w->count; i++) {
          const float v = block_value(packed[0], scales[0], zeros[0], bits, block, i / n, i % n),
                      s = fabsf(float_at(scales[0], i % n * packed[0]->dims[1] + i / n / block));
          /* the far end of a symmetric range is one step short; that of an affine one lies between two zero points */
          cr_assert_leq(fabsf(v - float_at(w, i)), s * 1.001f, "element %ld", (long)i);
          signal += (double)float_at(w, i) * (double)float_at(w, i);
          noise += ((double)v - (double)float_at(w, i)) * ((double)v - (double)float_at(w, i));
        }
        cr_assert_lt(fabs(10 * log10(signal / noise) - db[0]), 1e-9);
        cr_assert_lt(fabs(db[0] - db[1]), 1e-6); /* the same numbers, added up in another order */
        cr_assert_gt(db[0], bits == 4 ? 19.0 : 43.0, "%d bits, block %ld: %g dB", bits, (long)block, db[0]);
        qe_tensor_release(&w), qe_tensor_release(&t);
        for (int way = 0; way < 2; way++) {
          qe_tensor_release(&packed[way]), qe_tensor_release(&scales[way]), qe_tensor_release(&zeros[way]);
        }
      }
}

Test(weight_only, unusual_blocks) {
  qe_tensor_t *packed, *scales, *zeros, *zero = matrix(3, 2, (float[]){0, 0, 0, 0, 0, 0});
  double db;
  for (int symmetric = 0; symmetric < 2; symmetric++) {
    cr_assert_eq(qe__quantize_blocks(zero, false, 4, 16, symmetric, "fc", &packed, &scales, &zeros, &db), QE_OK);
    cr_assert_eq(db, (double)INFINITY);
    for (int64_t i = 0; i < 3; i++) cr_assert_eq(block_value(packed, scales, zeros, 4, 16, i, 1), 0.0f);
    qe_tensor_release(&packed), qe_tensor_release(&scales), qe_tensor_release(&zeros);
  }
  /* The element of largest magnitude is exact, whichever its sign. */
  for (int sign = -1; sign <= 1; sign += 2) {
    qe_tensor_t *w = matrix(3, 1, (float[]){(float)sign * 0.8f, (float)-sign * 0.79f, 0.1f});
    cr_assert_eq(qe__quantize_blocks(w, false, 4, 16, true, "fc", &packed, &scales, &zeros, &db), QE_OK);
    cr_assert_eq(block_value(packed, scales, zeros, 4, 16, 0, 0), (float)sign * 0.8f);
    qe_tensor_release(&packed), qe_tensor_release(&scales), qe_tensor_release(&w);
  }
  static const struct { int bits; int64_t block; } bad[] = {{3, 16}, {4, 8}, {4, 48}, {8, 0}};
  for (size_t i = 0; i < 4; i++) {
    cr_assert_eq(qe__quantize_blocks(zero, false, bad[i].bits, bad[i].block, true, "fc", &packed, &scales, &zeros, &db),
                 QE_ERROR_INVALID_ARGUMENT);
    cr_assert(strstr(qe_last_error(), "'fc'") && !packed && !scales && !zeros);
  }
  qe_tensor_t *nan = matrix(1, 2, (float[]){1, NAN}), *empty = matrix(0, 2, NULL);
  cr_assert_eq(qe__quantize_blocks(nan, false, 4, 16, true, "fc", &packed, &scales, &zeros, &db), QE_ERROR_NUMERIC);
  cr_assert_eq(qe__quantize_blocks(empty, false, 4, 16, true, "fc", &packed, &scales, &zeros, &db), QE_ERROR_SHAPE);
  qe_tensor_release(&nan), qe_tensor_release(&empty), qe_tensor_release(&zero);
}

/* Every float16 comes back from its value, and what lies between two goes to the nearer, ties to the even one. */
Test(weight_only, float16_is_the_nearest) {
  for (uint32_t h = 0; h < 0x7c00; h++) {
    const float v = qe__half_value((uint16_t)h), next = h + 1 < 0x7c00 ? qe__half_value((uint16_t)(h + 1)) : 65536.0f;
    const float middle = (v + next) * 0.5f; /* exact */
    cr_assert_eq(qe__half_bits(v), h);
    cr_assert_eq(qe__half_bits(-v), h | 0x8000);
    cr_assert_eq(qe__half_bits(middle), h + (h & 1));
    cr_assert_eq(qe__half_bits(nextafterf(middle, 0.0f)), h);
    cr_assert_eq(qe__half_bits(nextafterf(middle, INFINITY)), h + 1);
  }
  cr_assert_eq(qe__half_bits(FLT_MAX), 0x7c00);
  cr_assert(isnan(qe__half_value(qe__half_bits(NAN))));
  qe_tensor_t *w = matrix(1, 4, (float[]){1e9f, -1e9f, 1.0009765f, 65519.0f}), *h;
  double db;
  cr_assert_eq(qe__to_float16(w, "fc", &h, &db), QE_OK);
  cr_assert_eq(h->dtype, QE_FLOAT16);
  static const double want[4] = {65504, -65504, 1.0009765625, 65504};
  for (int64_t i = 0; i < 4; i++) cr_assert_eq(qe__tensor_float_at(h, i), want[i]);
  qe_tensor_release(&h);
  ((float *)w->data)[2] = NAN;
  cr_assert_eq(qe__to_float16(w, "fc", &h, &db), QE_ERROR_NUMERIC);
  cr_assert(strstr(qe_last_error(), "element 2") && !h);
  qe_tensor_release(&w);
}

/* Running out of memory anywhere leaves nothing behind (the sanitizers watch). */
Test(weight_only, no_memory) {
  qe_tensor_t *w = test_random(2, (int64_t[]){40, 6}, 1.0f, 3), *a, *b, *c;
  for (long after = 0, failed = 1; failed; after++) {
    failed = 0;
    for (int which = 0; which < 3; which++) {
      a = b = c = NULL;
      qe__fail_allocations_after(after);
      const qe_status_t status = which == 0   ? qe__quantize_rows(w, QE_UINT4, "t", &a, &b, &c, NULL)
                                 : which == 1 ? qe__quantize_blocks(w, true, 8, 16, false, "t", &a, &b, &c, NULL)
                                              : qe__to_float16(w, "t", &a, NULL);
      qe__fail_allocations_after(-1);
      failed += status != QE_OK;
      if (status != QE_OK) cr_assert(status == QE_ERROR_OUT_OF_MEMORY && !a && !b && !c);
      qe_tensor_release(&a), qe_tensor_release(&b), qe_tensor_release(&c);
    }
  }
  qe_tensor_release(&w);
}
