/* FakeQuantize against QuantizeLinear and DequantizeLinear, FakeQuantizeGrad against its formulas. */
#include <stdlib.h>

#include "reference_float/naive.h"
#include "support/kernel_host.h"

typedef struct shape {
  uint32_t rank;
  int64_t dims[4];
} shape;

static const shape shapes[] = {{1, {40}}, {2, {5, 7}}, {3, {2, 3, 9}}, {4, {2, 5, 3, 4}}, {4, {1, 1, 1, 1}}, {3, {2, 0, 4}}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])
enum { MOST = 120, MOST_CHANNELS = 40 };

typedef struct codes {
  uint8_t dtype;
  int32_t lo, hi;
} codes;

static const codes ranges[] = {{QE_DT_U8, 0, 255},       {QE_DT_I8, -128, 127},       {QE_DT_I8, -127, 127},
                               {QE_DT_U8, 0, 127},       {QE_DT_U16, 0, 65535},       {QE_DT_I16, -32768, 32767},
                               {QE_DT_I8, -8, 7}};

static int64_t count_of(const shape *s) {
  int64_t n = 1;
  for (uint32_t d = 0; d < s->rank; ++d) n *= s->dims[d];
  return n;
}

static int64_t channel_of(const shape *s, int32_t axis, int64_t i) {
  int64_t inner = 1;
  if (axis < 0) return 0;
  for (uint32_t d = (uint32_t)axis + 1; d < s->rank; ++d) inner *= s->dims[d];
  return i / inner % s->dims[axis];
}

/* Ordinary elements, ends, ties and what is no number. */
static float element(uint64_t *state, float scale) {
  switch (kh_int(state, 0, 9)) {
  case 0: return ((float)kh_int(state, -300, 300) + 0.5f) * scale;
  case 1: return (float[]){0.0f, -0.0f, NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f}[kh_int(state, 0, 7)];
  default: return kh_float(state, -200.0f, 200.0f) * scale;
  }
}

typedef struct problem {
  shape shape;
  int32_t axis;
  codes codes;
  int64_t n, channels;
  float x[MOST], dy[MOST], scale[MOST_CHANNELS], zero[MOST_CHANNELS];
  int32_t zero_code[MOST_CHANNELS];
} problem;

static problem make(const shape *s, int32_t axis, codes range, uint64_t seed) {
  uint64_t state = seed;
  problem p = {.shape = *s, .axis = axis, .codes = range, .n = count_of(s), .channels = axis < 0 ? 1 : s->dims[axis]};
  for (int64_t c = 0; c < p.channels; ++c) {
    p.scale[c] = kh_int(&state, 0, 3) ? kh_float(&state, 1e-3f, 2.0f) : 0x1p-5f;
    p.zero_code[c] = (int32_t)kh_int(&state, range.lo, range.hi);
    p.zero[c] = (float)p.zero_code[c];
  }
  for (int64_t i = 0; i < p.n; ++i) {
    p.x[i] = element(&state, p.scale[channel_of(s, axis, i)]);
    p.dy[i] = kh_float(&state, -2.0f, 2.0f);
  }
  return p;
}

static kh_tensor like_x(const problem *p, uint8_t dtype, void *data) {
  return kh_tensor_make(dtype, data, p->shape.rank, p->shape.dims);
}

static kh_case case_of(const char *op, problem *p) {
  kh_case c = kh_new(op);
  c.params.axis = p->axis;
  c.params.starts[0] = p->codes.lo;
  c.params.starts[1] = p->codes.hi;
  c.params.alpha = 1.0f;
  return c;
}

static void fake(problem *p, float *y) {
  kh_case c = case_of("FakeQuantize", p);
  kh_in(&c, like_x(p, QE_DT_F32, p->x));
  kh_in(&c, KH_F32(p->scale, p->channels));
  kh_in(&c, KH_F32(p->zero, p->channels));
  kh_out(&c, like_x(p, QE_DT_F32, y));
  kh_run(&c);
}

static void there_and_back(problem *p, float *y) {
  int32_t q[MOST];
  kh_case to = kh_new("QuantizeLinear"), from = kh_new("DequantizeLinear");
  const kh_tensor code = kh_quantized(like_x(p, p->codes.dtype, q), (uint32_t)p->channels, p->axis, p->scale, p->zero_code);
  to.quantized = from.quantized = true;
  to.clamp_lo = p->codes.lo;
  to.clamp_hi = p->codes.hi;
  kh_in(&to, like_x(p, QE_DT_F32, p->x));
  kh_out(&to, code);
  kh_run(&to);
  kh_in(&from, code);
  kh_out(&from, like_x(p, QE_DT_F32, y));
  kh_run(&from);
}

/* Over all shapes, axes, ranges and some seeds. */
static void each(void (*check)(problem *p, uint64_t seed)) {
  for (size_t s = 0; s < N_SHAPES; ++s)
    for (int32_t axis = -1; axis < (int32_t)shapes[s].rank; ++axis)
      for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; ++r)
        for (uint64_t seed = 1; seed <= 3; ++seed) {
          if (axis >= 0 && shapes[s].dims[axis] == 0) continue;
          problem p = make(&shapes[s], axis, ranges[r], seed * 101 + s * 7 + r);
          check(&p, seed * 101 + s * 7 + r);
        }
}

static void same_as_codes(problem *p, uint64_t seed) {
  float y[MOST], expected[MOST];
  char what[80];
  snprintf(what, sizeof what, "axis %d, codes %d..%d, seed %llu", p->axis, p->codes.lo, p->codes.hi, (unsigned long long)seed);
  fake(p, y);
  there_and_back(p, expected);
  kh_same_f32(expected, y, p->n, what);
}

Test(reference_fake_quantize, gives_the_bytes_of_quantize_and_dequantize) { each(same_as_codes); }

Test(reference_fake_quantize, zero_points_are_rounded_to_even_and_clamped) {
  static const struct { float zero; int32_t code; } cases[] = {{2.5f, 2}, {3.5f, 4}, {-0.4f, 0}, {999.0f, 255}, {-7.0f, 0}, {NAN, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    problem p = make(&shapes[0], -1, ranges[0], i + 1);
    float y[MOST], expected[MOST];
    p.zero[0] = cases[i].zero;
    fake(&p, y);
    p.zero[0] = (float)cases[i].code;
    fake(&p, expected);
    kh_same_f32(expected, y, p.n, "rounded zero point");
  }
}

/* ---- gradient ---- */

static void grad(problem *p, float factor, float *dx, float *dscale, float *dzero) {
  kh_case c = case_of("FakeQuantizeGrad", p);
  c.params.alpha = factor;
  kh_in(&c, like_x(p, QE_DT_F32, p->dy));
  kh_in(&c, like_x(p, QE_DT_F32, p->x));
  kh_in(&c, KH_F32(p->scale, p->channels));
  kh_in(&c, KH_F32(p->zero, p->channels));
  kh_out(&c, like_x(p, QE_DT_F32, dx));
  kh_out(&c, dscale ? KH_F32(dscale, p->channels) : KH_NONE);
  kh_out(&c, dzero ? KH_F32(dzero, p->channels) : KH_NONE);
  kh_run(&c);
}

static void gradients(problem *p, uint64_t seed) {
  const float factor = 0.125f;
  float y[MOST], dx[MOST], dx_only[MOST], dscale[MOST_CHANNELS], dzero[MOST_CHANNELS], expected[MOST];
  char what[80];
  snprintf(what, sizeof what, "axis %d, codes %d..%d, seed %llu", p->axis, p->codes.lo, p->codes.hi, (unsigned long long)seed);
  fake(p, y);
  grad(p, factor, dx, dscale, dzero);
  grad(p, factor, dx_only, NULL, NULL);
  for (int64_t i = 0; i < p->n; ++i) {
    const int64_t c = channel_of(&p->shape, p->axis, i);
    const double t = nearbyint((double)(p->x[i] / p->scale[c])) + (double)p->zero_code[c];
    expected[i] = t >= (double)p->codes.lo && t <= (double)p->codes.hi ? p->dy[i] : 0.0f;
  }
  kh_same_f32(expected, dx, p->n, what);
  kh_same_f32(expected, dx_only, p->n, what);
  for (int64_t c = 0; c < p->channels; ++c) {
    float scale_terms[MOST], zero_terms[MOST];
    int64_t n = 0;
    for (int64_t i = 0; i < p->n; ++i) {
      if (channel_of(&p->shape, p->axis, i) != c) continue;
      const float s = p->scale[c], quotient = p->x[i] / s;
      const double t = nearbyint((double)quotient) + (double)p->zero_code[c];
      const bool below = t < (double)p->codes.lo, above = t > (double)p->codes.hi;
      const int32_t bound = below ? p->codes.lo : p->codes.hi;
      scale_terms[n] = isnan(quotient)   ? 0.0f
                       : below || above ? p->dy[i] * (float)(bound - p->zero_code[c])
                                        : p->dy[i] * ((y[i] - p->x[i]) / s);
      zero_terms[n++] = below || above ? -(p->dy[i] * s) : 0.0f;
    }
    const float sums[2] = {factor * naive_sum(scale_terms, n), factor * naive_sum(zero_terms, n)}, got[2] = {dscale[c], dzero[c]};
    kh_same_f32(sums, got, 2, what);
  }
}

Test(reference_fake_quantize, gradients_are_those_of_the_formulas) { each(gradients); }

Test(reference_fake_quantize, long_sums_are_cut_into_chunks) {
  enum { N = 65536 * 2 + 77 };
  uint64_t state = 3;
  float *x = malloc(sizeof(float) * N), *dy = malloc(sizeof(float) * N), *terms = malloc(sizeof(float) * N),
        *dx = malloc(sizeof(float) * N), dscale, dzero, scale = 0.37f, zero = 3.0f;
  cr_assert(x && dy && terms && dx);
  kh_fill_f32(&state, x, N, -60.0f, 60.0f);
  kh_fill_f32(&state, dy, N, -1.0f, 1.0f);
  for (int i = 0; i < N; ++i) {
    const float t = nearbyintf(x[i] / scale) + 3.0f;
    terms[i] = t < -128.0f ? dy[i] * -131.0f : t > 127.0f ? dy[i] * 124.0f : dy[i] * (((t - 3.0f) * scale - x[i]) / scale);
  }
  kh_case c = kh_new("FakeQuantizeGrad");
  c.params = (qe_op_params){.struct_size = sizeof c.params, .axis = -1, .starts = {-128, 127}, .alpha = 1.0f};
  kh_in(&c, KH_F32(dy, N));
  kh_in(&c, KH_F32(x, N));
  kh_in(&c, KH_F32(&scale, 1));
  kh_in(&c, KH_F32(&zero, 1));
  kh_out(&c, KH_F32(dx, N));
  kh_out(&c, KH_F32(&dscale, 1));
  kh_out(&c, KH_F32(&dzero, 1));
  kh_run(&c);
  const float expected = naive_sum(terms, N);
  kh_same_f32(&expected, &dscale, 1, "chunks");
  free(x);
  free(dy);
  free(terms);
  free(dx);
}
