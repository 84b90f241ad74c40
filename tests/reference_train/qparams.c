/* MinMax against a plain loop, MovingAverageQParams against qe_choose_qparams. */
#include "qengine/tensor.h"
#include "support/kernel_host.h"

/* Smallest and largest of a channel along dimension axis of [2, 3, 4, 5]. */
Test(reference_min_max, finds_the_range_of_tensor_and_channels) {
  enum { N = 2 * 3 * 4 * 5 };
  static const int64_t dims[4] = {2, 3, 4, 5};
  for (int32_t axis = -1; axis < 4; ++axis)
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      uint64_t state = seed;
      const int64_t channels = axis < 0 ? 1 : dims[axis];
      int64_t inner = 1;
      for (int32_t d = axis + 1; axis >= 0 && d < 4; ++d) inner *= dims[d];
      float x[N], expected[10], got[10];
      kh_fill_f32(&state, x, N, seed == 2 ? 1.0f : -3.0f, seed == 3 ? -1.0f : 3.0f);
      if (seed == 4) x[kh_int(&state, 0, N - 1)] = INFINITY;
      if (seed == 5) x[kh_int(&state, 0, N - 1)] = NAN;
      for (int64_t c = 0; c < channels; ++c) {
        float lo = INFINITY, hi = -INFINITY;
        bool nan = false;
        for (int64_t i = 0; i < N; ++i) {
          if (axis >= 0 && i / inner % channels != c) continue;
          nan = nan || isnan(x[i]);
          lo = fminf(lo, x[i]);
          hi = fmaxf(hi, x[i]);
        }
        expected[c] = nan ? NAN : lo;
        expected[channels + c] = nan ? NAN : hi;
      }
      kh_case k = kh_new("MinMax");
      k.params.axis = axis;
      k.seed = seed;
      kh_in(&k, KH_F32(x, 2, 3, 4, 5));
      kh_out(&k, KH_F32(got, 2, channels));
      kh_run(&k);
      char what[60];
      snprintf(what, sizeof what, "axis %d, seed %llu", axis, (unsigned long long)seed);
      kh_same_f32(expected, got, 2 * channels, what);
    }
}

static void range_of(const float *x, int64_t n, float got[2]) {
  kh_case k = kh_new("MinMax");
  k.params.axis = -1;
  kh_in(&k, KH_F32(x, n));
  kh_out(&k, KH_F32(got, 2, 1));
  kh_run(&k);
}

Test(reference_min_max, zeros_have_no_sign_and_nan_has_one_form) {
  float got[2];
  range_of((const float[]){-0.0f, -0.0f}, 2, got);
  cr_assert(got[0] == 0.0f && !signbit(got[0]) && !signbit(got[1]), "of -0: %g %g", (double)got[0], (double)got[1]);
  range_of(NULL, 0, got);
  cr_assert(got[0] == 0.0f && got[1] == 0.0f, "of nothing: %g %g", (double)got[0], (double)got[1]);
  for (int first = 0; first < 2; ++first) {
    float x[3] = {1.0f, 2.0f, 3.0f};
    uint32_t bits[2], quiet = 0xffc01234u;
    memcpy(&x[first ? 0 : 2], &quiet, 4);
    range_of(x, 3, got);
    memcpy(bits, got, sizeof bits);
    cr_assert(bits[0] == 0x7fc00000u && bits[1] == 0x7fc00000u, "of NaN: %08x %08x", bits[0], bits[1]);
  }
}

/* ---- parameters ---- */

typedef struct scheme {
  qe_dtype_t dtype;
  int32_t lo, hi;
  bool symmetric;
  int32_t zero; /* of symmetric ones */
  float eps;
} scheme;

static const scheme schemes[] = {
    {QE_UINT8, 0, 255, false, 0, 0x1p-23f},  {QE_INT8, -128, 127, false, 0, 0x1p-23f}, {QE_UINT8, 0, 127, false, 0, 0x1p-23f},
    {QE_INT8, -127, 127, true, 0, 0x1p-12f}, {QE_INT8, -128, 127, true, 0, 0x1p-23f},  {QE_UINT8, 0, 255, true, 128, 0x1p-23f},
    {QE_UINT16, 0, 65535, false, 0, 0.0f},   {QE_INT8, -8, 7, false, 0, 0x1p-23f},
};

typedef struct averaged {
  float state[2], scale, zero;
} averaged;

static averaged average(const scheme *s, float c, const float now[2], const float before[2]) {
  averaged a;
  kh_case k = kh_new("MovingAverageQParams");
  k.params.alpha = c;
  k.params.epsilon = s->eps;
  k.params.starts[0] = s->lo;
  k.params.starts[1] = s->hi;
  k.params.starts[2] = s->zero;
  k.params.mode = s->symmetric;
  kh_in(&k, KH_F32(now, 2, 1));
  kh_in(&k, KH_F32(before, 2, 1));
  kh_out(&k, KH_F32(a.state, 2, 1));
  kh_out(&k, KH_F32(&a.scale, 1));
  kh_out(&k, KH_F32(&a.zero, 1));
  kh_run(&k);
  return a;
}

/* A float of any finite magnitude. */
static float any_size(uint64_t *state) {
  float v;
  do {
    const uint32_t bits = (uint32_t)kh_next(state);
    memcpy(&v, &bits, sizeof v);
  } while (!isfinite(v));
  return v;
}

Test(reference_moving_average_qparams, chooses_what_the_core_chooses) {
  static const float never[2] = {INFINITY, -INFINITY};
  static const float ends[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 3.4e38f, -3.4e38f, 1.0f, -1.0f, 255.0f, -127.5f};
  for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; ++i)
    for (uint64_t seed = 1; seed <= 400; ++seed) {
      const scheme *s = &schemes[i];
      uint64_t state = seed;
      float now[2], scale;
      int32_t zero;
      for (int k = 0; k < 2; ++k) {
        const int64_t kind = kh_int(&state, 0, 2);
        now[k] = kind == 0 ? ends[kh_int(&state, 0, 9)] : kind == 1 ? any_size(&state) : kh_float(&state, -6.0f, 6.0f);
      }
      if (now[0] > now[1]) {
        const float larger = now[0];
        now[0] = now[1];
        now[1] = larger;
      }
      cr_assert_eq(qe_choose_qparams(now[0], now[1], s->dtype, s->lo, s->hi, s->symmetric, s->eps, &scale, &zero), QE_OK, "%s", qe_last_error());
      for (int fed = 0; fed < 2; ++fed) { /* never fed; and an average that forgets */
        const averaged a = fed ? average(s, 1.0f, now, (const float[]){-1.0f, 1.0f}) : average(s, 0.01f, now, never);
        char what[90];
        snprintf(what, sizeof what, "scheme %zu, range %g..%g, seed %llu", i, (double)now[0], (double)now[1], (unsigned long long)seed);
        kh_same_f32(now, a.state, 2, what);
        kh_same_f32(&scale, &a.scale, 1, what);
        cr_assert_eq(a.zero, (float)zero, "%s: zero point %g, expected %d", what, (double)a.zero, zero);
      }
    }
}

Test(reference_moving_average_qparams, moves_the_state_in_float32) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    uint64_t state = seed;
    const float c = kh_float(&state, 0.001f, 0.999f);
    const float before[2] = {kh_float(&state, -5.0f, 0.0f), kh_float(&state, 0.0f, 5.0f)},
                now[2] = {kh_float(&state, -9.0f, 1.0f), kh_float(&state, 1.0f, 9.0f)};
    const averaged a = average(&schemes[0], c, now, before);
    float expected[2], scale;
    int32_t zero;
    for (int k = 0; k < 2; ++k) expected[k] = before[k] + c * (now[k] - before[k]);
    kh_same_f32(expected, a.state, 2, "state");
    cr_assert_eq(qe_choose_qparams(expected[0], expected[1], QE_UINT8, 0, 255, 0, 0x1p-23f, &scale, &zero), QE_OK);
    cr_assert(scale == a.scale && (float)zero == a.zero, "seed %llu: %.9g and %g, expected %.9g and %d", (unsigned long long)seed,
              (double)a.scale, (double)a.zero, (double)scale, zero);
  }
}

Test(reference_moving_average_qparams, shows_a_range_that_is_no_number) {
  const averaged a = average(&schemes[0], 0.5f, (const float[]){NAN, NAN}, (const float[]){-1.0f, 1.0f});
  cr_assert(isnan(a.state[0]) && isnan(a.state[1]) && isnan(a.scale), "state %g %g, scale %g", (double)a.state[0], (double)a.state[1],
            (double)a.scale);
}
