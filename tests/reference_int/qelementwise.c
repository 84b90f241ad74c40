/* Add, Sub, Mul, pools, means, Lookup on codes against the formulas of docs/numerics.md. */
#include "int_support.h"

static float real(const void *x, uint8_t type, int64_t i, float s, int32_t z) {
  return s * (float)((int32_t)ti_code(x, type, i) - z);
}

typedef struct qtensor {
  uint8_t type;
  uint8_t data[4096];
  float scale;
  int32_t zero;
} qtensor;

static qtensor random_codes(uint64_t *s, int64_t n) {
  qtensor t = {.type = ti_pick8(s), .scale = kh_float(s, 0.001f, 0.2f)};
  t.zero = ti_zero(s, t.type);
  ti_bytes(s, t.data, n);
  return t;
}
static kh_tensor as(qtensor *t, uint32_t rank, const int64_t *dims) {
  return kh_quantized(kh_tensor_make(t->type, t->data, rank, dims), 1, -1, &t->scale, &t->zero);
}

/* y = op(a, b) with a, b broadcast to [2,3,4,5]. */
static void check_binary(const char *op, uint64_t seed) {
  static const int64_t out[4] = {2, 3, 4, 5};
  static const struct {
    uint32_t rank;
    int64_t dims[4];
  } shapes[] = {{4, {2, 3, 4, 5}}, {0, {0}}, {1, {5}}, {3, {3, 1, 1}}, {4, {2, 1, 4, 1}}, {2, {4, 5}}};
  uint64_t s = seed;
  qtensor a = random_codes(&s, 120), b = random_codes(&s, 120), y = random_codes(&s, 120);
  const size_t pa = seed % 3 ? 0 : (size_t)kh_int(&s, 0, 5), pb = (size_t)kh_int(&s, 0, 5);
  kh_case c = kh_new(op);
  c.quantized = true;
  c.seed = seed;
  kh_in(&c, as(&a, shapes[pa].rank, shapes[pa].dims));
  kh_in(&c, as(&b, shapes[pb].rank, shapes[pb].dims));
  kh_out(&c, as(&y, 4, out));
  int32_t lo = ti_min(y.type), hi = ti_max(y.type);
  if (seed % 4 == 0)
    c.clamp_lo = lo = y.zero;
  kh_run(&c);
  for (int64_t i = 0; i < 120; ++i) {
    int64_t at[2] = {0, 0};
    for (int side = 0; side < 2; ++side) {
      const uint32_t rank = shapes[side ? pb : pa].rank;
      const int64_t *dims = shapes[side ? pb : pa].dims;
      int64_t rest = i, step = 1;
      for (uint32_t d = 4; d-- > 0;) {
        const int64_t index = rest % out[d];
        rest /= out[d];
        if (d + rank < 4)
          continue;
        const int64_t dim = dims[d + rank - 4];
        at[side] += dim == 1 ? 0 : index * step;
        step *= dim;
      }
    }
    const float u = real(a.data, a.type, at[0], a.scale, a.zero), v = real(b.data, b.type, at[1], b.scale, b.zero);
    const float r = op[0] == 'A' ? u + v : op[0] == 'S' ? u - v : u * v;
    const int32_t e = ti_round(r / y.scale, y.zero, lo, hi);
    cr_assert_eq(e, ti_code(y.data, y.type, i), "%s: element %ld: expected %d, got %ld (seed %llu)", op, (long)i, e,
                 (long)ti_code(y.data, y.type, i), (unsigned long long)seed);
  }
}

Test(reference_qelementwise, add_sub_mul) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    check_binary("Add", seed);
    check_binary("Sub", seed);
    check_binary("Mul", seed);
  }
}

Test(reference_qelementwise, extreme_scales_saturate) {
  uint8_t a[4] = {0, 255, 128, 127}, y[4];
  const float huge = 3e38f, tiny = 1e-38f;
  const int32_t zero = 128;
  kh_case c = kh_new("Mul");
  c.quantized = true;
  kh_in(&c, kh_quantized(KH(QE_DT_U8, a, 4), 1, -1, &huge, &zero));
  kh_in(&c, kh_quantized(KH(QE_DT_U8, a, 4), 1, -1, &huge, &zero));
  kh_out(&c, kh_quantized(KH(QE_DT_U8, y, 4), 1, -1, &tiny, &zero));
  kh_run(&c);
  const uint8_t expected[4] = {255, 255, 128, 255};
  ti_same_bytes(expected, y, 4, "Mul", 0);
}

/* -- pools --------------------------------------------------------------------------------------------------------- */

typedef struct pool_case {
  int64_t in[2], kernel[2], stride[2], pad[2], pad_end[2], out[2];
  bool include_pad;
} pool_case;

static void check_pool(const pool_case *k, bool max, uint64_t seed) {
  uint64_t s = seed;
  enum { C = 3 };
  qtensor x = random_codes(&s, 2 * C * k->in[0] * k->in[1]), y = random_codes(&s, 1);
  if (max)
    y.type = x.type;
  const int64_t xd[4] = {2, C, k->in[0], k->in[1]}, yd[4] = {2, C, k->out[0], k->out[1]};
  kh_case c = kh_new(max ? "MaxPool" : "AveragePool");
  c.quantized = !max;
  c.params.spatial = 2;
  for (int d = 0; d < 2; ++d) {
    c.params.kernel[d] = k->kernel[d];
    c.params.stride[d] = k->stride[d];
    c.params.dilation[d] = 1;
    c.params.pad_begin[d] = k->pad[d];
    c.params.pad_end[d] = k->pad_end[d];
  }
  c.params.count_include_pad = k->include_pad;
  kh_in(&c, as(&x, 4, xd));
  kh_out(&c, as(&y, 4, yd));
  kh_run(&c);
  for (int64_t p = 0; p < 2 * C; ++p)
    for (int64_t i = 0; i < k->out[0]; ++i)
      for (int64_t j = 0; j < k->out[1]; ++j) {
        int64_t sum = 0, inside = 0, padded = 0, best = ti_min(x.type);
        for (int64_t a = 0; a < k->kernel[0]; ++a)
          for (int64_t b = 0; b < k->kernel[1]; ++b) {
            const int64_t u = i * k->stride[0] - k->pad[0] + a, v = j * k->stride[1] - k->pad[1] + b;
            padded += u < k->in[0] + k->pad_end[0] && v < k->in[1] + k->pad_end[1];
            if (u < 0 || v < 0 || u >= k->in[0] || v >= k->in[1])
              continue;
            const int64_t q = ti_code(x.data, x.type, (p * k->in[0] + u) * k->in[1] + v);
            sum += q - x.zero;
            best = q > best ? q : best;
            ++inside;
          }
        const int64_t count = k->include_pad ? padded : inside, at = (p * k->out[0] + i) * k->out[1] + j;
        const float m = x.scale / (y.scale * (float)count);
        const int64_t e = max ? best : ti_round((float)sum * m, y.zero, ti_min(y.type), ti_max(y.type));
        cr_assert_eq(e, ti_code(y.data, y.type, at), "element %ld: expected %ld, got %ld (seed %llu)", (long)at,
                     (long)e, (long)ti_code(y.data, y.type, at), (unsigned long long)seed);
      }
}

Test(reference_qpool, windows) {
  static const pool_case cases[] = {
      {{6, 6}, {2, 2}, {2, 2}, {0, 0}, {0, 0}, {3, 3}, false},
      {{7, 5}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {4, 5}, false},
      {{7, 5}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {4, 5}, true},
      {{6, 6}, {3, 2}, {2, 2}, {0, 0}, {0, 0}, {3, 3}, false}, /* ceil_mode: the last window sticks out */
      {{6, 7}, {3, 2}, {2, 2}, {1, 0}, {0, 0}, {4, 4}, true},
      {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      check_pool(&cases[i], false, seed);
      check_pool(&cases[i], true, seed);
    }
}

Test(reference_qpool, global_pools_and_means) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    uint64_t s = seed;
    qtensor x = random_codes(&s, 2 * 5 * 24), y = random_codes(&s, 10), m = random_codes(&s, 10);
    m.type = x.type;
    static const int64_t xd[5] = {2, 5, 2, 3, 4}, yd[5] = {2, 5, 1, 1, 1};
    kh_case c = kh_new("GlobalAveragePool");
    c.quantized = true;
    c.seed = seed;
    kh_in(&c, as(&x, 5, xd));
    kh_out(&c, as(&y, 5, yd));
    kh_run(&c);
    qtensor by_mean = y;
    kh_case r = kh_new("ReduceMean");
    r.quantized = true;
    r.params.axes = 4 | 8 | 16;
    kh_in(&r, as(&x, 5, xd));
    kh_out(&r, as(&by_mean, 2, (const int64_t[]){2, 5}));
    kh_run(&r);
    kh_case g = kh_new("GlobalMaxPool");
    kh_in(&g, as(&x, 5, xd));
    kh_out(&g, as(&m, 5, yd));
    kh_run(&g);
    for (int64_t p = 0; p < 10; ++p) {
      int64_t sum = 0, best = ti_min(x.type);
      for (int64_t i = 0; i < 24; ++i) {
        const int64_t q = ti_code(x.data, x.type, p * 24 + i);
        sum += q - x.zero;
        best = q > best ? q : best;
      }
      const int32_t e = ti_round((float)sum * (x.scale / (y.scale * 24.0f)), y.zero, ti_min(y.type), ti_max(y.type));
      cr_assert_eq(e, ti_code(y.data, y.type, p), "average %ld: expected %d, got %ld", (long)p, e,
                   (long)ti_code(y.data, y.type, p));
      cr_assert_eq(best, ti_code(m.data, m.type, p), "max %ld: expected %ld, got %ld", (long)p, (long)best,
                   (long)ti_code(m.data, m.type, p));
    }
    ti_same_bytes(y.data, by_mean.data, 10, "mean", seed);
  }
}

Test(reference_qpool, mean_of_a_middle_dimension) {
  uint64_t s = 5;
  qtensor x = random_codes(&s, 24), y = random_codes(&s, 8);
  kh_case c = kh_new("ReduceMean");
  c.quantized = true;
  c.params.axes = 2;
  c.params.keepdims = 1;
  kh_in(&c, as(&x, 3, (const int64_t[]){2, 3, 4}));
  kh_out(&c, as(&y, 3, (const int64_t[]){2, 1, 4}));
  kh_run(&c);
  for (int64_t i = 0; i < 8; ++i) {
    int64_t sum = 0;
    for (int64_t k = 0; k < 3; ++k)
      sum += ti_code(x.data, x.type, (i / 4 * 3 + k) * 4 + i % 4) - x.zero;
    const int32_t e = ti_round((float)sum * (x.scale / (y.scale * 3.0f)), y.zero, ti_min(y.type), ti_max(y.type));
    cr_assert_eq(e, ti_code(y.data, y.type, i), "element %ld: expected %d, got %ld", (long)i, e,
                 (long)ti_code(y.data, y.type, i));
  }
}

Test(reference_lookup, every_code) {
  uint8_t x[256], table[256], y[256];
  uint64_t s = 8;
  for (int i = 0; i < 256; ++i)
    x[i] = (uint8_t)i;
  ti_bytes(&s, table, 256);
  for (int type = 0; type < 2; ++type) {
    kh_case c = kh_new("Lookup");
    kh_in(&c, KH(type ? QE_DT_I8 : QE_DT_U8, x, 4, 8, 8));
    kh_in(&c, kh_const(KH(QE_DT_U8, table, 256)));
    kh_out(&c, KH(type ? QE_DT_U8 : QE_DT_I8, y, 4, 8, 8));
    kh_run(&c);
    ti_same_bytes(table, y, 256, "Lookup", 8);
  }
}
