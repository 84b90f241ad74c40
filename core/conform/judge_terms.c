/*
 * One output element of a product, recomputed plainly from row-major data: the exact accumulator of codes, or the sum
 * and the sum of magnitudes of a float reduction. Used to choose output scales, to tell ties from errors, and to bound
 * what a float kernel may lose.
 */
#include <math.h>

#include "conform/case.h"

typedef struct sum {
  const qe__built *b;
  bool codes;
  int64_t acc, count;
  double total, magnitude;
} sum;

static int32_t code_at(const qe__case_operand *o, int64_t i) {
  switch (o->dtype) {
    case QE_UINT8: return ((const uint8_t *)o->data->data)[i];
    case QE_INT8: return ((const int8_t *)o->data->data)[i];
    default: return 0;
  }
}

/* Zero point of element i of input `which`: parameters of its channel, or the zero-point input of an Integer op. */
static int32_t zero_at(const qe__built *b, uint32_t which, int64_t channel, int64_t row) {
  const qe__case_operand *o = &b->in[which];
  if (b->text.op == QE__OP_ConvInteger || b->text.op == QE__OP_MatMulInteger) {
    const qe__case_operand *z = &b->in[which + 2];
    if (which + 2 >= b->n_in || !z->present) return 0;
    const int64_t at = which == 0 ? row : channel;
    return code_at(z, z->count > 1 ? at % z->count : 0);
  }
  if (o->q.view.count == 0) return 0;
  return o->q.zero_points[o->q.view.count > 1 ? channel % (int64_t)o->q.view.count : 0];
}

static void add(sum *s, int64_t x, int64_t w, int64_t channel, int64_t row) {
  const qe__built *b = s->b;
  s->count++;
  if (s->codes) {
    s->acc += (int64_t)(code_at(&b->in[0], x) - zero_at(b, 0, channel, row)) *
              (code_at(&b->in[1], w) - zero_at(b, 1, channel, row));
    return;
  }
  const double v = qe__tensor_float_at(b->in[0].data, x) * qe__tensor_float_at(b->in[1].data, w);
  s->total += v;
  s->magnitude += fabs(v);
}

/* Coordinates of element `index` of a row-major tensor. */
static void coordinates(const qe__case_operand *o, int64_t index, int64_t *at) {
  for (uint32_t d = o->rank; d-- > 0;) {
    at[d] = index % o->dims[d];
    index /= o->dims[d];
  }
}

bool qe__window_tap(const qe_op_params *p, bool transposed, const int64_t *size, const int64_t *y, const int64_t *k,
                    int64_t *x) {
  for (uint32_t i = 0; i < p->spatial; i++) {
    if (transposed) {
      const int64_t at = y[i] + p->pad_begin[i] - k[i] * p->dilation[i];
      if (at < 0 || at % p->stride[i] != 0) return false;
      x[i] = at / p->stride[i];
    } else {
      x[i] = y[i] * p->stride[i] - p->pad_begin[i] + k[i] * p->dilation[i];
    }
    if (x[i] < 0 || x[i] >= size[i]) return false;
  }
  return true;
}

static int64_t flat(uint32_t n, const int64_t *at, const int64_t *dims) {
  int64_t i = 0;
  for (uint32_t d = 0; d < n; d++) i = i * dims[d] + at[d];
  return i;
}

static int64_t conv_at(sum *s, int64_t index) {
  const qe__built *b = s->b;
  const qe_op_params *p = &b->params;
  const qe__case_operand *x = &b->in[0], *w = &b->in[1];
  const bool transposed = b->text.op == QE__OP_ConvTranspose;
  int64_t y[QE_MAX_RANK], k[3] = {0}, at[3];
  coordinates(&b->out[0], index, y);
  const int64_t per_group = (transposed ? w->dims[1] : w->dims[0] / p->groups), group = y[1] / per_group,
                depth = x->dims[1] / p->groups;
  int64_t taps = 1, pixels = 1;
  for (uint32_t i = 0; i < p->spatial; i++) {
    taps *= p->kernel[i];
    pixels *= x->dims[2 + i];
  }
  const int64_t channel = transposed ? y[1] % per_group : y[1];
  for (int64_t t = 0; t < taps; t++) {
    int64_t rest = t;
    for (uint32_t i = p->spatial; i-- > 0;) {
      k[i] = rest % p->kernel[i];
      rest /= p->kernel[i];
    }
    if (!qe__window_tap(p, transposed, x->dims + 2, y + 2, k, at)) continue;
    const int64_t pixel = flat(p->spatial, at, x->dims + 2);
    for (int64_t c = 0; c < depth; c++) {
      const int64_t in = (y[0] * x->dims[1] + group * depth + c) * pixels + pixel;
      const int64_t row = transposed ? (group * depth + c) * w->dims[1] + channel : y[1] * w->dims[1] + c;
      add(s, in, row * taps + t, channel, 0);
    }
  }
  return y[1];
}

/* One element of the weight's gradient: dy is input 0, x input 1. */
static int64_t conv_weight_at(sum *s, int64_t index) {
  const qe__built *b = s->b;
  const qe_op_params *p = &b->params;
  const qe__case_operand *dy = &b->in[0], *x = &b->in[1];
  int64_t w[QE_MAX_RANK], y[3], at[3], pixels = 1, positions = 1;
  coordinates(&b->out[0], index, w);
  for (uint32_t i = 0; i < p->spatial; i++) {
    pixels *= x->dims[2 + i];
    positions *= dy->dims[2 + i];
  }
  const int64_t channel = w[0] / (dy->dims[1] / p->groups) * b->out[0].dims[1] + w[1];
  for (int64_t k = 0; k < dy->dims[0] * positions; k++) {
    int64_t rest = k % positions;
    for (uint32_t i = p->spatial; i-- > 0;) {
      y[i] = rest % dy->dims[2 + i];
      rest /= dy->dims[2 + i];
    }
    if (!qe__window_tap(p, false, x->dims + 2, y, w + 2, at)) continue;
    const int64_t n = k / positions;
    add(s, (n * dy->dims[1] + w[0]) * positions + k % positions,
        (n * x->dims[1] + channel) * pixels + flat(p->spatial, at, x->dims + 2), w[0], 0);
  }
  return w[0];
}

static int64_t gemm_at(sum *s, int64_t index) {
  const qe__built *b = s->b;
  const int64_t n = b->out[0].dims[1], i = index / n, j = index % n, ta = b->params.trans_a, tb = b->params.trans_b;
  const int64_t depth = b->in[0].dims[ta ? 0 : 1];
  for (int64_t k = 0; k < depth; k++)
    add(s, ta ? k * b->in[0].dims[1] + i : i * depth + k, tb ? j * depth + k : k * n + j, j, i);
  return j;
}

/* Offset of an operand's matrix under numpy's broadcasting of leading dimensions. */
static int64_t batch_offset(const qe__case_operand *o, const int64_t *at, uint32_t lead_y) {
  const uint32_t lead = o->rank > 2 ? o->rank - 2u : 0;
  int64_t offset = 0;
  for (uint32_t d = 0; d < lead; d++) {
    const int64_t v = at[lead_y - lead + d];
    offset = offset * o->dims[d] + (o->dims[d] == 1 ? 0 : v);
  }
  return lead ? offset * o->dims[o->rank - 2] * o->dims[o->rank - 1] : 0;
}

static int64_t matmul_at(sum *s, int64_t index) {
  const qe__built *b = s->b;
  const qe__case_operand *a = &b->in[0], *w = &b->in[1], *y = &b->out[0];
  int64_t at[QE_MAX_RANK];
  const bool vector = a->rank == 1;
  const uint32_t own = vector ? 1 : 2, lead = y->rank - own;
  coordinates(y, index, at);
  const int64_t depth = a->dims[a->rank - 1], n = w->dims[w->rank - 1], i = vector ? 0 : at[y->rank - 2],
                j = at[y->rank - 1];
  const int64_t a0 = batch_offset(a, at, lead), w0 = batch_offset(w, at, lead);
  for (int64_t k = 0; k < depth; k++) add(s, a0 + i * depth + k, w0 + k * n + j, j, i);
  return j;
}

/* Element of the bias that is added to this output. */
static int64_t bias_index(const qe__built *b, int64_t index, int64_t channel) {
  const qe__case_operand *c = &b->in[2];
  if (b->text.op != QE__OP_Gemm || c->rank < 2) return c->count == 1 ? 0 : channel;
  const int64_t n = b->out[0].dims[1], i = index / n, j = index % n;
  return (c->dims[0] == 1 ? 0 : i) * c->dims[1] + (c->dims[1] == 1 ? 0 : j);
}

bool qe__terms_at(const qe__built *b, int64_t index, qe__terms *out) {
  const qe_dtype_t t = b->in[0].dtype;
  sum s = {.b = b, .codes = t == QE_UINT8 || t == QE_INT8};
  int64_t channel;
  *out = (qe__terms){0};
  if (index < 0 || index >= b->out[0].count || !b->in[0].data || !b->in[1].data ||
      (!s.codes && t != QE_FLOAT32 && t != QE_FLOAT64))
    return false;
  switch (b->text.op) {
    case QE__OP_Conv:
    case QE__OP_ConvTranspose:
    case QE__OP_ConvInteger: channel = conv_at(&s, index); break;
    case QE__OP_ConvWeightGrad: channel = conv_weight_at(&s, index); break;
    case QE__OP_Gemm: channel = gemm_at(&s, index); break;
    case QE__OP_MatMul:
    case QE__OP_MatMulInteger: channel = matmul_at(&s, index); break;
    default: return false;
  }
  const bool integer = b->text.op == QE__OP_ConvInteger || b->text.op == QE__OP_MatMulInteger;
  *out = (qe__terms){.acc = s.acc, .sum = s.total, .magnitude = s.magnitude, .count = s.count, .multiplier = 1.0};
  if (b->text.op == QE__OP_Gemm && !s.codes) {
    out->sum *= (double)b->params.alpha;
    out->magnitude *= fabs((double)b->params.alpha);
  }
  if (!integer && b->n_in > 2 && b->in[2].present) {
    const int64_t at = bias_index(b, index, channel);
    if (b->in[2].dtype == QE_INT32)
      out->acc += ((const int32_t *)b->in[2].data->data)[at];
    else {
      const double v = qe__tensor_float_at(b->in[2].data, at) *
                       (b->text.op == QE__OP_Gemm && !s.codes ? (double)b->params.beta : 1.0);
      out->sum += v;
      out->magnitude += fabs(v);
    }
  }
  if (s.codes && !integer && b->in[0].q.view.count && b->in[1].q.view.count) {
    const int64_t wc = b->text.op == QE__OP_ConvTranspose ? channel % b->in[1].dims[1] : channel;
    const float product =
        b->in[0].q.scales[0] * b->in[1].q.scales[b->in[1].q.view.count > 1 ? wc % (int64_t)b->in[1].q.view.count : 0];
    out->multiplier = (double)(b->out[0].q.view.count ? product / b->out[0].q.scales[0] : product);
  }
  return true;
}
