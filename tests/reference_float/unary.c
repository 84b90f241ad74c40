/* Unary ops: against double-precision libm where they round, exactly where the definition is exact, and special values.
 */
#include "naive.h"
#include "support/kernel_host.h"

enum { N = 3 * 5 * 41 };

typedef double (*function)(double x, const qe_op_params *a);

static double f_leaky(double x, const qe_op_params *a) { return x < 0 ? (double)a->alpha * x : x; }
static double f_elu(double x, const qe_op_params *a) { return x < 0 ? (double)a->alpha * expm1(x) : x; }
static double f_selu(double x, const qe_op_params *a) {
  return (double)a->gamma * (x > 0 ? x : (double)a->alpha * expm1(x));
}
static double f_celu(double x, const qe_op_params *a) {
  return fmax(0, x) + fmin(0, (double)a->alpha * expm1(x / (double)a->alpha));
}
static double f_threshold(double x, const qe_op_params *a) { return x > (double)a->alpha ? x : 0; }
static double f_sigmoid(double x, const qe_op_params *a) { (void)a; return 1 / (1 + exp(-x)); }
static double f_hard_sigmoid(double x, const qe_op_params *a) {
  return fmax(0, fmin(1, (double)a->alpha * x + (double)a->beta));
}
static double f_tanh(double x, const qe_op_params *a) { (void)a; return tanh(x); }
static double f_hard_swish(double x, const qe_op_params *a) { (void)a; return x * fmax(0, fmin(1, x / 6 + 0.5)); }
static double f_silu(double x, const qe_op_params *a) { (void)a; return x / (1 + exp(-x)); }
static double f_softplus(double x, const qe_op_params *a) { (void)a; return log1p(exp(-fabs(x))) + fmax(x, 0); }
static double f_mish(double x, const qe_op_params *a) { return x * tanh(f_softplus(x, a)); }
static double f_gelu(double x, const qe_op_params *a) {
  return a->mode ? 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)))
                 : 0.5 * x * (1 + erf(x / sqrt(2)));
}
static double f_softsign(double x, const qe_op_params *a) { (void)a; return x / (1 + fabs(x)); }
static double f_erf(double x, const qe_op_params *a) { (void)a; return erf(x); }
static double f_exp(double x, const qe_op_params *a) { (void)a; return exp(x); }
static double f_log(double x, const qe_op_params *a) { (void)a; return log(x); }
static double f_sqrt(double x, const qe_op_params *a) { (void)a; return sqrt(x); }
static double f_neg(double x, const qe_op_params *a) { (void)a; return -x; }
static double f_abs(double x, const qe_op_params *a) { (void)a; return fabs(x); }
static double f_reciprocal(double x, const qe_op_params *a) { (void)a; return 1 / x; }
static double f_floor(double x, const qe_op_params *a) { (void)a; return floor(x); }
static double f_ceil(double x, const qe_op_params *a) { (void)a; return ceil(x); }
static double f_round(double x, const qe_op_params *a) { (void)a; return rint(x); }
static double f_sign(double x, const qe_op_params *a) { (void)a; return (x > 0) - (x < 0); }
static double f_sin(double x, const qe_op_params *a) { (void)a; return sin(x); }
static double f_cos(double x, const qe_op_params *a) { (void)a; return cos(x); }
static double f_relu(double x, const qe_op_params *a) { (void)a; return fmax(x, 0); }
static double f_clip(double x, const qe_op_params *a) { return fmin(fmax(x, (double)a->clip_lo), (double)a->clip_hi); }

static const struct {
  const char *op;
  function f;
  float alpha, beta, gamma, lo, hi;
  uint32_t mode;
} ops[] = {
    {"Relu", f_relu, 0, 0, 0, -9, 9, 0},
    {"Clip", f_clip, 0, 0, 0, -9, 9, 0},
    {"LeakyRelu", f_leaky, 0.01f, 0, 0, -9, 9, 0},
    {"Elu", f_elu, 1.5f, 0, 0, -9, 9, 0},
    {"Selu", f_selu, 1.67326319f, 0, 1.05070102f, -9, 9, 0},
    {"Celu", f_celu, 0.7f, 0, 0, -9, 9, 0},
    {"ThresholdedRelu", f_threshold, 1.5f, 0, 0, -9, 9, 0},
    {"Sigmoid", f_sigmoid, 0, 0, 0, -20, 20, 0},
    {"HardSigmoid", f_hard_sigmoid, 0.2f, 0.5f, 0, -9, 9, 0},
    {"Tanh", f_tanh, 0, 0, 0, -9, 9, 0},
    {"HardSwish", f_hard_swish, 0, 0, 0, -9, 9, 0},
    {"Silu", f_silu, 0, 0, 0, -20, 20, 0},
    {"Mish", f_mish, 0, 0, 0, -20, 20, 0},
    {"Gelu", f_gelu, 0, 0, 0, -5, 5, 0},
    {"Gelu", f_gelu, 0, 0, 0, -5, 5, 1},
    {"Softplus", f_softplus, 0, 0, 0, -40, 40, 0},
    {"Softsign", f_softsign, 0, 0, 0, -9, 9, 0},
    {"Erf", f_erf, 0, 0, 0, -4, 4, 0},
    {"Exp", f_exp, 0, 0, 0, -80, 80, 0},
    {"Log", f_log, 0, 0, 0, 1e-6f, 50, 0},
    {"Sqrt", f_sqrt, 0, 0, 0, 0, 50, 0},
    {"Neg", f_neg, 0, 0, 0, -9, 9, 0},
    {"Abs", f_abs, 0, 0, 0, -9, 9, 0},
    {"Reciprocal", f_reciprocal, 0, 0, 0, 0.1f, 9, 0},
    {"Floor", f_floor, 0, 0, 0, -9, 9, 0},
    {"Ceil", f_ceil, 0, 0, 0, -9, 9, 0},
    {"Round", f_round, 0, 0, 0, -9, 9, 0},
    {"Sign", f_sign, 0, 0, 0, -9, 9, 0},
    {"Sin", f_sin, 0, 0, 0, -50, 50, 0},
    {"Cos", f_cos, 0, 0, 0, -50, 50, 0},
};

static kh_case make(size_t i, float *x, float *y) {
  kh_case c = kh_new(ops[i].op);
  kh_in(&c, KH_F32(x, 3, 5, 41));
  kh_out(&c, KH_F32(y, 3, 5, 41));
  c.params.alpha = ops[i].alpha;
  c.params.beta = ops[i].beta;
  c.params.gamma = ops[i].gamma;
  c.params.mode = ops[i].mode;
  if (strcmp(ops[i].op, "Clip") == 0) {
    c.params.clip_lo = -1.0f;
    c.params.clip_hi = 2.5f;
  }
  return c;
}

Test(reference_unary, close_to_double_precision) {
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; ++i) {
    float x[N], y[N];
    double expected[N];
    uint64_t seed = i + 1;
    kh_fill_f32(&seed, x, N, ops[i].lo, ops[i].hi);
    kh_case c = make(i, x, y);
    kh_run(&c);
    for (int j = 0; j < N; ++j)
      expected[j] = ops[i].f((double)x[j], &c.params);
    kh_close_f32(expected, y, N, 1e-6, ops[i].op);
  }
}

Test(reference_unary, the_fused_activation_comes_last) {
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; ++i) {
    float x[N], y[N], expected[N];
    uint64_t seed = i + 1;
    kh_fill_f32(&seed, x, N, ops[i].lo, ops[i].hi);
    kh_case c = make(i, x, y);
    kh_run(&c);
    for (int j = 0; j < N; ++j)
      expected[j] = naive_act(y[j], -0.25f, 0.5f);
    c.act_lo = -0.25f;
    c.act_hi = 0.5f;
    kh_run(&c);
    kh_same_f32(expected, y, N, ops[i].op);
  }
}

Test(reference_unary, nan_stays_nan_everywhere) {
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; ++i) {
    float x[N], y[N];
    for (int j = 0; j < N; ++j)
      x[j] = NAN;
    kh_case c = make(i, x, y);
    c.act_lo = 0.0f;
    kh_run(&c);
    for (int j = 0; j < N; ++j)
      cr_assert(isnan(y[j]), "%s: NaN became %g", ops[i].op, (double)y[j]);
  }
}

static void one(const char *op, float x, float expected) {
  float y[1];
  kh_case c = kh_new(op);
  kh_in(&c, KH_SCALAR(QE_DT_F32, &x));
  kh_out(&c, KH_SCALAR(QE_DT_F32, y));
  kh_run(&c);
  kh_same_f32(&expected, y, 1, op);
}

Test(reference_unary, special_values) {
  one("Relu", -0.0f, -0.0f);
  one("Sign", -0.0f, -0.0f);
  one("Round", 2.5f, 2.0f);
  one("Round", -0.5f, -0.0f);
  one("Round", 3.5f, 4.0f);
  one("Exp", -INFINITY, 0.0f);
  one("Exp", INFINITY, INFINITY);
  one("Exp", 200.0f, INFINITY);
  one("Sigmoid", -INFINITY, 0.0f);
  one("Sigmoid", INFINITY, 1.0f);
  one("Sigmoid", 0.0f, 0.5f);
  one("Tanh", INFINITY, 1.0f);
  one("Tanh", -0.0f, -0.0f);
  one("Softplus", 100.0f, 100.0f);
  one("Softplus", -INFINITY, 0.0f);
  one("Log", 0.0f, -INFINITY);
  one("Log", -1.0f, NAN);
  one("Sqrt", -1.0f, NAN);
  one("Reciprocal", -0.0f, -INFINITY);
  one("Abs", -INFINITY, INFINITY);
}

Test(reference_unary, thresholded_relu_drops_the_threshold_itself) {
  float x[3] = {1.0f, 1.5f, 1.75f}, y[3];
  kh_case c = kh_new("ThresholdedRelu");
  kh_in(&c, KH_F32(x, 3));
  kh_out(&c, KH_F32(y, 3));
  c.params.alpha = 1.5f;
  kh_run(&c);
  const float expected[3] = {0.0f, 0.0f, 1.75f};
  kh_same_f32(expected, y, 3, "ThresholdedRelu");
}

Test(reference_unary, clip_with_crossed_bounds_gives_the_upper_one) {
  float x[3] = {-5.0f, 0.5f, 5.0f}, y[3];
  kh_case c = kh_new("Clip");
  kh_in(&c, KH_F32(x, 3));
  kh_out(&c, KH_F32(y, 3));
  c.params.clip_lo = 2.0f;
  c.params.clip_hi = 1.0f;
  kh_run(&c);
  const float expected[3] = {1.0f, 1.0f, 1.0f};
  kh_same_f32(expected, y, 3, "Clip");
}

Test(reference_unary, many_tiles_and_empty) {
  enum { LARGE = 8192 * 3 + 17 };
  static float x[LARGE], y[LARGE];
  uint64_t seed = 9;
  kh_fill_f32(&seed, x, LARGE, -2.0f, 2.0f);
  kh_case c = kh_new("Tanh");
  kh_in(&c, KH_F32(x, LARGE));
  kh_out(&c, KH_F32(y, LARGE));
  kh_run(&c);
  for (int i = 0; i < LARGE; ++i)
    cr_assert_float_eq(y[i], tanhf(x[i]), 1e-6);
  kh_case e = kh_new("Tanh");
  kh_in(&e, KH_F32(x, 2, 0, 3));
  kh_out(&e, KH_F32(y, 2, 0, 3));
  kh_run(&e);
}

/* Clip's bounds of integers, as the host gives them: exact, and as float. */
static void bounds(kh_case *c, int64_t lo, int64_t hi) {
  c->params.starts[0] = lo;
  c->params.starts[1] = hi;
  c->params.clip_lo = lo == INT64_MIN ? -INFINITY : (float)lo;
  c->params.clip_hi = hi == INT64_MAX ? INFINITY : (float)hi;
}

Test(reference_unary, integer_clip_bounds_are_exact) {
  /* neither bound of any pair is a float */
  const int64_t pairs[][2] = {{-16777217, 16777217}, {-2147483583, 2147483583}, {-9007199254740993, 9007199254740993},
                              {INT64_MIN + 1, INT64_MAX - 1}};
  for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; ++k) {
    const int64_t lo = pairs[k][0], hi = pairs[k][1];
    int64_t x[7] = {INT64_MIN, lo - 1, lo, 0, hi, hi + 1, INT64_MAX}, y[7];
    kh_case c = kh_new("Clip");
    kh_in(&c, KH(QE_DT_I64, x, 7));
    kh_out(&c, KH(QE_DT_I64, y, 7));
    bounds(&c, lo, hi);
    kh_run(&c);
    for (int i = 0; i < 7; ++i) {
      const int64_t expected = x[i] < lo ? lo : x[i] > hi ? hi : x[i];
      cr_assert_eq(y[i], expected, "%lld: expected %lld, got %lld", (long long)x[i], (long long)expected, (long long)y[i]);
    }
    if (hi > INT32_MAX)
      continue;
    int32_t x32[5] = {INT32_MIN, (int32_t)lo, (int32_t)hi - 1, (int32_t)hi + 1, INT32_MAX}, y32[5];
    const int32_t expected32[5] = {(int32_t)lo, (int32_t)lo, (int32_t)hi - 1, (int32_t)hi, (int32_t)hi};
    kh_case n = kh_new("Clip");
    kh_in(&n, KH(QE_DT_I32, x32, 5));
    kh_out(&n, KH(QE_DT_I32, y32, 5));
    bounds(&n, lo, hi);
    kh_run(&n);
    for (int i = 0; i < 5; ++i)
      cr_assert_eq(y32[i], expected32[i], "%d: expected %d, got %d", x32[i], expected32[i], y32[i]);
  }
}

#define INTEGER_TEST(type, dtype, op, setup, expression)                                              \
  do {                                                                                                \
    type x[5] = {(type)0, (type)1, (type)-7, (type)100, (type)((uint64_t)1 << (sizeof(type) * 8 - 1))}, y[5]; \
    kh_case c = kh_new(op);                                                                           \
    kh_in(&c, KH(dtype, x, 5));                                                                       \
    kh_out(&c, KH(dtype, y, 5));                                                                      \
    setup;                                                                                            \
    kh_run(&c);                                                                                       \
    for (int i = 0; i < 5; ++i) {                                                                     \
      const type v = x[i], expected = (type)(expression);                                             \
      cr_assert(y[i] == expected, op " of " #type ": element %d", i);                                 \
    }                                                                                                 \
  } while (0)
#define SIGNED_TESTS(type, dtype)                                                                                      \
  INTEGER_TEST(type, dtype, "Neg", (void)0, (uint64_t)0 - (uint64_t)v);                                                \
  INTEGER_TEST(type, dtype, "Relu", (void)0, v > 0 ? v : 0);                                                           \
  INTEGER_TEST(type, dtype, "Abs", (void)0, v > 0 ? (uint64_t)v : (uint64_t)0 - (uint64_t)v);                          \
  INTEGER_TEST(type, dtype, "Sign", (void)0, v > 0 ? 1 : v == 0 ? 0 : -1);                                             \
  INTEGER_TEST(type, dtype, "Clip", bounds(&c, -2, 99), v < -2 ? -2 : v > 99 ? 99 : v);                                \
  INTEGER_TEST(type, dtype, "Clip", bounds(&c, INT64_MIN, INT64_MAX), v)
#define UNSIGNED_TESTS(type, dtype)                                                                   \
  INTEGER_TEST(type, dtype, "Abs", (void)0, v);                                                       \
  INTEGER_TEST(type, dtype, "Sign", (void)0, v != 0);                                                 \
  INTEGER_TEST(type, dtype, "Clip", bounds(&c, -2, 99), v > 99 ? 99 : v);                             \
  INTEGER_TEST(type, dtype, "Clip", bounds(&c, INT64_MIN, INT64_MAX), v)

Test(reference_unary, other_types) {
  SIGNED_TESTS(int8_t, QE_DT_I8);
  SIGNED_TESTS(int16_t, QE_DT_I16);
  SIGNED_TESTS(int32_t, QE_DT_I32);
  SIGNED_TESTS(int64_t, QE_DT_I64);
  UNSIGNED_TESTS(uint8_t, QE_DT_U8);
  UNSIGNED_TESTS(uint16_t, QE_DT_U16);
  UNSIGNED_TESTS(uint32_t, QE_DT_U32);
  UNSIGNED_TESTS(uint64_t, QE_DT_U64);
  double x[3] = {-2.5, 0.0, 7.0}, y[3];
  kh_case c = kh_new("Relu");
  kh_in(&c, KH(QE_DT_F64, x, 3));
  kh_out(&c, KH(QE_DT_F64, y, 3));
  c.act_hi = 6.0f;
  kh_run(&c);
  cr_assert(y[0] == 0.0 && y[1] == 0.0 && y[2] == 6.0);
  uint8_t b[4] = {0, 1, 1, 0}, n[4];
  kh_case k = kh_new("Not");
  kh_in(&k, KH(QE_DT_BOOL, b, 4));
  kh_out(&k, KH(QE_DT_BOOL, n, 4));
  kh_run(&k);
  for (int i = 0; i < 4; ++i)
    cr_assert_eq(n[i], !b[i]);
}

Test(reference_unary, types_without_a_kernel_are_refused_with_a_reason) {
  uint32_t x[1] = {0}, y[1];
  kh_case c = kh_new("Neg");
  kh_in(&c, KH(QE_DT_U32, x, 1));
  kh_out(&c, KH(QE_DT_U32, y, 1));
  kh_refused(&c, "uint32");
}

static void check_prelu(kh_tensor x, kh_tensor slope, uint64_t seed) {
  static float dx[20000], ds[20000], dy[20000], expected[20000];
  kh_fill_f32(&seed, dx, 20000, -1.0f, 1.0f);
  kh_fill_f32(&seed, ds, 20000, -1.0f, 1.0f);
  x.data = dx;
  slope.data = ds;
  kh_tensor y = x;
  y.data = dy;
  kh_case c = kh_new("PRelu");
  kh_in(&c, x);
  kh_in(&c, slope);
  kh_out(&c, y);
  c.act_hi = 0.75f;
  kh_run(&c);
  for (int64_t i = 0; i < kh_count(&x); ++i) {
    int64_t rest = i, at = 0, step = 1;
    for (uint32_t d = 0; d < x.rank; ++d) {
      const uint32_t xd = x.rank - 1 - d;
      if (d < slope.rank) {
        const uint32_t sd = slope.rank - 1 - d;
        at += slope.dims[sd] == 1 ? 0 : rest % x.dims[xd] * step;
        step *= slope.dims[sd];
      }
      rest /= x.dims[xd];
    }
    expected[i] = naive_act(dx[i] < 0.0f ? dx[i] * ds[at] : dx[i], c.act_lo, c.act_hi);
  }
  kh_same_f32(expected, dy, kh_count(&x), "PRelu");
}

Test(reference_unary, prelu_broadcasts_its_slope) {
  check_prelu(KH_F32(NULL, 2, 3, 4, 5), KH_F32(NULL, 3, 1, 1), 1);
  check_prelu(KH_F32(NULL, 2, 3, 4, 5), KH_F32(NULL, 1), 2);
  check_prelu(KH_F32(NULL, 2, 3, 4, 5), KH_F32(NULL, 2, 3, 4, 5), 3);
  check_prelu(KH_F32(NULL, 7), KH_F32(NULL, 7), 4);
  check_prelu(KH_F32(NULL, 5, 300), KH_F32(NULL, 5, 1), 5);
  check_prelu(KH_F32(NULL, 50, 390), KH_F32(NULL, 390), 8);
  check_prelu(KH_F32(NULL, 2, 9000), KH_F32(NULL, 2, 1), 9);
  check_prelu(KH_SCALAR(QE_DT_F32, NULL), KH_SCALAR(QE_DT_F32, NULL), 6);
  check_prelu(KH_F32(NULL, 2, 0, 3), KH_F32(NULL, 3), 7);
}
