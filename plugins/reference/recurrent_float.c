/*
 * The float32 kernels of LSTM, GRU and RNN: xg = sum_k x_k * W_k + Wb and hg = sum_k h_k * R_k + Rb in the order of
 * accum.h; without B nothing is added. W and R are packed with the gates innermost.
 */
#include <math.h>

#include "accum.h"
#include "recurrent.h"

enum { GATE_DIM = 1 };

typedef struct float_walk {
  ref_rnn_walk walk; /* first: the callbacks get a pointer to it */
  const float *w, *r; /* [inputs][gates * hidden], [hidden][gates * hidden] */
  float *accum;
} float_walk;

int ref_recurrent_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size) {
  return ref_recurrent_check(p, op, GATE_DIM, reason, reason_size);
}

static bool packs(const qe_problem *p) { return p->in[REF_RNN_W]->data && p->in[REF_RNN_R]->data; }

static int64_t packed_floats(const ref_recurrent *s) { return (s->inputs + s->hidden) * s->gates * s->hidden; }

int ref_recurrent_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  const uint64_t per_direction = sizeof(float) * (uint64_t)packed_floats(&s);
  plan->tiles = s.directions * s.batch;
  plan->packed_size = packs(p) ? per_direction * (uint64_t)s.directions : 0;
  plan->scratch_size = ref_recurrent_scratch(&s, 1) + sizeof(float) * ref_accum_floats(s.gates * s.hidden) +
                       (packs(p) ? 0 : per_direction);
  return 0;
}

/* [gates * hidden][columns] with strides -> [columns][gates * hidden] */
static void pack_matrix(const qe_operand *o, const float *data, int64_t direction, float *to) {
  data += direction * o->strides[0];
  for (int64_t k = 0; k < o->dims[2]; ++k)
    for (int64_t i = 0; i < o->dims[1]; ++i)
      *to++ = data[i * o->strides[1] + k * o->strides[2]];
}

static void pack_direction(const qe_problem *p, const ref_recurrent *s, const float *w, const float *r,
                           int64_t direction, float *to) {
  pack_matrix(p->in[REF_RNN_W], w, direction, to);
  pack_matrix(p->in[REF_RNN_R], r, direction, to + s->inputs * s->gates * s->hidden);
}

int ref_recurrent_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  for (int64_t d = 0; d < s.directions; ++d)
    pack_direction(p, &s, p->in[REF_RNN_W]->data, p->in[REF_RNN_R]->data, d, (float *)packed + d * packed_floats(&s));
  return 0;
}

static void gate_sums(const float_walk *f, float *to, const float *bias, const float *x, int64_t x_step,
                      const float *w, int64_t k, int64_t n) {
  const ref_recurrent *s = &f->walk.shape;
  ref_accum a;
  ref_accum_start(&a, f->walk.loops, f->accum, n);
  ref_accum_panel(&a, 0, x, x_step, w, s->gates * s->hidden, k);
  f->walk.loops->finish_f32(to, ref_accum_finish(&a, k), bias, -INFINITY, INFINITY, n);
}

static void input(ref_rnn_walk *w, const int64_t *x_at) {
  const float_walk *f = (const float_walk *)(const void *)w;
  gate_sums(f, w->xg, w->wb, (const float *)w->call->in[REF_RNN_X] + x_at[0], w->p->in[REF_RNN_X]->strides[2], f->w,
            w->shape.inputs, w->shape.gates * w->shape.hidden);
}

static void hidden(ref_rnn_walk *w, const float *from, int64_t gate, int64_t gates) {
  const float_walk *f = (const float_walk *)(const void *)w;
  const int64_t first = gate * w->shape.hidden;
  gate_sums(f, w->hg + first, w->rb ? w->rb + first : NULL, from, 1, f->r + first, w->shape.hidden,
            gates * w->shape.hidden);
}

int ref_recurrent_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    float_walk f = {.walk = {.call = call,
                             .p = p,
                             .op = op,
                             .loops = ref_loops_of(self),
                             .shape = s,
                             .direction = tile / s.batch,
                             .first_row = tile % s.batch,
                             .rows = 1,
                             .input = input,
                             .hidden = hidden}};
    f.accum = ref_recurrent_begin(&f.walk, call->scratch);
    if (!f.accum)
      return 1;
    float *own = f.accum + ref_accum_floats(s.gates * s.hidden);
    f.w = own;
    if (packs(p))
      f.w = (const float *)call->packed + f.walk.direction * packed_floats(&s);
    else
      pack_direction(p, &s, call->in[REF_RNN_W], call->in[REF_RNN_R], f.walk.direction, own);
    f.r = f.w + s.inputs * s.gates * s.hidden;
    ref_recurrent_walk(&f.walk);
  }
  return 0;
}
