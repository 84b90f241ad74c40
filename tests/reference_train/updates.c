/* Optimizer steps against double precision, ClipGrad and RandomDropout against their definitions. */
#include "support/kernel_host.h"

enum { N = 2 * 3 * 5 * 4 };

static void fill(uint64_t *state, float *x, float lo, float hi) { kh_fill_f32(state, x, N, lo, hi); }

Test(reference_optimizer, sgd_follows_its_formula) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    uint64_t state = seed;
    const bool nesterov = seed % 2;
    float w[N], g[N], m[N], new_w[N], new_m[N], hyper[4];
    double expected_w[N], expected_m[N];
    fill(&state, w, -1.0f, 1.0f);
    fill(&state, g, -3.0f, 3.0f);
    fill(&state, m, -1.0f, 1.0f);
    for (int i = 0; i < 4; ++i) hyper[i] = kh_float(&state, 0.0f, 1.0f);
    for (int i = 0; i < N; ++i) {
      const double lr = (double)hyper[0], momentum = (double)hyper[1], decay = (double)hyper[2], scale = (double)hyper[3];
      const double gradient = (double)g[i] * scale + decay * (double)w[i];
      expected_m[i] = momentum * (double)m[i] + gradient;
      expected_w[i] = (double)w[i] - lr * (nesterov ? gradient + momentum * expected_m[i] : expected_m[i]);
    }
    kh_case c = kh_new("SgdUpdate");
    c.params.mode = nesterov;
    c.seed = seed;
    kh_in(&c, KH_F32(w, 2, 3, 5, 4));
    kh_in(&c, KH_F32(g, 2, 3, 5, 4));
    kh_in(&c, KH_F32(m, 2, 3, 5, 4));
    kh_in(&c, KH_F32(hyper, 4));
    kh_out(&c, KH_F32(new_w, 2, 3, 5, 4));
    kh_out(&c, KH_F32(new_m, 2, 3, 5, 4));
    kh_run(&c);
    kh_close_f32(expected_w, new_w, N, 1e-6, "weights");
    kh_close_f32(expected_m, new_m, N, 1e-6, "moments");
  }
}

Test(reference_optimizer, adam_follows_its_formula) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    uint64_t state = seed;
    const float b1 = kh_float(&state, 0.5f, 0.95f), b2 = kh_float(&state, 0.9f, 0.999f);
    const float hyper[8] = {kh_float(&state, 0.001f, 0.1f), b1, b2, 1e-4f, kh_float(&state, 0.0f, 0.1f), kh_float(&state, 0.1f, 1.0f),
                            kh_float(&state, 0.1f, 1.0f), kh_float(&state, 0.0f, 0.01f)};
    float w[N], g[N], m[N], v[N], new_w[N], new_m[N], new_v[N];
    double expected_w[N], expected_m[N], expected_v[N];
    fill(&state, w, -1.0f, 1.0f);
    fill(&state, g, -3.0f, 3.0f);
    fill(&state, m, -1.0f, 1.0f);
    fill(&state, v, 0.0f, 1.0f);
    for (int i = 0; i < N; ++i) {
      const double gradient = (double)g[i] * (double)hyper[5] + (double)hyper[4] * (double)w[i];
      expected_m[i] = (double)b1 * (double)m[i] + (1.0 - (double)b1) * gradient;
      expected_v[i] = (double)b2 * (double)v[i] + (1.0 - (double)b2) * gradient * gradient;
      expected_w[i] = (double)w[i] - (double)hyper[7] * (double)w[i] -
                      (double)hyper[0] * expected_m[i] / (sqrt(expected_v[i]) / (double)hyper[6] + (double)hyper[3]);
    }
    kh_case c = kh_new("AdamUpdate");
    c.seed = seed;
    kh_in(&c, KH_F32(w, 2, 3, 5, 4));
    kh_in(&c, KH_F32(g, 2, 3, 5, 4));
    kh_in(&c, KH_F32(m, 2, 3, 5, 4));
    kh_in(&c, KH_F32(v, 2, 3, 5, 4));
    kh_in(&c, KH_F32(hyper, 8));
    kh_out(&c, KH_F32(new_w, 2, 3, 5, 4));
    kh_out(&c, KH_F32(new_m, 2, 3, 5, 4));
    kh_out(&c, KH_F32(new_v, 2, 3, 5, 4));
    kh_run(&c);
    kh_close_f32(expected_w, new_w, N, 1e-6, "weights");
    kh_close_f32(expected_m, new_m, N, 1e-6, "first moments");
    kh_close_f32(expected_v, new_v, N, 1e-6, "second moments");
  }
}

Test(reference_clip_grad, passes_only_what_the_clamp_left_alone) {
  const float y[8] = {0.0f, 6.0f, 3.0f, -0.0f, NAN, 5.9999995f, 1e-45f, 7.0f}, dy[8] = {1, 2, 3, 4, 5, 6, NAN, 8};
  const float expected[8] = {0.0f, 0.0f, 3.0f, 0.0f, 0.0f, 6.0f, NAN, 0.0f};
  float dx[8];
  kh_case c = kh_new("ClipGrad");
  c.params.clip_lo = 0.0f;
  c.params.clip_hi = 6.0f;
  kh_in(&c, KH_F32(dy, 1, 2, 2, 2));
  kh_in(&c, KH_F32(y, 1, 2, 2, 2));
  kh_out(&c, KH_F32(dx, 1, 2, 2, 2));
  kh_run(&c);
  kh_same_f32(expected, dx, 8, "clamp to 0..6");
}

/* ---- dropout ---- */

static void dropout(const float *x, int64_t n, float ratio, int64_t key0, int64_t key1, int64_t stream, float *y) {
  const int64_t key[2] = {key0, key1};
  kh_case c = kh_new("RandomDropout");
  c.params.alpha = ratio;
  c.params.starts[0] = stream;
  kh_in(&c, KH_F32(x, n));
  kh_in(&c, KH(QE_DT_I64, key, 2));
  kh_out(&c, KH_F32(y, n));
  kh_run(&c);
}

/* kh_next is the same generator: its state moves by G before it is mixed. */
static uint64_t mixed(uint64_t v) {
  uint64_t state = v - UINT64_C(0x9E3779B97F4A7C15);
  return kh_next(&state);
}

Test(reference_random_dropout, draws_one_number_for_each_element) {
  enum { COUNT = 20000 };
  static float x[COUNT], y[COUNT], again[COUNT];
  static const float ratios[] = {0.0f, 0.1f, 0.5f, 0.9f};
  for (size_t k = 0; k < 4; ++k)
    for (int64_t seed = -1; seed <= 2; ++seed) {
      uint64_t state = mixed((uint64_t)seed ^ mixed(77 + (uint64_t)k * UINT64_C(0x9E3779B97F4A7C15)));
      const float ratio = ratios[k], factor = 1.0f / (1.0f - ratio);
      const uint64_t least = (uint64_t)floor((double)ratio * 16777216.0);
      int64_t kept = 0;
      for (int i = 0; i < COUNT; ++i) x[i] = (float)(i + 1);
      dropout(x, COUNT, ratio, seed, 77, (int64_t)k, y);
      for (int i = 0; i < COUNT; ++i) {
        const bool keep = kh_next(&state) >> 40 >= least;
        const float expected = keep ? x[i] * factor : 0.0f;
        cr_assert_eq(y[i], expected, "ratio %g, key %ld: element %d is %g, expected %g", (double)ratio, (long)seed, i, (double)y[i],
                     (double)expected);
        kept += keep;
      }
      cr_assert(fabs((double)kept / COUNT - (1.0 - (double)ratio)) < 0.02, "ratio %g: %ld of %d kept", (double)ratio, (long)kept, COUNT);
      dropout(x, COUNT, ratio, seed, 77, (int64_t)k + 1, again);
      cr_assert(ratio == 0.0f || memcmp(y, again, sizeof y) != 0, "another stream drops the same elements");
    }
}
