/*
 * BatchNormTrain and BatchNormGrad, float32, any strides. With u = x, or x * multiplier[c] when there is one:
 *
 * forward:  mean = sum u / n, variance = sum (u - mean)^2 / n, f = scale / sqrt(variance + epsilon),
 *           y = act((u - mean) * f + B); outputs y, mean, variance
 * gradient: r = 1 / sqrt(variance + epsilon), h = (u - mean) * r, dB = sum dy, dscale = sum dy * h,
 *           du = (scale * r) * ((dy - dB / n) - h * (dscale / n)), dx = du or du * multiplier[c],
 *           dmultiplier = sum du * x; outputs dx, dscale, dB, dmultiplier
 *
 * Sums are 16-lane sums over samples, then positions. A tile is REF_CHANNELS channels.
 */
#include <math.h>

#include "channels.h"
#include "columns.h"

/* Rows of a tile's channels; what an absent vector holds is never read. */
typedef float row[REF_CHANNELS];

static int check(const qe_problem *p, const qe_operand *x, uint32_t first, uint32_t n_in, uint32_t n_out, char *reason,
                 size_t reason_size) {
  if (x->rank < 2)
    return ref_refuse(reason, reason_size, "%s: x has rank %d, expected at least 2", p->op, x->rank);
  for (uint32_t i = first; i < n_in; ++i)
    if (ref_has_in(p, i) ? p->in[i]->dtype != QE_DT_F32 || p->in[i]->count != x->dims[1] : i + 1 < n_in)
      return ref_refuse(reason, reason_size, "%s: input %u is no float32 of every channel (%lld)", p->op, i,
                        (long long)x->dims[1]);
  for (uint32_t i = 1; i < n_out; ++i)
    if (ref_has_out(p, i) && p->out[i]->count != x->dims[1])
      return ref_refuse(reason, reason_size, "%s: output %u has %lld elements, expected one per channel (%lld)", p->op,
                        i, (long long)p->out[i]->count, (long long)x->dims[1]);
  return 1;
}

/* Elements [channel, channel + n) of input i, a vector. */
static void load_vector(const qe_call *call, uint32_t i, int64_t channel, int64_t n, float *to) {
  const int64_t step = call->problem->in[i]->strides[0];
  ref_channels_load(to, (const float *)call->in[i] + channel * step, step, n);
}

static void store_vector(const qe_call *call, uint32_t i, int64_t channel, int64_t n, const float *from) {
  if (!ref_has_out(call->problem, i))
    return;
  const int64_t step = call->problem->out[i]->strides[0];
  ref_channels_store((float *)call->out[i] + channel * step, step, from, n);
}

/* The values that are normalized, of n channels at one position. */
static void load_u(float *u, const float *x, int64_t step, const float *multiplier, int64_t n) {
  ref_channels_load(u, x, step, n);
  for (int64_t c = 0; multiplier && c < n; ++c)
    u[c] = u[c] * multiplier[c];
}

int ref_batch_norm_train_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = ref_ceil_div(p->out[0]->dims[1], REF_CHANNELS);
  plan->scratch_size = 3 * sizeof(float) * ref_columns_floats(REF_CHANNELS); /* BatchNormGrad has three sums */
  return 0;
}

/* -- forward ------------------------------------------------------------------------------------------------------ */

enum { SCALE = 1, BIAS = 2, MULTIPLIER = 3 };

int ref_batch_norm_train_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return check(p, p->in[0], SCALE, MULTIPLIER + 1, 3, reason, reason_size);
}

static void forward(const qe_call *call, const ref_loops *loops, int64_t channel, int64_t n) {
  const qe_problem *p = call->problem;
  const ref_channels xs = ref_channels_of(p->in[0]), ys = ref_channels_of(p->out[0]);
  const int64_t count = ref_channels_elements(p->in[0]);
  const float *x = (const float *)call->in[0] + channel * xs.step;
  float *y = (float *)call->out[0] + channel * ys.step;
  row multipliers, scale, bias, mean, variance, f, u;
  const float *multiplier = ref_has_in(p, MULTIPLIER) ? multipliers : NULL;
  ref_columns sum;
  ref_iter at, to;
  if (multiplier)
    load_vector(call, MULTIPLIER, channel, n, multipliers);
  load_vector(call, SCALE, channel, n, scale);
  load_vector(call, BIAS, channel, n, bias);

  ref_columns_start(&sum, loops, call->scratch, n);
  ref_channels_start(&at, &xs);
  for (int64_t i = 0; i < count; ++i, ref_iter_next(&at)) {
    load_u(u, x + at.offset, xs.step, multiplier, n);
    ref_columns_add(&sum, u);
  }
  const float *total = ref_columns_finish(&sum);
  for (int64_t c = 0; c < n; ++c)
    mean[c] = total[c] / (float)count;

  ref_columns_start(&sum, loops, call->scratch, n);
  ref_channels_start(&at, &xs);
  for (int64_t i = 0; i < count; ++i, ref_iter_next(&at)) {
    load_u(u, x + at.offset, xs.step, multiplier, n);
    for (int64_t c = 0; c < n; ++c)
      u[c] = (u[c] - mean[c]) * (u[c] - mean[c]);
    ref_columns_add(&sum, u);
  }
  total = ref_columns_finish(&sum);
  for (int64_t c = 0; c < n; ++c) {
    variance[c] = total[c] / (float)count;
    f[c] = scale[c] / sqrtf(variance[c] + p->params->epsilon);
  }

  ref_channels_start(&at, &xs);
  ref_channels_start(&to, &ys);
  for (int64_t i = 0; i < count; ++i, ref_iter_next(&at), ref_iter_next(&to)) {
    load_u(u, x + at.offset, xs.step, multiplier, n);
    for (int64_t c = 0; c < n; ++c)
      u[c] = ref_act((u[c] - mean[c]) * f[c] + bias[c], p->act_lo, p->act_hi);
    ref_channels_store(y + to.offset, ys.step, u, n);
  }
  store_vector(call, 1, channel, n, mean);
  store_vector(call, 2, channel, n, variance);
}

int ref_batch_norm_train_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const int64_t channels = call->problem->in[0]->dims[1];
  for (int64_t tile = tile_begin; tile < tile_end; ++tile)
    forward(call, ref_loops_of(self), tile * REF_CHANNELS, ref_min64(REF_CHANNELS, channels - tile * REF_CHANNELS));
  return 0;
}

/* -- gradient ----------------------------------------------------------------------------------------------------- */

enum { DY = 0, X = 1, G_SCALE = 2, MEAN = 3, VARIANCE = 4, G_MULTIPLIER = 5 };
enum { DX = 0, DSCALE = 1, DB = 2, DMULTIPLIER = 3 };

int ref_batch_norm_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!check(p, p->in[X], G_SCALE, G_MULTIPLIER + 1, 4, reason, reason_size))
    return 0;
  if (p->in[DY]->rank != p->in[X]->rank || p->in[DY]->count != p->in[X]->count)
    return ref_refuse(reason, reason_size, "BatchNormGrad: dy and x differ in shape");
  return 1;
}

/* h of n channels at one position. */
static void load_h(float *h, const float *x, int64_t step, const float *multiplier, const float *mean, const float *r,
                   int64_t n) {
  load_u(h, x, step, multiplier, n);
  for (int64_t c = 0; c < n; ++c)
    h[c] = (h[c] - mean[c]) * r[c];
}

static void gradient(const qe_call *call, const ref_loops *loops, int64_t channel, int64_t n) {
  const qe_problem *p = call->problem;
  const ref_channels dys = ref_channels_of(p->in[DY]), xs = ref_channels_of(p->in[X]), dxs = ref_channels_of(p->out[DX]);
  const int64_t count = ref_channels_elements(p->in[X]);
  const float *dy = (const float *)call->in[DY] + channel * dys.step, *x = (const float *)call->in[X] + channel * xs.step;
  float *dx = (float *)call->out[DX] + channel * dxs.step, *scratch = call->scratch;
  row multipliers, scale, mean, r, g, h, term;
  const float *multiplier = ref_has_in(p, G_MULTIPLIER) ? multipliers : NULL;
  ref_columns sum_b, sum_scale, sum_multiplier;
  ref_iter from, at, to;
  if (multiplier)
    load_vector(call, G_MULTIPLIER, channel, n, multipliers);
  load_vector(call, G_SCALE, channel, n, scale);
  load_vector(call, MEAN, channel, n, mean);
  load_vector(call, VARIANCE, channel, n, r);
  for (int64_t c = 0; c < n; ++c)
    r[c] = 1.0f / sqrtf(r[c] + p->params->epsilon);

  ref_columns_start(&sum_b, loops, scratch, n);
  ref_columns_start(&sum_scale, loops, scratch + ref_columns_floats(REF_CHANNELS), n);
  ref_channels_start(&from, &dys);
  ref_channels_start(&at, &xs);
  for (int64_t i = 0; i < count; ++i, ref_iter_next(&from), ref_iter_next(&at)) {
    ref_channels_load(g, dy + from.offset, dys.step, n);
    load_h(h, x + at.offset, xs.step, multiplier, mean, r, n);
    for (int64_t c = 0; c < n; ++c)
      term[c] = g[c] * h[c];
    ref_columns_add(&sum_b, g);
    ref_columns_add(&sum_scale, term);
  }
  const float *db = ref_columns_finish(&sum_b), *dscale = ref_columns_finish(&sum_scale);
  store_vector(call, DB, channel, n, db);
  store_vector(call, DSCALE, channel, n, dscale);

  ref_columns_start(&sum_multiplier, loops, scratch + 2 * ref_columns_floats(REF_CHANNELS), n);
  ref_channels_start(&from, &dys);
  ref_channels_start(&at, &xs);
  ref_channels_start(&to, &dxs);
  for (int64_t i = 0; i < count; ++i, ref_iter_next(&from), ref_iter_next(&at), ref_iter_next(&to)) {
    ref_channels_load(g, dy + from.offset, dys.step, n);
    load_h(h, x + at.offset, xs.step, multiplier, mean, r, n);
    ref_channels_load(term, x + at.offset, xs.step, n);
    for (int64_t c = 0; c < n; ++c) {
      const float du = (scale[c] * r[c]) * ((g[c] - db[c] / (float)count) - h[c] * (dscale[c] / (float)count));
      term[c] = du * term[c];
      g[c] = multiplier ? du * multiplier[c] : du;
    }
    ref_columns_add(&sum_multiplier, term);
    ref_channels_store(dx + to.offset, dxs.step, g, n);
  }
  store_vector(call, DMULTIPLIER, channel, n, ref_columns_finish(&sum_multiplier));
}

int ref_batch_norm_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const int64_t channels = call->problem->in[X]->dims[1];
  for (int64_t tile = tile_begin; tile < tile_end; ++tile)
    gradient(call, ref_loops_of(self), tile * REF_CHANNELS, ref_min64(REF_CHANNELS, channels - tile * REF_CHANNELS));
  return 0;
}
