/* Add .. Sum, Pow, comparisons, logic and Where with broadcasting, in all element types. */
#include "int_support.h"

static const uint8_t number_types[] = {QE_DT_F32, QE_DT_F64, QE_DT_U8,  QE_DT_I8,  QE_DT_U16,
                                       QE_DT_I16, QE_DT_U32, QE_DT_I32, QE_DT_U64, QE_DT_I64};
enum { N_TYPES = sizeof number_types };

/* Holds every element and every sum and difference of two. */
__extension__ typedef __int128 exact_int;
__extension__ typedef unsigned __int128 exact_uint;

static bool is_float(uint8_t t) { return t == QE_DT_F32 || t == QE_DT_F64; }

/* Values near the ends of the type, around zero, and a few more. */
static void fill(uint64_t *s, void *x, uint8_t type, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t pick = kh_int(s, 0, 5);
    const uint64_t bits = pick == 0   ? 0
                          : pick == 1 ? UINT64_MAX
                          : pick == 2 ? UINT64_MAX >> 1
                          : pick == 3 ? UINT64_C(1) << 63
                                      : kh_next(s) >> kh_int(s, 0, 63);
    const uint64_t top = kh_size(type) < 8 && (pick == 2 || pick == 3) ? bits >> (64 - 8 * kh_size(type)) : bits;
    switch (type) {
    case QE_DT_F32: ((float *)x)[i] = pick == 0 ? 0.0f : pick == 1 ? NAN : kh_float(s, -9.0f, 9.0f); break;
    case QE_DT_F64:
      ((double *)x)[i] = pick == 0 ? 0.0 : pick == 1 ? (double)NAN : (double)kh_float(s, -9.0f, 9.0f);
      break;
    case QE_DT_U8: case QE_DT_I8: ((uint8_t *)x)[i] = (uint8_t)top; break;
    case QE_DT_U16: case QE_DT_I16: ((uint16_t *)x)[i] = (uint16_t)top; break;
    case QE_DT_U32: case QE_DT_I32: ((uint32_t *)x)[i] = (uint32_t)top; break;
    default: ((uint64_t *)x)[i] = top;
    }
  }
}

/* An element exactly. */
static exact_int whole(const void *x, uint8_t type, int64_t i) {
  switch (type) {
  case QE_DT_U32: return ((const uint32_t *)x)[i];
  case QE_DT_U64: return ((const uint64_t *)x)[i];
  default: return ti_code(x, type, i);
  }
}
static double real(const void *x, uint8_t type, int64_t i) {
  return type == QE_DT_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

static exact_int integer_op(const char *op, exact_int a, exact_int b, bool fmod_rule) {
  switch (op[0]) {
  case 'A': case 'S': return op[1] == 'u' && op[2] == 'b' ? a - b : a + b; /* Add, Sum, Sub */
  case 'D': return b == 0 ? 0 : a / b;
  default: break;
  }
  if (strcmp(op, "Mul") == 0)
    return (exact_int)((exact_uint)a * (exact_uint)b);
  if (strcmp(op, "Max") == 0)
    return a > b ? a : b;
  if (strcmp(op, "Min") == 0)
    return a < b ? a : b;
  if (b == 0)
    return 0;
  const exact_int r = a % b;
  return !fmod_rule && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* In the type's own precision; float64 covers float32's +, -, *, / with one more rounding to float32. */
static double float_op(const char *op, double a, double b) {
  if (strcmp(op, "Add") == 0 || strcmp(op, "Sum") == 0)
    return a + b;
  if (strcmp(op, "Sub") == 0)
    return a - b;
  if (strcmp(op, "Mul") == 0)
    return a * b;
  if (strcmp(op, "Div") == 0)
    return a / b;
  if (strcmp(op, "Mod") == 0)
    return fmod(a, b);
  if (isnan(a) || isnan(b))
    return (double)NAN;
  return strcmp(op, "Max") == 0 ? (a > b ? a : b) : (a < b ? a : b);
}

/* y[2,3,4] = a op b for several ways of broadcasting. */
static const struct { uint32_t ra, rb; int64_t a[3], b[3]; int64_t sa[3], sb[3]; } ways[] = {
    {3, 3, {2, 3, 4}, {2, 3, 4}, {12, 4, 1}, {12, 4, 1}},
    {3, 0, {2, 3, 4}, {0}, {12, 4, 1}, {0, 0, 0}},
    {1, 3, {4}, {2, 3, 1}, {0, 0, 1}, {3, 1, 0}},
    {3, 2, {2, 1, 4}, {3, 1}, {4, 0, 1}, {0, 1, 0}},
};

static void check(const char *op, uint8_t type, uint64_t seed, bool fmod_rule) {
  uint64_t s = seed, a[24], b[24], y[24];
  fill(&s, a, type, 24);
  fill(&s, b, type, 24);
  const size_t way = seed % 4;
  kh_case c = kh_new(op);
  c.seed = seed;
  c.params.mode = fmod_rule || is_float(type);
  kh_in(&c, kh_tensor_make(type, a, ways[way].ra, ways[way].a));
  kh_in(&c, kh_tensor_make(type, b, ways[way].rb, ways[way].b));
  kh_out(&c, KH(type, y, 2, 3, 4));
  kh_run(&c);
  for (int64_t i = 0; i < 24; ++i) {
    const int64_t at[3] = {i / 12, i / 4 % 3, i % 4};
    int64_t ia = 0, ib = 0;
    for (int d = 0; d < 3; ++d) {
      ia += at[d] * ways[way].sa[d];
      ib += at[d] * ways[way].sb[d];
    }
    if (is_float(type)) {
      double e = float_op(op, real(a, type, ia), real(b, type, ib));
      if (type == QE_DT_F32)
        e = (double)(float)e;
      const double got = real(y, type, i);
      cr_assert(e == got || (isnan(e) && isnan(got)), "%s type %d: element %ld: expected %.17g, got %.17g (seed %llu)",
                op, type, (long)i, e, got, (unsigned long long)seed);
    } else {
      const exact_int e = integer_op(op, whole(a, type, ia), whole(b, type, ib), fmod_rule);
      const uint64_t mask = kh_size(type) == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * kh_size(type)) - 1;
      const uint64_t want = (uint64_t)e & mask, got = (uint64_t)whole(y, type, i) & mask;
      cr_assert_eq(want, got, "%s type %d: element %ld: expected %llx, got %llx (seed %llu)", op, type, (long)i,
                   (unsigned long long)want, (unsigned long long)got, (unsigned long long)seed);
    }
  }
}

Test(reference_binary, every_op_and_type) {
  static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Sum"};
  for (size_t o = 0; o < 8; ++o)
    for (size_t t = 0; t < N_TYPES; ++t)
      for (uint64_t seed = 1; seed <= 12; ++seed)
        check(ops[o], number_types[t], seed, seed % 8 >= 4);
}

Test(reference_binary, many_inputs_fold_left_to_right) {
  const float x[4][3] = {{1e8f, 1.0f, NAN}, {1.0f, 2.0f, 1.0f}, {-1e8f, -5.0f, 2.0f}, {0.5f, 7.0f, 3.0f}};
  float y[3];
  static const char *const ops[] = {"Sum", "Max", "Min"};
  static const float expected[3][3] = {{0.5f, 5.0f, NAN}, {1e8f, 7.0f, NAN}, {-1e8f, -5.0f, NAN}};
  for (int o = 0; o < 3; ++o) {
    kh_case c = kh_new(ops[o]);
    for (int i = 0; i < 4; ++i)
      kh_in(&c, KH_F32(x[i], 3));
    kh_out(&c, KH_F32(y, 3));
    kh_run(&c);
    kh_same_f32(expected[o], y, 3, ops[o]);
    c.n_in = 1;
    kh_run(&c);
    kh_same_f32(x[0], y, 3, "one input");
  }
}

Test(reference_binary, fused_activation_and_large_tensors) {
  enum { N = 20011 };
  static float a[N], b[N], y[N];
  uint64_t s = 3;
  kh_fill_f32(&s, a, N, -4.0f, 4.0f);
  kh_fill_f32(&s, b, N, -4.0f, 4.0f);
  kh_case c = kh_new("Add");
  c.act_lo = 0.0f;
  c.act_hi = 6.0f;
  kh_in(&c, KH_F32(a, 1, N));
  kh_in(&c, KH_F32(b, 1, N));
  kh_out(&c, KH_F32(y, 1, N));
  kh_run(&c);
  for (int i = 0; i < N; ++i) {
    const float v = a[i] + b[i], e = v < 0.0f ? 0.0f : v > 6.0f ? 6.0f : v;
    cr_assert_eq(e, y[i], "element %d: expected %g, got %g", i, (double)e, (double)y[i]);
  }
}

Test(reference_binary, fused_activation_of_integers) {
  const int32_t a[4] = {INT32_MIN, -3, 5, INT32_MAX}, zero = 0;
  int32_t y[4];
  kh_case c = kh_new("Add");
  c.act_lo = -0.5f;
  c.act_hi = 6.9f;
  kh_in(&c, KH(QE_DT_I32, a, 4));
  kh_in(&c, KH_SCALAR(QE_DT_I32, &zero));
  kh_out(&c, KH(QE_DT_I32, y, 4));
  kh_run(&c);
  cr_assert(y[0] == 0 && y[1] == 0 && y[2] == 5 && y[3] == 6, "got %d %d %d %d", y[0], y[1], y[2], y[3]);
}

Test(reference_binary, empty_and_refused) {
  float x[1] = {0}, y[1];
  kh_case c = kh_new("Add");
  kh_in(&c, KH_F32(x, 0, 3));
  kh_in(&c, KH_F32(x, 1));
  kh_out(&c, KH_F32(y, 0, 3));
  kh_run(&c);
  c.in[1] = KH(QE_DT_F64, x, 1);
  kh_refused(&c, "expected one type");
  c.in[1] = KH_F32(x, 2);
  kh_refused(&c, "does not broadcast");
  kh_case m = kh_new("Mod");
  kh_in(&m, KH_F32(x, 1));
  kh_in(&m, KH_F32(x, 1));
  kh_out(&m, KH_F32(y, 1));
  kh_refused(&m, "needs fmod");
}

/* -- Pow ----------------------------------------------------------------------------------------------------------- */

Test(reference_pow, floats) {
  const float a[6] = {2.0f, 3.0f, -2.0f, 0.0f, 1.5f, 4.0f}, b[6] = {3.0f, 0.0f, 3.0f, 2.0f, -1.5f, 0.5f};
  const double expected[6] = {8.0, 1.0, -8.0, 0.0, pow(1.5, -1.5), 2.0};
  float y[6];
  kh_case c = kh_new("Pow");
  kh_in(&c, KH_F32(a, 6));
  kh_in(&c, KH_F32(b, 6));
  kh_out(&c, KH_F32(y, 6));
  kh_run(&c);
  kh_close_f32(expected, y, 6, 1e-6, "Pow");
  const int64_t two = 2;
  c.in[1] = KH_SCALAR(QE_DT_I64, &two);
  kh_run(&c);
  for (int i = 0; i < 6; ++i)
    cr_assert_float_eq((double)y[i], (double)(a[i] * a[i]), 1e-6, "%g squared became %g", (double)a[i], (double)y[i]);
}

Test(reference_pow, integers) {
  const int32_t a[8] = {2, -2, 3, 0, -1, 1, 2, INT32_MIN};
  const int64_t b[8] = {31, 3, 0, 0, -5, -5, -1, 2};
  const int32_t expected[8] = {INT32_MIN, -8, 1, 1, -1, 1, 0, 0};
  int32_t y[8];
  kh_case c = kh_new("Pow");
  kh_in(&c, KH(QE_DT_I32, a, 8));
  kh_in(&c, KH(QE_DT_I64, b, 8));
  kh_out(&c, KH(QE_DT_I32, y, 8));
  kh_run(&c);
  for (int i = 0; i < 8; ++i)
    cr_assert_eq(expected[i], y[i], "%d ^ %ld: expected %d, got %d", a[i], (long)b[i], expected[i], y[i]);
  const float halves[8] = {0.5f, 2.0f, 2.5f, -1.0f, NAN, 3.0f, 40.0f, 1.0f};
  const int32_t real[8] = {1, 4, 15, INT32_MAX, 0, 1, INT32_MAX, INT32_MIN}; /* 0^-1 is infinite */
  c.in[1] = KH_F32(halves, 8);
  kh_run(&c);
  for (int i = 0; i < 8; ++i)
    cr_assert_eq(real[i], y[i], "%d ^ %g: expected %d, got %d", a[i], (double)halves[i], real[i], y[i]);
}

/* -- comparisons, logic, Where ------------------------------------------------------------------------------------- */

Test(reference_compare, every_op_and_type) {
  static const char *const ops[] = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"};
  for (size_t o = 0; o < 5; ++o)
    for (size_t t = 0; t < N_TYPES; ++t)
      for (uint64_t seed = 1; seed <= 8; ++seed) {
        const uint8_t type = number_types[t];
        uint64_t s = seed, a[24], b[24];
        uint8_t y[24];
        fill(&s, a, type, 24);
        fill(&s, b, type, 24);
        const size_t way = seed % 4;
        kh_case c = kh_new(ops[o]);
        c.seed = seed;
        kh_in(&c, kh_tensor_make(type, a, ways[way].ra, ways[way].a));
        kh_in(&c, kh_tensor_make(type, b, ways[way].rb, ways[way].b));
        kh_out(&c, KH(QE_DT_BOOL, y, 2, 3, 4));
        kh_run(&c);
        for (int64_t i = 0; i < 24; ++i) {
          const int64_t at[3] = {i / 12, i / 4 % 3, i % 4};
          int64_t ia = 0, ib = 0;
          for (int d = 0; d < 3; ++d) {
            ia += at[d] * ways[way].sa[d];
            ib += at[d] * ways[way].sb[d];
          }
          bool less, equal;
          if (is_float(type)) {
            less = real(a, type, ia) < real(b, type, ib);
            equal = real(a, type, ia) == real(b, type, ib);
          } else {
            less = whole(a, type, ia) < whole(b, type, ib);
            equal = whole(a, type, ia) == whole(b, type, ib);
          }
          const bool unordered = is_float(type) && (isnan(real(a, type, ia)) || isnan(real(b, type, ib)));
          const bool e = o == 0      ? equal
                         : unordered ? false
                         : o == 1    ? less
                         : o == 2    ? less || equal
                         : o == 3    ? !less && !equal
                                     : !less;
          cr_assert_eq(y[i], e, "%s type %d: element %ld: expected %d, got %d (seed %llu)", ops[o], type, (long)i, e,
                       y[i], (unsigned long long)seed);
        }
      }
}

Test(reference_logical, truth_tables) {
  const uint8_t a[4] = {0, 0, 1, 1}, b[4] = {0, 1, 0, 1};
  static const char *const ops[] = {"And", "Or", "Xor"};
  static const uint8_t expected[3][4] = {{0, 0, 0, 1}, {0, 1, 1, 1}, {0, 1, 1, 0}};
  for (int o = 0; o < 3; ++o) {
    uint8_t y[4];
    kh_case c = kh_new(ops[o]);
    kh_in(&c, KH(QE_DT_BOOL, a, 2, 2));
    kh_in(&c, KH(QE_DT_BOOL, b, 2, 2));
    kh_out(&c, KH(QE_DT_BOOL, y, 2, 2));
    kh_run(&c);
    ti_same_bytes(expected[o], y, 4, ops[o], 0);
  }
}

Test(reference_where, all_sizes) {
  static const uint8_t sizes[] = {QE_DT_U8, QE_DT_F16, QE_DT_F32, QE_DT_F64, QE_DT_BOOL};
  for (size_t t = 0; t < sizeof sizes; ++t)
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      const size_t size = kh_size(sizes[t]), way = seed % 4;
      uint64_t s = seed;
      uint8_t a[24 * 8], b[24 * 8], y[24 * 8], pick[12];
      ti_bytes(&s, a, sizeof a);
      ti_bytes(&s, b, sizeof b);
      for (int i = 0; i < 12; ++i)
        pick[i] = (uint8_t)kh_int(&s, 0, 1);
      kh_case c = kh_new("Where");
      c.seed = seed;
      kh_in(&c, KH(QE_DT_BOOL, pick, 3, 4));
      kh_in(&c, kh_tensor_make(sizes[t], a, ways[way].ra, ways[way].a));
      kh_in(&c, kh_tensor_make(sizes[t], b, ways[way].rb, ways[way].b));
      kh_out(&c, KH(sizes[t], y, 2, 3, 4));
      kh_run(&c);
      for (int64_t i = 0; i < 24; ++i) {
        const int64_t at[3] = {i / 12, i / 4 % 3, i % 4};
        int64_t ia = 0, ib = 0;
        for (int d = 0; d < 3; ++d) {
          ia += at[d] * ways[way].sa[d];
          ib += at[d] * ways[way].sb[d];
        }
        const uint8_t *e = pick[i % 12] ? a + (size_t)ia * size : b + (size_t)ib * size;
        ti_same_bytes(e, y + (size_t)i * size, (int64_t)size, "Where", seed);
      }
    }
}
