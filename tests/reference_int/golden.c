/*
 * Kernels against the golden vectors of torch (../shared/golden). `y_ideal` is the double-precision result, rounded:
 * it must be met exactly, or be one code away where the real value lies between two codes (a tie, within the rounding
 * of the int32 bias and of float32).
 */
#include <jansson.h>
#include <sys/stat.h>

#include "int_support.h"
#include "qengine/data.h"

#define GOLDEN QE_SOURCE_DIR "/../shared/golden"

typedef struct golden {
  const char *group, *name, *op;
  json_t *params, *inputs, *expected;
} golden;

/* How far results were from y_ideal, over all cases of a test. */
static struct { long codes, ties, cases; } seen;

/* A case that has no counterpart here. */
#define PASS_OVER() do { --seen.cases; return; } while (0)

static double number(const json_t *object, const char *key, double fallback) {
  const json_t *v = json_object_get(object, key);
  return v ? json_number_value(v) : fallback;
}
static bool flag(const json_t *object, const char *key) { return json_is_true(json_object_get(object, key)); }
static int64_t list(const json_t *object, const char *key, size_t i, int64_t fallback) {
  const json_t *v = json_object_get(object, key);
  return json_is_array(v)     ? json_integer_value(json_array_get(v, i))
         : json_is_integer(v) ? json_integer_value(v)
                              : fallback;
}
static uint8_t dtype_of(const json_t *object, const char *key) {
  const char *v = json_string_value(json_object_get(object, key));
  cr_assert(v, "no %s", key);
  return strcmp(v, "quint8") == 0 ? QE_DT_U8 : strcmp(v, "qint8") == 0 ? QE_DT_I8 : QE_DT_I32;
}

static qe_tensor_t *load(const golden *g, const json_t *set, const char *key) {
  const json_t *entry = json_object_get(set, key);
  if (!json_is_object(entry))
    return NULL;
  char path[1024];
  snprintf(path, sizeof path, "%s/%s/%s", GOLDEN, g->group, json_string_value(json_object_get(entry, "file")));
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_load(path, NULL, &t), QE_OK, "%s cannot be read", path);
  return t;
}

static kh_tensor operand(qe_tensor_t *t) {
  return kh_tensor_make((uint8_t)qe_tensor_dtype(t), qe_tensor_data(t), qe_tensor_rank(t), qe_tensor_dims(t));
}

/* Parameters of one operand, converted to float32 and int32. */
typedef struct qparams {
  uint32_t count;
  int32_t axis;
  float *scales;
  int32_t *zeros;
} qparams;

static qparams per_tensor(double scale, double zero) {
  qparams q = {.count = 1, .axis = -1, .scales = ti_alloc(4), .zeros = ti_alloc(4)};
  q.scales[0] = (float)scale;
  q.zeros[0] = (int32_t)zero;
  return q;
}

static qparams params_of(const golden *g, const char *name) {
  char scale[64], zero[64], axis[64];
  snprintf(scale, sizeof scale, "%s_scales", name);
  snprintf(zero, sizeof zero, "%s_zero_points", name);
  snprintf(axis, sizeof axis, "%s_axis", name);
  qe_tensor_t *s = load(g, g->inputs, scale);
  if (s) {
    qe_tensor_t *z = load(g, g->inputs, zero);
    qparams q = {.count = (uint32_t)qe_tensor_count(s), .axis = (int32_t)number(g->params, axis, 0)};
    q.scales = ti_alloc((int64_t)q.count * 4);
    q.zeros = ti_alloc((int64_t)q.count * 4);
    for (uint32_t i = 0; i < q.count; ++i) {
      q.scales[i] = (float)((const double *)qe_tensor_const_data(s))[i];
      q.zeros[i] = (int32_t)((const int64_t *)qe_tensor_const_data(z))[i];
    }
    qe_tensor_release(&s);
    qe_tensor_release(&z);
    return q;
  }
  snprintf(scale, sizeof scale, "%s_scale", name);
  snprintf(zero, sizeof zero, "%s_zero_point", name);
  cr_assert(json_object_get(g->params, scale), "%s: no %s", g->name, scale);
  return per_tensor(number(g->params, scale, 1), number(g->params, zero, 0));
}

static kh_tensor with(kh_tensor t, const qparams *q) { return kh_quantized(t, q->count, q->axis, q->scales, q->zeros); }
static void forget(qparams *q) {
  free(q->scales);
  free(q->zeros);
}

/* got must be ideal, or next to it where real / scale is within `slack` of the middle between two codes. */
static void check_ideal(const golden *g, const void *got, qe_tensor_t *ideal, const float *real, float scale,
                        const double *slack, int64_t inner, int64_t channels) {
  const uint8_t type = (uint8_t)qe_tensor_dtype(ideal);
  for (int64_t i = 0; i < qe_tensor_count(ideal); ++i) {
    const int64_t e = ti_code(qe_tensor_const_data(ideal), type, i), v = ti_code(got, type, i);
    ++seen.codes;
    if (e == v)
      continue;
    ++seen.ties;
    cr_assert(labs((long)(e - v)) == 1, "%s: element %ld: expected %ld, got %ld", g->name, (long)i, (long)e, (long)v);
    const double exact = (double)real[i] / (double)scale, off = fabs(fabs(exact - nearbyint(exact)) - 0.5);
    const double allowed = slack ? slack[i / inner % channels] : 0.0;
    cr_assert(off <= allowed + 1e-4 * (1.0 + fabs(exact) * 1e-2),
              "%s: element %ld: expected %ld, got %ld, but %g is no tie (%g > %g)", g->name, (long)i, (long)e, (long)v,
              exact, off, allowed);
  }
}

static void for_each(const char *group, const char *op_prefix, void (*check)(const golden *)) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s/manifest.json", GOLDEN, group);
  struct stat st;
  if (stat(path, &st) != 0)
    cr_skip_test("skipped: golden vectors are absent (%s)", path);
  json_error_t error;
  json_t *root = json_load_file(path, 0, &error);
  cr_assert(root, "%s: %s", path, error.text);
  size_t i;
  json_t *c;
  json_array_foreach(json_object_get(root, "cases"), i, c) {
    const golden g = {.group = group,
                      .name = json_string_value(json_object_get(c, "name")),
                      .op = json_string_value(json_object_get(c, "op")),
                      .params = json_object_get(c, "params"),
                      .inputs = json_object_get(c, "inputs"),
                      .expected = json_object_get(c, "expected")};
    if (strncmp(g.op, op_prefix, strlen(op_prefix)) != 0)
      continue;
    check(&g);
    ++seen.cases;
  }
  json_decref(root);
  cr_assert_gt(seen.cases, 0, "no case of %s in %s", op_prefix, group);
  printf("golden %s/%s*: %ld cases, %ld codes, %ld of them ties that fell the other way\n", group, op_prefix,
         seen.cases, seen.codes, seen.ties);
}

/* -- products ------------------------------------------------------------------------------------------------------ */

/* Runs a Gemm, Conv or ConvTranspose twice: to codes, and to float32 for the check of ties. */
static void check_product(const golden *g) {
  const bool linear = strncmp(g->op, "linear", 6) == 0, transposed = strstr(g->op, "transpose") != NULL;
  qe_tensor_t *x = load(g, g->inputs, "x"), *w = load(g, g->inputs, "w"), *b = load(g, g->inputs, "bias");
  qe_tensor_t *ideal = load(g, g->expected, "y_ideal");
  qparams qx = params_of(g, "x"), qw = params_of(g, "w"),
          qy = per_tensor(number(g->params, "y_scale", 1), number(g->params, "y_zero_point", 0));
  kh_case c = kh_new(linear ? "Gemm" : transposed ? "ConvTranspose" : "Conv");
  c.quantized = true;
  const uint32_t spatial = qe_tensor_rank(x) - 2;
  if (linear) {
    c.params.alpha = c.params.beta = 1.0f;
    c.params.trans_b = 1;
  } else {
    c.params.spatial = spatial;
    c.params.groups = (int64_t)number(g->params, "groups", 1);
    for (uint32_t d = 0; d < spatial; ++d) {
      c.params.kernel[d] = qe_tensor_dims(w)[2 + d];
      c.params.stride[d] = list(g->params, "stride", d, 1);
      c.params.dilation[d] = list(g->params, "dilation", d, 1);
      c.params.pad_begin[d] = c.params.pad_end[d] = list(g->params, "padding", d, 0);
    }
  }
  const int64_t channels = qe_tensor_dims(ideal)[1], n = qe_tensor_count(ideal);
  int64_t inner = 1;
  for (uint32_t d = 2; d < qe_tensor_rank(ideal); ++d)
    inner *= qe_tensor_dims(ideal)[d];
  int32_t *bias = ti_alloc(channels * 4);
  double *slack = ti_alloc(channels * 8);
  for (int64_t o = 0; b && o < channels; ++o) {
    const float s = qx.scales[0] * qw.scales[qw.count > 1 ? o : 0];
    bias[o] = ti_round(((const float *)qe_tensor_const_data(b))[o] / s, 0, INT32_MIN, INT32_MAX);
    slack[o] = 0.5 * (double)s / (double)qy.scales[0];
  }
  if (transposed)
    qw.axis = 1;
  kh_in(&c, with(operand(x), &qx));
  kh_in(&c, kh_const(with(operand(w), &qw)));
  void *y = ti_alloc(n);
  float *real = ti_alloc(n * 4);
  kh_out(&c,
         with(kh_tensor_make((uint8_t)qe_tensor_dtype(ideal), y, qe_tensor_rank(ideal), qe_tensor_dims(ideal)), &qy));
  if (b)
    kh_in(&c, kh_const(KH(QE_DT_I32, bias, channels)));
  if (flag(g->params, "relu"))
    c.clamp_lo = qy.zeros[0];
  kh_run(&c);
  c.out[0] = kh_tensor_make(QE_DT_F32, real, qe_tensor_rank(ideal), qe_tensor_dims(ideal));
  if (b)
    c.in[2] = kh_const(KH_F32(qe_tensor_data(b), channels));
  kh_run(&c);
  check_ideal(g, y, ideal, real, qy.scales[0], slack, inner, channels);
  free(y);
  free(real);
  free(bias);
  free(slack);
  forget(&qx);
  forget(&qw);
  forget(&qy);
  qe_tensor_release(&x);
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  qe_tensor_release(&ideal);
}

Test(reference_golden, linear) { for_each("qlinear", "linear", check_product); }
Test(reference_golden, conv) { for_each("qconv", "conv", check_product); }

/* -- elementwise --------------------------------------------------------------------------------------------------- */

static void dequantize(kh_tensor x, float *y) {
  kh_case c = kh_new("DequantizeLinear");
  c.quantized = true;
  kh_in(&c, x);
  kh_out(&c, kh_tensor_make(QE_DT_F32, y, x.rank, x.dims));
  kh_run(&c);
}

static void check_binary(const golden *g) {
  if (strstr(g->op, "scalar"))
    PASS_OVER();
  const bool adds = g->op[0] == 'a';
  qe_tensor_t *a = load(g, g->inputs, "x"), *b = load(g, g->inputs, "x2"), *ideal = load(g, g->expected, "y_ideal");
  qparams qa = params_of(g, "x"), qb = params_of(g, "x2"),
          qy = per_tensor(number(g->params, "y_scale", 1), number(g->params, "y_zero_point", 0));
  const int64_t n = qe_tensor_count(ideal);
  void *y = ti_alloc(n);
  float *real = ti_alloc(n * 4), *ra = ti_alloc(qe_tensor_count(a) * 4), *rb = ti_alloc(qe_tensor_count(b) * 4);
  kh_case c = kh_new(adds ? "Add" : "Mul");
  c.quantized = true;
  kh_in(&c, with(operand(a), &qa));
  kh_in(&c, with(operand(b), &qb));
  kh_out(&c,
         with(kh_tensor_make((uint8_t)qe_tensor_dtype(ideal), y, qe_tensor_rank(ideal), qe_tensor_dims(ideal)), &qy));
  if (strstr(g->op, "relu"))
    c.clamp_lo = qy.zeros[0];
  kh_run(&c);
  dequantize(c.in[0], ra);
  dequantize(c.in[1], rb);
  kh_case f = kh_new(c.op);
  kh_in(&f, kh_tensor_make(QE_DT_F32, ra, c.in[0].rank, c.in[0].dims));
  kh_in(&f, kh_tensor_make(QE_DT_F32, rb, c.in[1].rank, c.in[1].dims));
  kh_out(&f, kh_tensor_make(QE_DT_F32, real, c.out[0].rank, c.out[0].dims));
  kh_run(&f);
  check_ideal(g, y, ideal, real, qy.scales[0], NULL, 1, 1);
  free(y);
  free(real);
  free(ra);
  free(rb);
  forget(&qa);
  forget(&qb);
  forget(&qy);
  qe_tensor_release(&a);
  qe_tensor_release(&b);
  qe_tensor_release(&ideal);
}

Test(reference_golden, add) { for_each("qelementwise", "add", check_binary); }
Test(reference_golden, mul) { for_each("qelementwise", "mul", check_binary); }

/* Inputs of other parameters than the output's are dequantized and quantized, then all are joined. */
static void check_cat(const golden *g) {
  const int64_t parts = (int64_t)number(g->params, "n", 0);
  qe_tensor_t *ideal = load(g, g->expected, "y_ideal"), *x[8];
  qparams qx[8], qy = per_tensor(number(g->params, "y_scale", 1), number(g->params, "y_zero_point", 0));
  const uint8_t type = (uint8_t)qe_tensor_dtype(ideal);
  void *codes[8], *y = ti_alloc(qe_tensor_count(ideal));
  kh_case c = kh_new("Concat");
  c.params.axis = (int64_t)number(g->params, "axis", 0);
  for (int64_t i = 0; i < parts; ++i) {
    char name[8];
    snprintf(name, sizeof name, "x%d", (int)i);
    x[i] = load(g, g->inputs, name);
    qx[i] = params_of(g, name);
    const int64_t n = qe_tensor_count(x[i]);
    float *real = ti_alloc(n * 4);
    codes[i] = ti_alloc(n);
    kh_tensor t = with(operand(x[i]), &qx[i]);
    dequantize(t, real);
    kh_case q = kh_new("QuantizeLinear");
    q.quantized = true;
    kh_in(&q, kh_tensor_make(QE_DT_F32, real, t.rank, t.dims));
    kh_out(&q, with(kh_tensor_make(type, codes[i], t.rank, t.dims), &qy));
    if (flag(g->params, "relu"))
      q.clamp_lo = qy.zeros[0];
    kh_run(&q);
    free(real);
    kh_in(&c, kh_tensor_make(type, codes[i], t.rank, t.dims));
  }
  kh_out(&c, kh_tensor_make(type, y, qe_tensor_rank(ideal), qe_tensor_dims(ideal)));
  kh_run(&c);
  float *real = ti_alloc(qe_tensor_count(ideal) * 4); /* a difference would have to be a tie at 0.5 */
  for (int64_t i = 0; i < qe_tensor_count(ideal); ++i)
    real[i] = 0.5f * qy.scales[0];
  check_ideal(g, y, ideal, real, qy.scales[0], NULL, 1, 1);
  for (int64_t i = 0; i < parts; ++i) {
    free(codes[i]);
    forget(&qx[i]);
    qe_tensor_release(&x[i]);
  }
  free(real);
  free(y);
  forget(&qy);
  qe_tensor_release(&ideal);
}

Test(reference_golden, cat) { for_each("qelementwise", "cat", check_cat); }

/* -- pools and resizing -------------------------------------------------------------------------------------------- */

static void pool_params(const golden *g, kh_case *c) {
  c->params.spatial = 2;
  for (uint32_t d = 0; d < 2; ++d) {
    c->params.kernel[d] = list(g->params, "kernel", d, 1);
    c->params.stride[d] = list(g->params, "stride", d, 1);
    c->params.dilation[d] = list(g->params, "dilation", d, 1);
    c->params.pad_begin[d] = c->params.pad_end[d] = list(g->params, "padding", d, 0);
  }
  c->params.count_include_pad = flag(g->params, "count_include_pad");
}

static void check_pool(const golden *g) {
  const bool max = strncmp(g->op, "max", 3) == 0, mean = strcmp(g->op, "mean_hw") == 0,
             global = strncmp(g->op, "adaptive", 8) == 0;
  if (global && (list(g->params, "output_size", 0, 0) != 1 || list(g->params, "output_size", 1, 0) != 1))
    PASS_OVER(); /* several windows of different sizes: no op of ours */
  qe_tensor_t *x = load(g, g->inputs, "x"), *ideal = load(g, g->expected, max ? "y" : "y_ideal");
  qparams qx = params_of(g, "x");
  const int64_t n = qe_tensor_count(ideal);
  void *y = ti_alloc(n);
  float *real = ti_alloc(n * 4), *rx = ti_alloc(qe_tensor_count(x) * 4);
  kh_case c = kh_new(max ? "MaxPool" : mean ? "ReduceMean" : global ? "GlobalAveragePool" : "AveragePool");
  c.quantized = !max;
  if (mean)
    c.params.axes = 4 | 8;
  else if (!global)
    pool_params(g, &c);
  kh_in(&c, max ? operand(x) : with(operand(x), &qx));
  kh_tensor out = kh_tensor_make((uint8_t)qe_tensor_dtype(ideal), y, qe_tensor_rank(ideal), qe_tensor_dims(ideal));
  kh_out(&c, max ? out : with(out, &qx));
  kh_run(&c);
  if (max) {
    ti_same_bytes(qe_tensor_const_data(ideal), y, n, g->name, 0);
    seen.codes += n;
  } else {
    dequantize(c.in[0], rx);
    kh_case f = c;
    f.quantized = false;
    f.in[0] = kh_tensor_make(QE_DT_F32, rx, c.in[0].rank, c.in[0].dims);
    f.out[0] = kh_tensor_make(QE_DT_F32, real, c.out[0].rank, c.out[0].dims);
    kh_run(&f);
    check_ideal(g, y, ideal, real, qx.scales[0], NULL, 1, 1);
  }
  free(y);
  free(real);
  free(rx);
  forget(&qx);
  qe_tensor_release(&x);
  qe_tensor_release(&ideal);
}

Test(reference_golden, max_pool) { for_each("qpool_norm", "max_pool2d", check_pool); }
Test(reference_golden, average_pool) { for_each("qpool_norm", "avg_pool2d", check_pool); }
Test(reference_golden, global_average_pool) { for_each("qpool_norm", "adaptive_avg_pool2d", check_pool); }
Test(reference_golden, mean) { for_each("qpool_norm", "mean_hw", check_pool); }

static void check_upsample(const golden *g) {
  qe_tensor_t *x = load(g, g->inputs, "x"), *expected = load(g, g->expected, "y");
  const int64_t n = qe_tensor_count(expected);
  void *y = ti_alloc(n);
  kh_case c = kh_new("Resize");
  c.params.mode = QE_RESIZE_NEAREST;
  c.params.coord = QE_COORD_ASYMMETRIC;
  c.params.nearest = QE_NEAREST_FLOOR;
  for (uint32_t d = 0; d < 4; ++d)
    c.params.scales[d] = (float)qe_tensor_dims(expected)[d] / (float)qe_tensor_dims(x)[d];
  kh_in(&c, operand(x));
  kh_out(&c, kh_tensor_make((uint8_t)qe_tensor_dtype(expected), y, 4, qe_tensor_dims(expected)));
  kh_run(&c);
  ti_same_bytes(qe_tensor_const_data(expected), y, n, g->name, 0);
  seen.codes += n;
  free(y);
  qe_tensor_release(&x);
  qe_tensor_release(&expected);
}

Test(reference_golden, upsample_nearest) { for_each("qpool_norm", "upsample_nearest2d", check_upsample); }

/* -- quantize and dequantize --------------------------------------------------------------------------------------- */

static void check_dequantize(const golden *g) {
  qe_tensor_t *q = load(g, g->inputs, "q"), *expected = load(g, g->expected, "dq");
  qparams p = per_tensor(number(g->params, "scale", 1), number(g->params, "zero_point", 0));
  float *y = ti_alloc(qe_tensor_count(q) * 4);
  dequantize(with(operand(q), &p), y);
  kh_same_f32(qe_tensor_const_data(expected), y, qe_tensor_count(q), g->name);
  seen.codes += qe_tensor_count(q);
  free(y);
  forget(&p);
  qe_tensor_release(&q);
  qe_tensor_release(&expected);
}

Test(reference_golden, dequantize) { for_each("quantize", "dequantize_per_tensor", check_dequantize); }

/* torch multiplies by 1 / s, adds large zero points in float32 and lets non-finite values fall anywhere; we divide. */
static void check_quantize(const golden *g) {
  if (strstr(g->op, "dynamic") || strstr(g->op, "float_qparams") || strstr(g->name, "nonfinite") ||
      dtype_of(g->params, "dtype") == QE_DT_I32)
    PASS_OVER();
  qe_tensor_t *x = load(g, g->inputs, "x"), *expected = load(g, g->expected, "q"),
              *scales = load(g, g->inputs, "scales");
  qparams p;
  if (scales) {
    qe_tensor_t *zeros = load(g, g->inputs, "zero_points");
    p = (qparams){.count = (uint32_t)qe_tensor_count(scales), .axis = (int32_t)number(g->params, "axis", 0)};
    p.scales = ti_alloc((int64_t)p.count * 4);
    p.zeros = ti_alloc((int64_t)p.count * 4);
    for (uint32_t i = 0; i < p.count; ++i) {
      p.scales[i] = (float)((const double *)qe_tensor_const_data(scales))[i];
      p.zeros[i] = (int32_t)((const int64_t *)qe_tensor_const_data(zeros))[i];
    }
    qe_tensor_release(&zeros);
    qe_tensor_release(&scales);
  } else {
    p = per_tensor(number(g->params, "scale", 1), number(g->params, "zero_point", 0));
  }
  const int64_t n = qe_tensor_count(x);
  const uint8_t type = (uint8_t)qe_tensor_dtype(expected);
  void *y = ti_alloc(n);
  kh_case c = kh_new("QuantizeLinear");
  c.quantized = true;
  kh_in(&c, operand(x));
  kh_out(&c, with(kh_tensor_make(type, y, qe_tensor_rank(x), qe_tensor_dims(x)), &p));
  kh_run(&c);
  int64_t inner = 1;
  for (uint32_t d = (uint32_t)(p.axis < 0 ? 0 : p.axis) + 1; d < qe_tensor_rank(x); ++d)
    inner *= qe_tensor_dims(x)[d];
  for (int64_t i = 0; i < n; ++i) {
    const int64_t e = ti_code(qe_tensor_const_data(expected), type, i), v = ti_code(y, type, i);
    ++seen.codes;
    if (e == v)
      continue;
    ++seen.ties;
    const double r =
        (double)((const float *)qe_tensor_const_data(x))[i] / (double)p.scales[p.count > 1 ? i / inner % p.count : 0];
    cr_assert(labs((long)(e - v)) == 1 && fabs(fabs(r - nearbyint(r)) - 0.5) < 1e-5 * (1.0 + fabs(r)),
              "%s: element %ld: expected %ld, got %ld for %g", g->name, (long)i, (long)e, (long)v, r);
  }
  free(y);
  forget(&p);
  qe_tensor_release(&x);
  qe_tensor_release(&expected);
}

Test(reference_golden, quantize) { for_each("quantize", "quantize_per", check_quantize); }
