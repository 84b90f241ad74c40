/*
 * Fake quantization against torch's (the golden vectors of group fake_quantize): the plain ops, the learnable ones, and the
 * modules step by step, whose observer is MinMax and MovingAverageQParams here.
 *
 * Where the results differ there is a reason, and as nothing depends on the machine, how often is written down exactly:
 *   reciprocal   torch multiplies by 1 / s in float32 where we divide: another code on ties and next to them
 *   no_number    torch turns NaN and what no int64 holds into the lowest code, we NaN into the zero point and +inf into the
 *                highest code
 *   truncated    the backward of torch's learnable per-tensor op adds 0.5 to the zero point and truncates: one too high when it is
 *                negative. With that zero point our gradients are torch's
 *   parameters   steps at which torch's fused module chooses another scale (by more than rounding) or zero point than its module
 *                that is not fused, whose rule is ours. Its own rule (fused_parameters below) knows no eps: it raises scales to
 *                6.1e-5, takes the zero point from the end with the smaller error, makes symmetric ranges one code wider on one
 *                side and uses all codes for ranges that begin or end at 0
 * Everything else is within 1e-5.
 */
#include "support/golden.h"
#include "support/kernel_host.h"

enum { MOST = 1024, CHANNELS = 32, STEPS = 5 };

static struct { int64_t cases, reciprocal, reciprocal_dx, no_number, truncated, steps, parameters; } seen;

typedef struct quantizer {
  int32_t axis, lo, hi;
  int64_t channels;
  float scale[CHANNELS], zero[CHANNELS];
} quantizer;

static int64_t channel_of(const kh_tensor *x, int32_t axis, int64_t i) {
  int64_t inner = 1;
  if (axis < 0) return 0;
  for (uint32_t d = (uint32_t)axis + 1; d < x->rank; d++) inner *= x->dims[d];
  return i / inner % x->dims[axis];
}

static kh_tensor like(const kh_tensor *x, void *data) { return kh_tensor_make(QE_DT_F32, data, x->rank, x->dims); }

static kh_case case_of(const char *op, const quantizer *q) {
  kh_case c = kh_new(op);
  c.params.axis = q->axis;
  c.params.starts[0] = q->lo;
  c.params.starts[1] = q->hi;
  c.params.alpha = 1.0f;
  return c;
}

static void fake(const kh_tensor *x, const quantizer *q, float *y) {
  kh_case c = case_of("FakeQuantize", q);
  kh_in(&c, *x);
  kh_in(&c, KH_F32(q->scale, q->channels));
  kh_in(&c, KH_F32(q->zero, q->channels));
  kh_out(&c, like(x, y));
  kh_run(&c);
}

static void grad(const kh_tensor *dy, const kh_tensor *x, const quantizer *q, float factor, float *dx, float *dscale, float *dzero) {
  kh_case c = case_of("FakeQuantizeGrad", q);
  c.params.alpha = factor;
  kh_in(&c, *dy);
  kh_in(&c, *x);
  kh_in(&c, KH_F32(q->scale, q->channels));
  kh_in(&c, KH_F32(q->zero, q->channels));
  kh_out(&c, like(x, dx));
  kh_out(&c, KH_F32(dscale, q->channels));
  kh_out(&c, KH_F32(dzero, q->channels));
  kh_run(&c);
}

/* ---- arrays of a case ---- */

static kh_tensor tensor_of(const golden *g, const json_t *c, const char *section, const char *name, float *copy) {
  qe_tensor_t *t = golden_tensor(g, c, section, name);
  cr_assert_not_null(t, "%s: no %s", golden_text(c, "name"), name);
  const int64_t n = qe_tensor_count(t);
  cr_assert(n <= MOST, "%s: %s has %ld elements", golden_text(c, "name"), name, (long)n);
  for (int64_t i = 0; i < n; i++) {
    switch (qe_tensor_dtype(t)) {
      case QE_FLOAT32: copy[i] = ((const float *)qe_tensor_data(t))[i]; break;
      case QE_INT32: copy[i] = (float)((const int32_t *)qe_tensor_data(t))[i]; break;
      default: copy[i] = (float)((const uint8_t *)qe_tensor_data(t))[i]; break;
    }
  }
  const kh_tensor x = kh_tensor_make(QE_DT_F32, copy, qe_tensor_rank(t), qe_tensor_dims(t));
  qe_tensor_release(&t);
  return x;
}

static int32_t whole(const json_t *params, const char *key) { return (int32_t)golden_number(params, key); }

static bool near(float a, float b) { return fabs((double)a - (double)b) <= 1e-5 * (1.0 + fabs((double)b)); }

/* ---- elements ---- */

/* torch's code for x, before the clamp. */
static int64_t torch_code(float x, float scale, int64_t zero) {
  const float inverse = 1.0f / scale, v = (float)zero + nearbyintf(x * inverse);
  return v >= -0x1p63f && v < 0x1p63f ? (int64_t)v : INT64_MIN;
}

static float torch_fake(float x, const quantizer *q, int64_t c) {
  const int64_t zero = (int64_t)q->zero[c], code = torch_code(x, q->scale[c], zero);
  return (float)((code < q->lo ? q->lo : code > q->hi ? q->hi : code) - zero) * q->scale[c];
}

/* The golden y is torch's formula, ours is near it but where the rules differ. q->zero is whole. */
static void check_y(const char *name, const kh_tensor *x, const quantizer *q, const float *want, const float *got) {
  for (int64_t i = 0; i < kh_count(x); i++) {
    const float v = ((const float *)x->data)[i];
    const int64_t c = channel_of(x, q->axis, i);
    cr_assert(near(torch_fake(v, q, c), want[i]), "%s: element %ld: torch's rule gives %g, torch %g", name, (long)i,
              (double)torch_fake(v, q, c), (double)want[i]);
    if (near(got[i], want[i])) continue;
    if (!(fabsf(v / q->scale[c]) < 0x1p63f)) seen.no_number++;
    else if (nearbyintf(v * (1.0f / q->scale[c])) != nearbyintf(v / q->scale[c])) seen.reciprocal++;
    else cr_assert(false, "%s: element %ld: %.9g becomes %.9g, torch has %.9g", name, (long)i, (double)v, (double)got[i], (double)want[i]);
  }
}

static void check_dx(const char *name, const kh_tensor *x, const quantizer *q, const float *want, const float *got) {
  for (int64_t i = 0; i < kh_count(x); i++) {
    const float v = ((const float *)x->data)[i], s = q->scale[channel_of(x, q->axis, i)];
    if (near(got[i], want[i])) continue;
    seen.reciprocal_dx++;
    cr_assert(nearbyintf(v * (1.0f / s)) != nearbyintf(v / s), "%s: the gradient of element %ld (%.9g) is %.9g, torch has %.9g", name,
              (long)i, (double)v, (double)got[i], (double)want[i]);
  }
}

/* ---- ops ---- */

static quantizer quantizer_of(const golden *g, const json_t *c) {
  const json_t *params = json_object_get(c, "params");
  quantizer q = {.axis = -1, .lo = whole(params, "quant_min"), .hi = whole(params, "quant_max"), .channels = 1};
  if (json_object_get(params, "axis")) q.axis = whole(params, "axis");
  if (golden_has(c, "inputs", "scales")) {
    q.channels = tensor_of(g, c, "inputs", "scales", q.scale).dims[0];
    (void)tensor_of(g, c, "inputs", "zero_points", q.zero);
  } else if (golden_has(c, "inputs", "scale")) {
    (void)tensor_of(g, c, "inputs", "scale", q.scale);
    (void)tensor_of(g, c, "inputs", "zero_point", q.zero);
  } else {
    q.scale[0] = (float)golden_number(params, "scale");
    q.zero[0] = (float)golden_number(params, "zero_point");
  }
  cr_assert(q.channels <= CHANNELS);
  return q;
}

static void plain(const golden *g, const json_t *c) {
  const char *name = golden_text(c, "name");
  const json_t *params = json_object_get(c, "params"), *enabled = json_object_get(params, "fake_quant_enabled");
  float x_data[MOST], dy_data[MOST], want[MOST], want_dx[MOST], y[MOST], dx[MOST], dscale[CHANNELS], dzero[CHANNELS];
  const quantizer q = quantizer_of(g, c);
  const kh_tensor x = tensor_of(g, c, "inputs", "x", x_data);
  const bool mask = golden_has(c, "expected", "mask");
  (void)tensor_of(g, c, "expected", "y", want);
  if (enabled && json_integer_value(enabled) == 0) { /* no node then, and no gradient that would be less than whole */
    kh_same_f32(x_data, want, kh_count(&x), name);
    return;
  }
  for (int64_t i = 0; mask && i < kh_count(&x); i++) dy_data[i] = 1.0f;
  const kh_tensor dy = mask ? like(&x, dy_data) : tensor_of(g, c, "inputs", "dy", dy_data);
  (void)tensor_of(g, c, "expected", mask ? "mask" : "dx", want_dx);
  fake(&x, &q, y);
  grad(&dy, &x, &q, 1.0f, dx, dscale, dzero);
  check_y(name, &x, &q, want, y);
  check_dx(name, &x, &q, want_dx, dx);
}

/* The sums are near torch's for their size: that of their largest part. */
static void check_sums(const char *name, const char *what, int64_t n, float scale, const float *want, const float *got) {
  for (int64_t i = 0; i < n; i++)
    cr_assert(fabs((double)got[i] - (double)want[i]) <= 1e-5 * ((double)scale + fabs((double)want[i])), "%s: %s %ld is %.9g, torch has %.9g",
              name, what, (long)i, (double)got[i], (double)want[i]);
}

static void learnable(const golden *g, const json_t *c) {
  const char *name = golden_text(c, "name");
  const float factor = (float)golden_number(json_object_get(c, "params"), "grad_factor");
  float x_data[MOST], dy_data[MOST], want[MOST], y[MOST], dx[MOST], dscale[CHANNELS], dzero[CHANNELS], largest = 0.0f;
  quantizer q = quantizer_of(g, c), rounded = q, backward;
  const kh_tensor x = tensor_of(g, c, "inputs", "x", x_data), dy = tensor_of(g, c, "inputs", "dy", dy_data);
  (void)tensor_of(g, c, "expected", "y", want);
  fake(&x, &q, y);
  for (int64_t i = 0; i < q.channels; i++) {
    const float z = nearbyintf(q.zero[i]);
    rounded.zero[i] = z < (float)q.lo ? (float)q.lo : z > (float)q.hi ? (float)q.hi : z;
  }
  check_y(name, &x, &rounded, want, y);
  backward = rounded;
  if (q.axis < 0) {
    const float z = q.zero[0] + 0.5f;
    backward.zero[0] = truncf(z < (float)q.lo ? (float)q.lo : z > (float)q.hi ? (float)q.hi : z);
    seen.truncated += backward.zero[0] != rounded.zero[0];
  }
  grad(&dy, &x, &backward, factor, dx, dscale, dzero);
  (void)tensor_of(g, c, "expected", "dx", want);
  check_dx(name, &x, &backward, want, dx);
  for (int64_t i = 0; i < kh_count(&dy); i++) largest = fmaxf(largest, fabsf(dy_data[i]) * factor * (float)(q.hi - q.lo));
  (void)tensor_of(g, c, "expected", "dscale", want);
  check_sums(name, "dscale", q.channels, largest, want, dscale);
  (void)tensor_of(g, c, "expected", "dzero_point", want);
  check_sums(name, "dzero_point", q.channels, largest, want, dzero);
}

/* ---- modules ---- */

typedef struct module {
  bool observes, quantizes, fused, symmetric;
  quantizer q;
  float averaging, eps, state[2 * CHANNELS];
} module;

static module module_of(const json_t *c) {
  const json_t *params = json_object_get(c, "params");
  const char *scheme = golden_text(params, "qscheme");
  module m = {.observes = true, .quantizes = true, .fused = strcmp(golden_text(c, "op"), "FakeQuantize") != 0};
  m.symmetric = strstr(scheme, "symmetric") != NULL;
  const int32_t part = json_is_true(json_object_get(params, "reduce_range")) ? 2 : 1; /* the module clamps to half the range too */
  m.q = (quantizer){.axis = strstr(scheme, "per_channel") ? whole(params, "ch_axis") : -1,
                    .lo = whole(params, "quant_min") / part,
                    .hi = whole(params, "quant_max") / part,
                    .channels = 1};
  m.averaging = (float)golden_number(params, "averaging_constant");
  m.eps = json_object_get(params, "eps") ? (float)golden_number(params, "eps") : 0x1p-23f;
  return m;
}

static void toggle(module *m, const json_t *c, int64_t step) {
  const json_t *all = json_object_get(json_object_get(c, "params"), "toggles");
  for (size_t i = 0; i < json_array_size(all); i++) {
    const json_t *t = json_array_get(all, i);
    if (json_integer_value(json_array_get(t, 0)) != step) continue;
    const bool on = json_is_true(json_array_get(t, 2));
    if (strcmp(json_string_value(json_array_get(t, 1)), "observer") == 0) m->observes = on;
    else m->quantizes = on;
  }
}

/* One batch: the state moves, and with it the parameters (the fused module's only while it quantizes). */
static void observe(module *m, const kh_tensor *x) {
  const int64_t n = m->q.channels;
  float range[2 * CHANNELS], state[2 * CHANNELS], scale[CHANNELS], zero[CHANNELS];
  kh_case look = kh_new("MinMax"), move = kh_new("MovingAverageQParams");
  look.params.axis = m->q.axis;
  kh_in(&look, *x);
  kh_out(&look, KH_F32(range, 2, n));
  kh_run(&look);
  move.params.alpha = m->averaging;
  move.params.epsilon = m->eps;
  move.params.starts[0] = m->q.lo;
  move.params.starts[1] = m->q.hi;
  move.params.mode = m->symmetric;
  kh_in(&move, KH_F32(range, 2, n));
  kh_in(&move, KH_F32(m->state, 2, n));
  kh_out(&move, KH_F32(state, 2, n));
  kh_out(&move, KH_F32(scale, n));
  kh_out(&move, KH_F32(zero, n));
  kh_run(&move);
  memcpy(m->state, state, sizeof state);
  if (m->fused && !m->quantizes) return;
  memcpy(m->q.scale, scale, sizeof scale);
  memcpy(m->q.zero, zero, sizeof zero);
}

/* What torch's fused module chooses for a range, in double. */
static void fused_parameters(const module *m, int64_t channel, float *scale, float *zero) {
  const double codes = (double)m->q.hi - (double)m->q.lo, least = 6.1e-5;
  double lo = (double)m->state[channel], hi = (double)m->state[m->q.channels + channel];
  const bool symmetric = m->symmetric && lo < 0.0 && hi > 0.0;
  if (symmetric) {
    const double half = floor(codes / 2.0), widest = fmax(-lo / (half + 1.0), hi / half);
    lo = -widest * (half + 1.0);
    hi = widest * half;
  }
  lo = fmin(lo, 0.0);
  hi = fmax(hi, 0.0);
  double s = (hi - lo) / codes;
  if ((float)s == 0.0f || isinf(1.0f / (float)s)) s = 0.1;
  if (s < least) {
    if (lo == 0.0) hi = least * codes;
    else if (hi == 0.0) lo = -least * codes;
    else lo *= least / s, hi *= least / s;
    s = least;
  }
  const double below = (double)m->q.lo - lo / s, above = (double)m->q.hi - hi / s;
  const bool from_below = fabs((double)m->q.lo) - fabs(lo / s) < fabs((double)m->q.hi) - fabs(hi / s);
  const double z = symmetric ? floor(((double)m->q.lo + (double)m->q.hi) / 2.0 + 0.5) : nearbyint(from_below ? below : above);
  *scale = (float)s;
  *zero = (float)fmin(fmax(z, (double)m->q.lo), (double)m->q.hi);
}

static void modules(const golden *g, const json_t *c) {
  module m = module_of(c);
  for (int step = 0; step < STEPS; step++) {
    char name[100], key[32];
    float x_data[MOST], dy_data[MOST], y[MOST], dx[MOST], want[MOST], want_dx[MOST], ends[2][MOST], unused[2][CHANNELS];
    quantizer theirs;
    snprintf(name, sizeof name, "%s, step %d", golden_text(c, "name"), step);
#define GET(section, what, to) (snprintf(key, sizeof key, what "_%d", step), tensor_of(g, c, section, key, to))
    const kh_tensor x = GET("inputs", "x", x_data), dy = GET("inputs", "dy", dy_data);
    if (step == 0) {
      m.q.channels = m.q.axis < 0 ? 1 : x.dims[m.q.axis];
      cr_assert(m.q.channels <= CHANNELS);
      for (int64_t i = 0; i < m.q.channels; i++) {
        m.q.scale[i] = 1.0f;
        m.q.zero[i] = 0.0f;
        m.state[i] = INFINITY;
        m.state[m.q.channels + i] = -INFINITY;
      }
    }
    const int64_t n = m.q.channels;
    toggle(&m, c, step);
    if (m.observes) observe(&m, &x);
    (void)GET("expected", "y", want);
    (void)GET("expected", "dx", want_dx);
    (void)GET("expected", "min_val", ends[0]);
    (void)GET("expected", "max_val", ends[1]);
    theirs = m.q;
    (void)GET("expected", "scale", theirs.scale);
    (void)GET("expected", "zero_point", theirs.zero);
    kh_same_f32(ends[0], m.state, n, name);
    kh_same_f32(ends[1], m.state + n, n, name);
    bool same = true;
    for (int64_t i = 0; i < n && (m.quantizes || !m.fused); i++) { /* the fused module leaves memory as it was until then */
      float scale, zero;
      if (fabsf(theirs.scale[i] - m.q.scale[i]) <= 1e-6f * theirs.scale[i] && theirs.zero[i] == m.q.zero[i]) continue;
      same = false;
      fused_parameters(&m, i, &scale, &zero);
      cr_assert(m.fused && fabsf(scale - theirs.scale[i]) <= 1e-6f * scale && zero == theirs.zero[i],
                "%s, channel %ld: scale %.9g and zero point %g (or %.9g and %g), torch has %.9g and %g", name, (long)i, (double)m.q.scale[i],
                (double)m.q.zero[i], (double)scale, (double)zero, (double)theirs.scale[i], (double)theirs.zero[i]);
    }
    seen.steps++;
    seen.parameters += !same;
    if (!m.quantizes) {
      kh_same_f32(x_data, want, kh_count(&x), name);
      kh_same_f32(dy_data, want_dx, kh_count(&x), name);
      continue;
    }
    if (same) theirs = m.q; /* ours, but for rounding */
    fake(&x, &theirs, y);
    grad(&dy, &x, &theirs, 1.0f, dx, unused[0], unused[1]);
    check_y(name, &x, &theirs, want, y);
    check_dx(name, &x, &theirs, want_dx, dx);
  }
}

Test(reference_fake_quantize, is_torchs_but_for_known_reasons) {
  golden g;
  golden_open(&g, "fake_quantize");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    const char *op = golden_text(c, "op");
    if (strstr(op, "learnable")) learnable(&g, c);
    else if (strstr(op, "FakeQuantize")) modules(&g, c);
    else plain(&g, c);
    seen.cases++;
  }
  golden_close(&g);
  const struct { const char *what; int64_t expected, got; } counts[] = {
      {"cases", 107, seen.cases},         {"reciprocal, values", 46, seen.reciprocal}, {"reciprocal, gradients", 4, seen.reciprocal_dx},
      {"no_number", 3, seen.no_number},   {"truncated", 5, seen.truncated},            {"steps of modules", 245, seen.steps},
      {"parameters", 65, seen.parameters}};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
    cr_assert_eq(counts[i].got, counts[i].expected, "%s: %ld, expected %ld", counts[i].what, (long)counts[i].got, (long)counts[i].expected);
}
