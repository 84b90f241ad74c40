/*
 * Training ops in double precision, output by output, to bound what a float kernel may lose that sums in another order.
 * Beside every value goes its magnitude: what it would be if nothing cancelled. A float computation of it with `count`
 * operations in a row is off by no more than some count * eps * magnitude.
 */
#include <float.h>
#include <math.h>

#include "conform/case.h"

typedef struct number {
  double v, m;
} number;

static number exact(double v) { return (number){v, fabs(v)}; }
static number plus(number a, number b) { return (number){a.v + b.v, a.m + b.m}; }
static number minus(number a, number b) { return (number){a.v - b.v, a.m + b.m}; }
static number times(number a, number b) { return (number){a.v * b.v, a.m * b.m}; }
static number over(number a, double n) { return (number){a.v / n, a.m / fabs(n)}; }
/* 1 / sqrt(a + epsilon): half of a's relative error comes along. */
static number inverse_root(number a, double epsilon) {
  const double v = 1.0 / sqrt(a.v + epsilon);
  return (number){v, v * (1.0 + 0.5 * a.m / (a.v + epsilon))};
}
static number exponential(number a) { return (number){exp(a.v), exp(a.v) * (1.0 + a.m)}; }

static void store(qe__model *m, int64_t i, number n) {
  m->value[i] = n.v;
  m->magnitude[i] = n.m;
}
static void add(qe__model *m, int64_t i, number n) {
  m->value[i] += n.v;
  m->magnitude[i] += n.m;
}

static number at(const qe__built *b, uint32_t input, int64_t i) {
  return exact((double)((const float *)b->in[input].data->data)[i]);
}

static int64_t product(const int64_t *dims, uint32_t from, uint32_t to) {
  int64_t n = 1;
  for (uint32_t d = from; d < to; d++) n *= dims[d];
  return n;
}

/* ---- normalization ---- */

/* Channels of x [N, C, ...] and their elements. */
typedef struct channels {
  const qe__built *b;
  uint32_t x, multiplier; /* inputs */
  int64_t n, plane, count;
} channels;

static channels channels_of(const qe__built *b, uint32_t x, uint32_t multiplier) {
  const qe__case_operand *o = &b->in[x];
  const int64_t plane = product(o->dims, 2, o->rank);
  return (channels){b, x, multiplier, o->dims[1], plane, o->dims[0] * plane};
}

static int64_t element(const channels *c, int64_t channel, int64_t i) {
  return (i / c->plane * c->n + channel) * c->plane + i % c->plane;
}

static number u_at(const channels *c, int64_t channel, int64_t i) {
  const number x = at(c->b, c->x, element(c, channel, i));
  return c->multiplier < c->b->n_in ? times(x, at(c->b, c->multiplier, channel)) : x;
}

static void batch_norm_train(const qe__built *b, uint32_t output, qe__model *m) {
  const channels c = channels_of(b, 0, 3);
  m->count = 2 * c.count + 16;
  for (int64_t k = 0; k < c.n; k++) {
    number mean = {0, 0}, variance = {0, 0};
    for (int64_t i = 0; i < c.count; i++) mean = plus(mean, u_at(&c, k, i));
    mean = over(mean, (double)c.count);
    for (int64_t i = 0; i < c.count; i++) {
      const number d = minus(u_at(&c, k, i), mean);
      variance = plus(variance, times(d, d));
    }
    variance = over(variance, (double)c.count);
    if (output > 0) store(m, k, output == 1 ? mean : variance);
    const number f = times(at(b, 1, k), inverse_root(variance, (double)b->params.epsilon));
    for (int64_t i = 0; output == 0 && i < c.count; i++) {
      number y = plus(times(minus(u_at(&c, k, i), mean), f), at(b, 2, k));
      y.v = fmin(fmax(y.v, (double)b->act.lo), (double)b->act.hi);
      store(m, element(&c, k, i), y);
    }
  }
}

static void batch_norm_grad(const qe__built *b, uint32_t output, qe__model *m) {
  const channels c = channels_of(b, 1, 5);
  m->count = 2 * c.count + 16;
  for (int64_t k = 0; k < c.n; k++) {
    const number r = inverse_root(at(b, 4, k), (double)b->params.epsilon), mean = at(b, 3, k);
    number db = {0, 0}, dscale = {0, 0}, dmultiplier = {0, 0};
    for (int64_t i = 0; i < c.count; i++) {
      const number dy = at(b, 0, element(&c, k, i));
      db = plus(db, dy);
      dscale = plus(dscale, times(dy, times(minus(u_at(&c, k, i), mean), r)));
    }
    for (int64_t i = 0; i < c.count; i++) {
      const int64_t e = element(&c, k, i);
      const number h = times(minus(u_at(&c, k, i), mean), r);
      const number rest = minus(minus(at(b, 0, e), over(db, (double)c.count)), times(h, over(dscale, (double)c.count)));
      const number du = times(times(at(b, 2, k), r), rest);
      dmultiplier = plus(dmultiplier, times(du, at(b, 1, e)));
      if (output == 0) store(m, e, c.multiplier < b->n_in ? times(du, at(b, c.multiplier, k)) : du);
    }
    if (output > 0) store(m, k, output == 1 ? dscale : output == 2 ? db : dmultiplier);
  }
}

static void layer_norm_grad(const qe__built *b, uint32_t output, qe__model *m) {
  const qe__case_operand *x = &b->in[1];
  const uint32_t axis = (uint32_t)b->params.axis;
  const int64_t rows = product(x->dims, 0, axis), n = product(x->dims, axis, x->rank);
  m->count = 2 * (n > rows ? n : rows) + 16;
  for (int64_t r = 0; r < rows; r++) {
    number mean = {0, 0}, variance = {0, 0}, sum_g = {0, 0}, sum_gh = {0, 0};
    for (int64_t i = 0; i < n; i++) mean = plus(mean, over(at(b, 1, r * n + i), (double)n));
    for (int64_t i = 0; i < n; i++) {
      const number d = minus(at(b, 1, r * n + i), mean);
      variance = plus(variance, over(times(d, d), (double)n));
    }
    const number inv = inverse_root(variance, (double)b->params.epsilon);
    for (int64_t i = 0; i < n; i++) {
      const number dy = at(b, 0, r * n + i), h = times(minus(at(b, 1, r * n + i), mean), inv);
      sum_g = plus(sum_g, over(times(dy, at(b, 2, i)), (double)n));
      sum_gh = plus(sum_gh, over(times(times(dy, at(b, 2, i)), h), (double)n));
      if (output > 0) add(m, i, output == 1 ? times(dy, h) : dy);
    }
    for (int64_t i = 0; output == 0 && i < n; i++) {
      const number h = times(minus(at(b, 1, r * n + i), mean), inv);
      const number g = times(at(b, 0, r * n + i), at(b, 2, i));
      store(m, r * n + i, times(inv, minus(minus(g, sum_g), times(h, sum_gh))));
    }
  }
}

/* ---- windows ---- */

/* Adds to the elements of dx what the window at one output position, of one image, gives them. */
static void add_window(const qe__built *b, int64_t image, const int64_t *y, int64_t position, int64_t positions,
                       qe__model *m) {
  const qe_op_params *p = &b->params;
  const qe__case_operand *dx = &b->out[0];
  const bool average = b->text.op == QE__OP_AveragePoolGrad;
  const int64_t pixels = product(dx->dims, 2, dx->rank), taps = product(p->kernel, 0, p->spatial);
  const number dy = at(b, 0, image * positions + position);
  int64_t count = 0, best = -1;
  for (int pass = average ? 0 : 1; pass < 2; pass++) {
    for (int64_t t = 0; t < taps; t++) {
      int64_t k[3] = {0}, x[3], rest = t, pixel = 0;
      for (uint32_t i = p->spatial; i-- > 0; rest /= p->kernel[i]) k[i] = rest % p->kernel[i];
      const bool inside = qe__window_tap(p, false, dx->dims + 2, y, k, x);
      bool padded = p->count_include_pad != 0;
      for (uint32_t i = 0; i < p->spatial; i++) {
        const int64_t here = y[i] * p->stride[i] - p->pad_begin[i] + k[i] * p->dilation[i];
        padded = padded && here < dx->dims[2 + i] + p->pad_end[i];
        if (inside) pixel = pixel * dx->dims[2 + i] + x[i];
      }
      const int64_t e = image * pixels + pixel;
      if (pass == 0)
        count += inside || padded;
      else if (inside && average)
        add(m, e, over(dy, (double)count));
      else if (inside && (best < 0 || at(b, 1, e).v > at(b, 1, best).v || isnan(at(b, 1, e).v)))
        best = e;
    }
  }
  if (best >= 0) add(m, best, dy);
}

static void pool_grad(const qe__built *b, uint32_t output, qe__model *m) {
  const qe__case_operand *dy = &b->in[0];
  const int64_t positions = product(dy->dims, 2, dy->rank);
  (void)output;
  m->count = product(b->params.kernel, 0, b->params.spatial) + 2;
  for (int64_t i = 0; i < dy->count; i++) {
    int64_t y[3], rest = i % positions;
    for (uint32_t d = b->params.spatial; d-- > 0; rest /= dy->dims[2 + d]) y[d] = rest % dy->dims[2 + d];
    add_window(b, i / positions, y, i % positions, positions, m);
  }
}

/* ---- gather, loss ---- */

static void gather_grad(const qe__built *b, uint32_t output, qe__model *m) {
  const qe__case_operand *dx = &b->out[0];
  const uint32_t axis = (uint32_t)b->params.axis;
  const int64_t inner = product(dx->dims, axis + 1, dx->rank), size = dx->dims[axis], n = b->in[1].count;
  (void)output;
  m->count = n;
  for (int64_t i = 0; i < b->in[0].count; i++) {
    const int64_t index = qe__tensor_int_at(b->in[1].data, i / inner % n);
    add(m, (i / inner / n * size + (index < 0 ? index + size : index)) * inner + i % inner, at(b, 0, i));
  }
}

static void cross_entropy(const qe__built *b, uint32_t output, qe__model *m) {
  const bool grad = b->text.op == QE__OP_SoftmaxCrossEntropyGrad;
  const uint32_t x = grad;
  const qe__case_operand *o = &b->in[x];
  const int64_t n = o->dims[o->rank - 1], rows = o->count / n;
  const double a = (double)b->params.alpha, share = a / (double)n;
  (void)output;
  m->count = n + 16 + (grad ? 0 : rows);
  for (int64_t r = 0; r < rows; r++) {
    const int64_t label = qe__tensor_int_at(b->in[x + 1].data, r);
    double largest = -INFINITY;
    number sum = {0, 0};
    if (b->params.mode == 1 && label == b->params.starts[0]) continue;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, at(b, x, r * n + i).v);
    for (int64_t i = 0; i < n; i++) sum = plus(sum, exponential(exact(at(b, x, r * n + i).v - largest)));
    const number lse = {log(sum.v), fabs(log(sum.v)) + sum.m / sum.v};
    for (int64_t i = 0; i < n; i++) {
      const number shifted = exact(at(b, x, r * n + i).v - largest), e = exponential(shifted);
      const double target = (i == label ? 1.0 - a : 0.0) + share;
      const number p = {e.v / sum.v, e.m / sum.v * (1.0 + sum.m / sum.v)};
      if (grad)
        store(m, r * n + i, times(at(b, 0, 0), minus(p, exact(target))));
      else
        add(m, 0, times(exact(target), minus(lse, shifted)));
    }
  }
}

bool qe__model_train(const qe__built *b, uint32_t output, qe__model *out) {
  static const struct {
    uint16_t op;
    void (*fill)(const qe__built *b, uint32_t output, qe__model *m);
  } models[] = {
      {QE__OP_BatchNormTrain,          batch_norm_train},
      {QE__OP_BatchNormGrad,           batch_norm_grad },
      {QE__OP_LayerNormGrad,           layer_norm_grad },
      {QE__OP_MaxPoolGrad,             pool_grad       },
      {QE__OP_AveragePoolGrad,         pool_grad       },
      {QE__OP_GatherGrad,              gather_grad     },
      {QE__OP_SoftmaxCrossEntropy,     cross_entropy   },
      {QE__OP_SoftmaxCrossEntropyGrad, cross_entropy   },
  };
  *out = (qe__model){0};
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
    if (models[i].op != b->text.op) continue;
    const size_t n = (size_t)b->out[output].count + 1;
    out->value = qe__calloc(n, sizeof *out->value);
    out->magnitude = qe__calloc(n, sizeof *out->magnitude);
    if (out->value && out->magnitude) {
      models[i].fill(b, output, out);
      return true;
    }
    qe__model_free(out);
  }
  return false;
}

double qe__model_bound(const qe__model *m, int64_t i) {
  return (double)(m->count + 2) * ((double)FLT_EPSILON * m->magnitude[i] + (double)FLT_MIN);
}

void qe__model_free(qe__model *m) {
  qe__free(m->value);
  qe__free(m->magnitude);
  *m = (qe__model){0};
}
