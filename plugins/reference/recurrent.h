/*
 * What LSTM, GRU and RNN share: shapes, packed weights, and the walk over time, directions and batch. A tile is one
 * sequence in one direction.
 *
 * The gates' inputs are two sums each (accum.h): xg = sum_k x_k * W_k + Wb and hg = sum_k h_k * R_k + Rb; without B
 * nothing is added. A clip threshold bounds the input of every activation.
 */
#ifndef QE_REFERENCE_RECURRENT_H
#define QE_REFERENCE_RECURRENT_H

#include "accum.h"

enum { REF_RNN_X, REF_RNN_W, REF_RNN_R, REF_RNN_B, REF_RNN_LENGTHS, REF_RNN_H0, REF_RNN_C0, REF_RNN_P };

typedef struct ref_recurrent {
  int64_t steps, batch, inputs, hidden, gates, directions;
} ref_recurrent;

/* One sequence in one direction at work. Arrays of `gates * hidden` or `hidden` floats. */
typedef struct ref_cell {
  const qe_problem *p;
  const ref_loops *loops;
  ref_recurrent shape;
  int64_t direction;
  const float *w, *r;    /* [inputs][gates * hidden], [hidden][gates * hidden] */
  const float *wb, *rb;  /* biases or NULL */
  const float *peephole; /* [3 * hidden] or NULL */
  float *xg, *hg;        /* sums for the gates */
  float *h, *c;          /* the state */
  float *extra;          /* [hidden], for the step's own use */
  float *accum;          /* scratch of the sums */
} ref_cell;

/* Advances the state by one element of the sequence, whose xg is ready. */
typedef void (*ref_cell_step)(ref_cell *cell);

ref_recurrent ref_recurrent_shape(const qe_problem *p, int64_t gates);
int ref_recurrent_supports(const qe_problem *p, int64_t gates, char *reason, size_t reason_size);
int ref_recurrent_plan(const qe_problem *p, int64_t gates, qe_kernel_plan *plan);
int ref_recurrent_prepack(const qe_problem *p, int64_t gates, void *packed);
int ref_recurrent_run(void *self, const qe_call *call, int64_t gates, ref_cell_step step, int64_t tile_begin,
                      int64_t tile_end);

/* hg[first .. first + n) from the vector h. */
void ref_cell_hidden(ref_cell *cell, const float *h, int64_t first, int64_t n);
/* Activation number `which` of this direction (params.perm), of x clipped; fallback: the op's default, QE_RNN_*. */
float ref_cell_activate(const ref_cell *cell, int which, int fallback, float x);

#endif
