/*
 * SgdUpdate and AdamUpdate, any strides: new weights and moments from weights w, gradients g, moments and a vector of
 * hyperparameters, as docs/numerics.md writes them.
 */
#include <math.h>

#include "nest.h"

enum { MOST = 7 }; /* operands: weights and moments, before and after, and the gradient */

/* The outputs, then the inputs of their shape: n of them each, and the gradient. */
static void operands(ref_nest *nest, const qe_problem *p, uint32_t n) {
  ref_nest_init(nest, p->out[0]->rank, p->out[0]->dims);
  for (uint32_t i = 0; i < n; ++i)
    ref_nest_add(nest, ref_has_out(p, i) ? p->out[i]->strides : p->in[0]->strides);
  for (uint32_t i = 0; i <= n; ++i)
    ref_nest_add(nest, p->in[i]->strides);
  ref_nest_close(nest);
}

/* Where element i of a piece lies in each operand. */
static void locate(const ref_walk *w, int64_t i, int64_t at[MOST]) {
  for (uint32_t k = 0; k < w->nest->n; ++k)
    at[k] = w->offset[k] + i * w->step[k];
}

int ref_optimizer_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  ref_flat_plan(self, p, plan);
  plan->flags = ref_same_strides(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int ref_sgd_update_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const float *w = call->in[0], *g = call->in[1], *m = call->in[2], *hyper = call->in[3];
  float *new_w = call->out[0], *new_m = call->out[1];
  const int64_t step = p->in[3]->strides[0];
  const float lr = hyper[0], momentum = hyper[step], weight_decay = hyper[2 * step], grad_scale = hyper[3 * step];
  int64_t begin, end, at[MOST];
  ref_nest nest;
  operands(&nest, p, 2);
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk walk;
  for (ref_walk_start(&walk, &nest, begin, end); walk.n > 0; ref_walk_next(&walk))
    for (int64_t i = 0; i < walk.n; ++i) {
      locate(&walk, i, at);
      const float weight = w[at[2]];
      const float gradient = g[at[3]] * grad_scale + weight_decay * weight;
      const float moment = momentum * m[at[4]] + gradient;
      const float update = p->params->mode == 1 ? gradient + momentum * moment : moment;
      new_w[at[0]] = weight - lr * update;
      if (new_m)
        new_m[at[1]] = moment;
    }
  return 0;
}

int ref_adam_update_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  enum { STEP, B1, B2, EPS, WEIGHT_DECAY, GRAD_SCALE, ROOT, DECAY, HYPER };
  const qe_problem *p = call->problem;
  const float *w = call->in[0], *g = call->in[1], *m = call->in[2], *v = call->in[3];
  float *new_w = call->out[0], *new_m = call->out[1], *new_v = call->out[2], h[HYPER];
  for (int64_t i = 0; i < HYPER; ++i)
    h[i] = ((const float *)call->in[4])[i * p->in[4]->strides[0]];
  int64_t begin, end, at[MOST];
  ref_nest nest;
  operands(&nest, p, 3);
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk walk;
  for (ref_walk_start(&walk, &nest, begin, end); walk.n > 0; ref_walk_next(&walk))
    for (int64_t i = 0; i < walk.n; ++i) {
      locate(&walk, i, at);
      const float weight = w[at[3]];
      const float gradient = g[at[4]] * h[GRAD_SCALE] + h[WEIGHT_DECAY] * weight;
      const float first = h[B1] * m[at[5]] + (1.0f - h[B1]) * gradient;
      const float second = h[B2] * v[at[6]] + (1.0f - h[B2]) * (gradient * gradient);
      const float deviation = sqrtf(second) / h[ROOT] + h[EPS];
      new_w[at[0]] = (weight - h[DECAY] * weight) - h[STEP] * (first / deviation);
      if (new_m)
        new_m[at[1]] = first;
      if (new_v)
        new_v[at[2]] = second;
    }
  return 0;
}
