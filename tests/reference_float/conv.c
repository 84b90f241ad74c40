/* Conv and ConvTranspose, float32, against loops over NCHW in the canonical order. */
#include "naive.h"
#include "support/kernel_host.h"

typedef struct shape {
  uint32_t spatial;
  int64_t n, c, o, groups;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3], out[3];
} shape;

static int64_t product(const int64_t *v) { return v[0] * v[1] * v[2]; }

/* Dimensions are kept as three; unused leading ones are 1. */
static void set_output(shape *s, bool transpose) {
  for (int d = 0; d < 3; ++d) {
    const int64_t reach = s->dilation[d] * (s->kernel[d] - 1) + 1;
    s->out[d] = transpose ? (s->in[d] - 1) * s->stride[d] + reach - s->pad[d] - s->pad_end[d]
                          : (s->in[d] + s->pad[d] + s->pad_end[d] - reach) / s->stride[d] + 1;
    if (s->in[d] + s->pad[d] + s->pad_end[d] < reach && !transpose)
      s->out[d] = 0;
    if (s->out[d] < 0)
      s->out[d] = 0;
  }
}

static void naive_conv(const shape *s, const float *x, const float *w, const float *bias, float lo, float hi,
                       float *y) {
  const int64_t ic = s->c / s->groups, oc = s->o / s->groups, taps = product(s->kernel);
  for (int64_t n = 0; n < s->n; ++n)
    for (int64_t o = 0; o < s->o; ++o)
      for (int64_t p = 0; p < product(s->out); ++p) {
        const int64_t at[3] = {p / (s->out[1] * s->out[2]), p / s->out[2] % s->out[1], p % s->out[2]};
        naive_dot sum = {{0}};
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t tap[3] = {t / (s->kernel[1] * s->kernel[2]), t / s->kernel[2] % s->kernel[1], t % s->kernel[2]};
          int64_t position = 0;
          bool inside = true;
          for (int d = 0; d < 3; ++d) {
            const int64_t i = at[d] * s->stride[d] - s->pad[d] + tap[d] * s->dilation[d];
            inside = inside && i >= 0 && i < s->in[d];
            position = position * s->in[d] + i;
          }
          for (int64_t c = 0; inside && c < ic; ++c)
            naive_add(&sum, t * ic + c, x[(n * s->c + o / oc * ic + c) * product(s->in) + position],
                      w[(o * ic + c) * taps + t]);
        }
        float v = naive_total(&sum, taps * ic);
        if (bias)
          v += bias[o];
        y[(n * s->o + o) * product(s->out) + p] = naive_act(v, lo, hi);
      }
}

static void naive_transpose(const shape *s, const float *x, const float *w, const float *bias, float lo, float hi,
                            float *y) {
  const int64_t ic = s->c / s->groups, oc = s->o / s->groups, taps = product(s->kernel);
  for (int64_t n = 0; n < s->n; ++n)
    for (int64_t o = 0; o < s->o; ++o)
      for (int64_t p = 0; p < product(s->out); ++p) {
        const int64_t at[3] = {p / (s->out[1] * s->out[2]), p / s->out[2] % s->out[1], p % s->out[2]};
        naive_dot sum = {{0}};
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t tap[3] = {t / (s->kernel[1] * s->kernel[2]), t / s->kernel[2] % s->kernel[1], t % s->kernel[2]};
          /* Looks for the input position that scatters to this output, by trying all of them. */
          for (int64_t i = 0; i < product(s->in); ++i) {
            const int64_t from[3] = {i / (s->in[1] * s->in[2]), i / s->in[2] % s->in[1], i % s->in[2]};
            bool hits = true;
            for (int d = 0; d < 3; ++d)
              hits = hits && from[d] * s->stride[d] + tap[d] * s->dilation[d] - s->pad[d] == at[d];
            for (int64_t c = 0; hits && c < ic; ++c) {
              const int64_t channel = o / oc * ic + c;
              naive_add(&sum, t * ic + c, x[(n * s->c + channel) * product(s->in) + i],
                        w[(channel * oc + o % oc) * taps + t]);
            }
          }
        }
        float v = naive_total(&sum, taps * ic);
        if (bias)
          v += bias[o];
        y[(n * s->o + o) * product(s->out) + p] = naive_act(v, lo, hi);
      }
}

static kh_tensor tensor(float *data, const shape *s, int64_t d0, int64_t d1, const int64_t *rest) {
  int64_t dims[5] = {d0, d1, 0, 0, 0};
  for (uint32_t i = 0; i < s->spatial; ++i)
    dims[2 + i] = rest[3 - s->spatial + i];
  return kh_tensor_make(QE_DT_F32, data, s->spatial + 2, dims);
}

static void check(const shape *s, bool transpose, bool with_bias, bool constant, float lo, float hi, uint64_t seed) {
  const int64_t ic = s->c / s->groups, oc = s->o / s->groups;
  const int64_t nx = s->n * s->c * product(s->in), nw = s->o * ic * product(s->kernel),
                ny = s->n * s->o * product(s->out);
  float *x = malloc(sizeof(float) * (size_t)(nx + 1)), *w = malloc(sizeof(float) * (size_t)(nw + 1)), bias[512];
  float *y = malloc(sizeof(float) * (size_t)(ny + 1)), *expected = malloc(sizeof(float) * (size_t)(ny + 1));
  cr_assert(x && w && y && expected && s->o <= 512);
  kh_fill_f32(&seed, x, nx, -1.0f, 1.0f);
  kh_fill_f32(&seed, w, nw, -1.0f, 1.0f);
  kh_fill_f32(&seed, bias, s->o, -1.0f, 1.0f);
  kh_case c = kh_new(transpose ? "ConvTranspose" : "Conv");
  kh_in(&c, tensor(x, s, s->n, s->c, s->in));
  kh_in(&c, transpose ? tensor(w, s, s->c, oc, s->kernel) : tensor(w, s, s->o, ic, s->kernel));
  c.in[1].constant = constant;
  if (with_bias) {
    kh_in(&c, KH_F32(bias, s->o));
    c.in[2].constant = constant;
  }
  kh_out(&c, tensor(y, s, s->n, s->o, s->out));
  c.params.spatial = s->spatial;
  c.params.groups = s->groups;
  for (uint32_t i = 0; i < s->spatial; ++i) {
    const uint32_t d = 3 - s->spatial + i;
    c.params.kernel[i] = s->kernel[d];
    c.params.stride[i] = s->stride[d];
    c.params.dilation[i] = s->dilation[d];
    c.params.pad_begin[i] = s->pad[d];
    c.params.pad_end[i] = s->pad_end[d];
  }
  c.act_lo = lo;
  c.act_hi = hi;
  c.seed = seed;
  kh_run(&c);
  (transpose ? naive_transpose : naive_conv)(s, x, w, with_bias ? bias : NULL, lo, hi, expected);
  kh_same_f32(expected, y, ny, c.op);
  free(x);
  free(w);
  free(y);
  free(expected);
}

static shape random_shape(uint64_t *seed, bool transpose) {
  for (;;) {
    shape s;
    memset(&s, 0, sizeof s);
    s.spatial = (uint32_t)kh_int(seed, 1, 3);
    s.n = kh_int(seed, 1, 2);
    s.groups = kh_int(seed, 1, 3) == 3 ? kh_int(seed, 2, 5) : 1;
    const int64_t ic = kh_int(seed, 1, 9), oc = kh_int(seed, 1, 3) == 1 ? kh_int(seed, 1, 70) : kh_int(seed, 1, 9);
    s.c = s.groups * ic;
    s.o = s.groups * oc;
    for (uint32_t d = 0; d < 3; ++d) {
      const bool used = d >= 3 - s.spatial;
      s.in[d] = used ? kh_int(seed, 1, 7) : 1;
      s.kernel[d] = used ? kh_int(seed, 1, 3) : 1;
      s.stride[d] = used ? kh_int(seed, 1, 3) : 1;
      s.dilation[d] = used ? kh_int(seed, 1, 2) : 1;
      s.pad[d] = used ? kh_int(seed, 0, 3) : 0;
      s.pad_end[d] = used ? kh_int(seed, 0, 3) : 0;
    }
    set_output(&s, transpose);
    if (s.o <= 512 && product(s.out) > 0 && product(s.out) < 2000)
      return s;
  }
}

Test(reference_conv, random_shapes_match_the_order_exactly) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    uint64_t state = seed;
    const shape s = random_shape(&state, false);
    cr_log_info("seed %llu", (unsigned long long)seed);
    check(&s, false, seed % 2, seed % 3 != 0, seed % 5 == 0 ? 0.0f : -INFINITY, seed % 7 == 0 ? 0.5f : INFINITY, state);
  }
}

Test(reference_conv, transposed_random_shapes_match_the_order_exactly) {
  for (uint64_t seed = 101; seed <= 150; ++seed) {
    uint64_t state = seed;
    const shape s = random_shape(&state, true);
    cr_log_info("seed %llu", (unsigned long long)seed);
    check(&s, true, seed % 2, seed % 3 != 0, seed % 5 == 0 ? 0.0f : -INFINITY, INFINITY, state);
  }
}

Test(reference_conv, depthwise) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    shape s = {.spatial = 2,
               .n = 2,
               .c = 37,
               .o = 37,
               .groups = 37,
               .in = {1, 9, 8},
               .kernel = {1, 3, 3},
               .stride = {1, (int64_t)(1 + seed % 2), 1},
               .dilation = {1, 1, (int64_t)(1 + seed % 3)},
               .pad = {0, 1, 1},
               .pad_end = {0, 1, 2}};
    set_output(&s, false);
    check(&s, false, true, seed % 2, -INFINITY, INFINITY, seed);
    check(&s, false, false, true, 0.0f, 6.0f, seed);
  }
}

/* Reductions beyond 4096 terms, with chunk borders inside a tap, and chunks whose taps are all padding. */
Test(reference_conv, long_reductions_are_cut_into_chunks) {
  shape s = {.spatial = 2,
             .n = 1,
             .c = 700,
             .o = 5,
             .groups = 1,
             .in = {1, 3, 3},
             .kernel = {1, 3, 3},
             .stride = {1, 1, 1},
             .dilation = {1, 1, 1},
             .pad = {0, 2, 2},
             .pad_end = {0, 2, 2}};
  set_output(&s, false);
  check(&s, false, true, true, -INFINITY, INFINITY, 7);
  set_output(&s, true);
  s.pad[1] = s.pad[2] = s.pad_end[1] = s.pad_end[2] = 0;
  set_output(&s, true);
  check(&s, true, true, true, -INFINITY, INFINITY, 8);
  shape depthwise = {.spatial = 1,
                     .n = 1,
                     .c = 3,
                     .o = 3,
                     .groups = 3,
                     .in = {1, 1, 5000},
                     .kernel = {1, 1, 4500},
                     .stride = {1, 1, 100},
                     .dilation = {1, 1, 1},
                     .pad = {0, 0, 0},
                     .pad_end = {0, 0, 0}};
  set_output(&depthwise, false);
  check(&depthwise, false, true, true, -INFINITY, INFINITY, 9);
}

Test(reference_conv, kernel_larger_than_the_input_sees_padding_only_at_the_border) {
  shape s = {.spatial = 2,
             .n = 1,
             .c = 2,
             .o = 3,
             .groups = 1,
             .in = {1, 1, 1},
             .kernel = {1, 5, 5},
             .stride = {1, 1, 1},
             .dilation = {1, 3, 3},
             .pad = {0, 12, 12},
             .pad_end = {0, 12, 12}};
  set_output(&s, false);
  check(&s, false, true, true, -INFINITY, INFINITY, 11);
}

Test(reference_conv, empty_batch_does_nothing) {
  shape s = {.spatial = 2,
             .n = 0,
             .c = 2,
             .o = 3,
             .groups = 1,
             .in = {1, 4, 4},
             .kernel = {1, 3, 3},
             .stride = {1, 1, 1},
             .dilation = {1, 1, 1}};
  set_output(&s, false);
  check(&s, false, true, true, -INFINITY, INFINITY, 1);
}

/* A padded tap is skipped: it does not meet an infinite weight. */
Test(reference_conv, padding_is_skipped_not_multiplied) {
  float x[1] = {2.0f}, w[3] = {INFINITY, 3.0f, NAN}, y[1];
  kh_case c = kh_new("Conv");
  kh_in(&c, KH_F32(x, 1, 1, 1));
  kh_in(&c, kh_const(KH_F32(w, 1, 1, 3)));
  kh_out(&c, KH_F32(y, 1, 1, 1));
  c.params.spatial = 1;
  c.params.groups = 1;
  c.params.kernel[0] = 3;
  c.params.stride[0] = c.params.dilation[0] = c.params.pad_begin[0] = c.params.pad_end[0] = 1;
  kh_run(&c);
  cr_assert_float_eq(y[0], 6.0f, 0.0, "got %g", (double)y[0]);
}

Test(reference_conv, misfits_are_refused_with_a_reason) {
  float x[8] = {0}, w[8] = {0}, y[8];
  kh_case c = kh_new("Conv");
  kh_in(&c, KH_F32(x, 1, 2, 4));
  kh_in(&c, KH_F32(w, 1, 3, 1));
  kh_out(&c, KH_F32(y, 1, 1, 4));
  c.params.spatial = 1;
  c.params.groups = 1;
  c.params.kernel[0] = c.params.stride[0] = c.params.dilation[0] = 1;
  kh_refused(&c, "weight");
  c.in[1].dims[1] = 2;
  c.params.groups = 3;
  kh_refused(&c, "groups 3");
  c.params.groups = 1;
  c.params.stride[0] = 0;
  kh_refused(&c, "stride 0");
  c.params.stride[0] = 1;
  c.params.spatial = 2;
  kh_refused(&c, "rank 3");
  c.params.spatial = 1;
  kh_run(&c);
}
