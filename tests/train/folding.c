/*
 * The three ways to train a convolution with the BatchNorm that conversion folds into it (torch's approximation, bn_exact,
 * frozen), against the same formulas in double precision, differentiated by differences. What fake-quantize adds to a weight
 * is a constant there: that is what a straight-through gradient says.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/models.h"
#include "torch_step.h"

#define OK(call) cr_assert_eq((call), QE_OK, "%s: %s", #call, qe_last_error())

enum { N = 4, IN = 3, OUT = 5, SIDE = 5, X = N * IN * SIDE * SIDE, W = OUT * IN * 9, Y = N * OUT * SIDE * SIDE, PLANE = SIDE * SIDE };
static const double EPS = (double)1e-5f;
typedef enum way { APPROXIMATE, EXACT, FROZEN } way;

typedef struct folding {
  way how;
  double x[X], w[W], gamma[OUT], beta[OUT], bias[OUT]; /* differentiated, but for the bias */
  double mean[OUT], var[OUT], added[W], dy[Y];         /* running statistics; what fake-quantize added to w * factor */
  double y[Y], batch_mean[OUT], batch_var[OUT];        /* results */
} folding;

static double factor(const folding *f, int c) { return f->gamma[c] / sqrt(f->var[c] + EPS); }

/* 3x3, padded by 1, with w scaled per channel, plus `added`. */
static void convolve(const folding *f, bool quantized, double *out) {
  for (int n = 0; n < N; n++) {
    for (int c = 0; c < OUT; c++) {
      for (int at = 0; at < PLANE; at++) {
        double sum = 0.0;
        for (int k = 0; k < IN * 9; k++) {
          const int row = at / SIDE + k % 9 / 3 - 1, column = at % SIDE + k % 3 - 1;
          if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) continue;
          const double w = f->w[c * IN * 9 + k];
          sum += f->x[((n * IN + k / 9) * SIDE + row) * SIDE + column] * (quantized ? w * factor(f, c) + f->added[c * IN * 9 + k] : w);
        }
        out[(n * OUT + c) * PLANE + at] = sum;
      }
    }
  }
}

static void statistics(const double *u, int c, double *mean, double *var) {
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < N * PLANE; i++) sum += u[(i / PLANE * OUT + c) * PLANE + i % PLANE];
  *mean = sum / (N * PLANE);
  for (int i = 0; i < N * PLANE; i++) {
    const double d = u[(i / PLANE * OUT + c) * PLANE + i % PLANE] - *mean;
    squares += d * d;
  }
  *var = squares / (N * PLANE);
}

/* y, and sum(y * dy). */
static double forward(folding *f) {
  static double u[Y], plain[Y];
  double loss = 0.0;
  convolve(f, true, u);
  if (f->how == EXACT) convolve(f, false, plain);
  for (int c = 0; c < OUT; c++) {
    const double r = 1.0 / sqrt(f->var[c] + EPS);
    double times = 1.0, plus = (f->bias[c] - f->mean[c]) * r * f->gamma[c] + f->beta[c];
    if (f->how != FROZEN) { /* y = act(gamma * (u - mean) / deviation + beta), of the divided or of the float convolution */
      statistics(f->how == EXACT ? plain : u, c, &f->batch_mean[c], &f->batch_var[c]);
      if (f->how == APPROXIMATE) {
        f->batch_mean[c] /= factor(f, c);
        f->batch_var[c] /= factor(f, c) * factor(f, c);
      }
      const double inverse = 1.0 / sqrt(f->batch_var[c] + EPS);
      times = inverse / r;
      plus = f->beta[c] - f->gamma[c] * f->batch_mean[c] * inverse;
      f->batch_mean[c] += f->bias[c];
    }
    for (int i = 0; i < N * PLANE; i++) {
      const int at = (i / PLANE * OUT + c) * PLANE + i % PLANE;
      f->y[at] = u[at] * times + plus;
      loss += f->y[at] * f->dy[at];
    }
  }
  return loss;
}

static void take(const qe_tensor_t *t, double *to) {
  for (int64_t i = 0; i < t->count; i++) to[i] = (double)((const float *)t->data)[i];
}

/* What fake-quantize adds, by the float operations of the graph. */
static void quantize_weights(folding *f) {
  for (int c = 0; c < OUT; c++) {
    float scaled[IN * 9], lo = 0.0f, hi = 0.0f, scale;
    int32_t zero;
    const float r = 1.0f / sqrtf((float)f->var[c] + 1e-5f), times = (float)f->gamma[c] * r;
    for (int k = 0; k < IN * 9; k++) {
      scaled[k] = (float)f->w[c * IN * 9 + k] * times;
      lo = fminf(lo, scaled[k]);
      hi = fmaxf(hi, scaled[k]);
    }
    OK(qe_choose_qparams(lo, hi, QE_INT8, -127, 127, 1, 0x1p-23f, &scale, &zero));
    for (int k = 0; k < IN * 9; k++) f->added[c * IN * 9 + k] = (double)(rintf(scaled[k] / scale) * scale) - f->w[c * IN * 9 + k] * factor(f, c);
  }
}

static void compare(const char *name, const qe_tensor_t *got, const double *want, int64_t count, double tolerance, double *worst) {
  double most = 1e-30, error = 0.0;
  cr_assert_eq(got->count, count, "%s", name);
  for (int64_t i = 0; i < count; i++) {
    const double v = (double)((const float *)got->data)[i];
    most = fmax(most, fabs(want[i]));
    error = fmax(error, isnan(v) ? INFINITY : fabs(v - want[i]));
  }
  cr_expect(error <= tolerance * most, "%s is off by %.3g of the largest, %.3g", name, error / most, most);
  *worst = fmax(*worst, error / most);
}

/* d loss / d p[i] by central differences. */
static void differences(folding *f, double *p, int count, double *out) {
  for (int i = 0; i < count; i++) {
    const double old = p[i], step = 1e-5;
    p[i] = old + step;
    const double more = forward(f);
    p[i] = old - step;
    out[i] = (more - forward(f)) / (2.0 * step);
    p[i] = old;
  }
}

static double check(way how, bool with_bias, bool zero_gamma, uint64_t seed) {
  static folding f;
  static double want[W > X ? W : X];
  static const char *const ways[] = {"approximate", "exact", "frozen"};
  qe_tensor_t *x = test_random(4, (int64_t[]){N, IN, SIDE, SIDE}, 1.0f, seed), *w = test_random(4, (int64_t[]){OUT, IN, 3, 3}, 0.5f, seed + 1);
  qe_tensor_t *bias = test_random(1, &(int64_t){OUT}, 0.7f, seed + 2), *dy = test_random(4, (int64_t[]){N, OUT, SIDE, SIDE}, 1.0f, seed + 3);
  qe_tensor_t *norm[4] = {test_filled(OUT, 0.8f, -0.35f), test_filled(OUT, -0.2f, 0.1f), test_filled(OUT, -0.1f, 0.05f), test_filled(OUT, 0.5f, 0.15f)};
  qe_tensor_t *got[4];
  qe_model_t *m = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  qe_trainer_t *t = NULL;
  qe__batch b;
  qe_train_options_t o;
  qe_train_metrics_t metrics;
  torch_step s;
  qe__value_id grad[4];
  qe_named_tensor_t out[4];
  double worst = 0.0;
  if (zero_gamma) ((float *)norm[0]->data)[2] = 0.0f;
  memset(&f, 0, sizeof f);
  f.how = how;
  take(x, f.x), take(w, f.w), take(norm[0], f.gamma), take(norm[1], f.beta), take(norm[2], f.mean), take(norm[3], f.var), take(dy, f.dy);
  if (with_bias) take(bias, f.bias);
  quantize_weights(&f);

  OK(qe_model_create("m", &m));
  qe_value_t v = qe_conv2d(m, "conv", qe_input(m, "x", QE_FLOAT32, 4, x->dims), w, with_bias ? bias : NULL, &(qe_conv_options_t){.padding = {1, 1}});
  qe_output(m, "y", qe_batch_norm(m, "bn", v, norm[0], norm[1], norm[2], norm[3], 1e-5f));
  OK(qe_model_finish(m));
  OK(qe_qconfig_mapping_preset("default_qat", &mapping));
  OK(qe_prepare_qat(m, mapping, NULL, &p));
  torch_weights_only(p);
  qe_train_options_default(&o);
  o.threads = 1;
  o.loss = QE_LOSS_MSE;
  o.freeze_bn_at = how == FROZEN ? 0.0f : 1.0f;
  o.bn_exact = how == EXACT;
  OK(qe_trainer_create_qat(p, &o, &t));
  const uint32_t parameter[3] = {torch_parameter(t, "conv", 1), torch_parameter(t, "bn", 1), torch_parameter(t, "bn", 2)};
  OK(qe__batch_create(1, &b));
  b.inputs[0] = qe_tensor_retain(x);
  b.labels = qe_tensor_retain(dy);
  b.rows = N;
  torch_step_open(&s, t, &b, false);
  torch_gradients_at(&s, dy, 3, parameter, grad);
  torch_step_settle(&s);
  for (int i = 0; i < 4; i++) out[i] = (qe_named_tensor_t){s.p->model->graph->values[grad[i]].name, NULL};
  torch_step_run(&s, 4, out);
  for (int i = 0; i < 4; i++) got[i] = out[i].tensor;
  qe_tensor_t *y = torch_step_yield(&s, QE__YIELD_LOGITS, 0);
  char what[60];
  snprintf(what, sizeof what, "%s, bias %d, gamma 0 %d, seed %d: ", ways[how], with_bias, zero_gamma, (int)seed);
#define NAMED(text) (snprintf(what + strcspn(what, ":"), 20, ": %s", text), what)
  (void)forward(&f);
  compare(NAMED("y"), y, f.y, Y, 1e-5, &worst);
  OK(qe__trainer_step(t, &b, &metrics));
  double moved[OUT];
  for (int i = 0; i < 2; i++) { /* of the running statistics */
    const double unbiased = i ? (double)(N * PLANE) / (N * PLANE - 1) : 1.0, *batch = i ? f.batch_var : f.batch_mean, *old = i ? f.var : f.mean;
    for (int c = 0; c < OUT; c++) moved[c] = how == FROZEN ? old[c] : old[c] + 0.1 * (unbiased * batch[c] - old[c]);
    compare(NAMED(i ? "running_var" : "running_mean"), t->statistics[torch_statistic(t, "bn", i ? 4 : 3)].tensor, moved, OUT, 1e-5, &worst);
  }
  differences(&f, f.x, X, want);
  compare(NAMED("dx"), got[0], want, X, 1e-5, &worst);
  differences(&f, f.w, W, want);
  compare(NAMED("dw"), got[1], want, W, 1e-5, &worst);
  differences(&f, f.gamma, OUT, want);
  compare(NAMED("dgamma"), got[2], want, OUT, 1e-5, &worst);
  differences(&f, f.beta, OUT, want);
  compare(NAMED("dbeta"), got[3], want, OUT, 1e-5, &worst);
  torch_step_close(&s);
  qe__batch_free(&b);
  qe_trainer_destroy(&t);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
  qe_tensor_t *all[] = {x, w, bias, dy, norm[0], norm[1], norm[2], norm[3], got[0], got[1], got[2], got[3], y};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) qe_tensor_release(&all[i]);
  return worst;
}

Test(folding, agrees_with_double_precision) {
  double worst = 0.0;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    for (int bias = 0; bias < 2; bias++) {
      worst = fmax(worst, check(APPROXIMATE, bias, false, seed * 10));
      worst = fmax(worst, check(EXACT, bias, false, seed * 10));
      worst = fmax(worst, check(EXACT, bias, true, seed * 10));
      worst = fmax(worst, check(FROZEN, bias, false, seed * 10));
      worst = fmax(worst, check(FROZEN, bias, true, seed * 10));
    }
  }
  printf("folding: largest difference from double precision %.2g\n", worst);
}
