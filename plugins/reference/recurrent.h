/*
 * What LSTM, GRU and RNN share, in float, on codes, or dynamically quantized: shapes, states, the formulas of a cell,
 * and the walk over time. The ops differ in gates and formulas (ref_rnn_op); the kernels differ in how the gates' sums
 * xg = x * W + Wb and hg = h * R + Rb come about (ref_rnn_walk.input, .hidden).
 *
 * A walk takes a group of rows (sequences of the batch) through time in one direction, all at the same step: step s of
 * a row is time s, or length - 1 - s backwards; a row takes part while s < length. A float kernel walks one row at a
 * time, those over codes the whole batch: dynamic codes of H depend on all of its rows.
 */
#ifndef QE_REFERENCE_RECURRENT_H
#define QE_REFERENCE_RECURRENT_H

#include "ref.h"

enum { REF_RNN_X, REF_RNN_W, REF_RNN_R, REF_RNN_B, REF_RNN_LENGTHS, REF_RNN_H0, REF_RNN_C0, REF_RNN_P };

typedef struct ref_recurrent {
  int64_t steps, batch, inputs, hidden, gates, directions;
} ref_recurrent;

/* One row at work. Arrays of `gates * hidden` or `hidden` floats. */
typedef struct ref_cell {
  const qe_problem *p;
  int64_t hidden, direction;
  const float *peephole; /* [3 * hidden] or NULL */
  const float *xg, *hg;  /* sums for the gates, biases included */
  float *h, *c;          /* the state */
  float *reset;          /* what `reset` leaves for `finish`; 0 for a row that is over */
} ref_cell;

typedef struct ref_rnn_op {
  int64_t gates;
  bool has_cell; /* C and peepholes: LSTM */
  /* Between the sums: fills cell->reset, from which the last gate's hg comes unless linear_before_reset. NULL: none. */
  void (*reset)(const ref_cell *cell);
  /* Advances the state; every sum is ready. */
  void (*finish)(const ref_cell *cell);
} ref_rnn_op;

extern const ref_rnn_op ref_lstm_op, ref_gru_op, ref_rnn_only_op;

/* Activation number `which` of the direction (params.perm), of x clipped; fallback: the op's default, QE_RNN_*. */
float ref_cell_activate(const ref_cell *cell, int which, int fallback, float x);

/* The state operands there are; LSTM alone has the last two. */
static inline bool ref_rnn_has_in(const qe_problem *p, const ref_rnn_op *op, uint32_t i) {
  return ref_has_in(p, i) && (op->has_cell || i < REF_RNN_C0);
}

/* gate_dim: the dimension of W and R that the gates run along: 1, but 2 in the dynamic ops. */
ref_recurrent ref_recurrent_shape(const qe_problem *p, const ref_rnn_op *op, uint32_t gate_dim);
/* Shapes, and the types of all but W and R: 1, or 0 with the reason. */
int ref_recurrent_check(const qe_problem *p, const ref_rnn_op *op, uint32_t gate_dim, char *reason, size_t reason_size);

typedef struct ref_rnn_walk ref_rnn_walk;
struct ref_rnn_walk {
  const qe_call *call;
  const qe_problem *p;
  const ref_rnn_op *op;
  const ref_loops *loops;
  ref_recurrent shape;
  int64_t direction, first_row, rows;
  /* xg of every row that takes part: x_at[row] is the offset of its x in X, -1 for a row that is over. */
  void (*input)(ref_rnn_walk *w, const int64_t *x_at);
  /* hg of gates [gate, gate + gates) from [rows][hidden] vectors. */
  void (*hidden)(ref_rnn_walk *w, const float *from, int64_t gate, int64_t gates);
  /* Rounds one row's new H, the initial one included. NULL: it stays. */
  void (*settle)(const ref_rnn_walk *w, float *h);
  /* set by ref_recurrent_begin, within the scratch it was given */
  const float *wb, *rb, *peephole; /* biases, peepholes, or NULL */
  float *xg, *hg;                  /* [rows][gates * hidden] */
  float *h, *c, *reset;            /* [rows][hidden] */
  int64_t *lengths, *x_at;         /* [rows] */
};

/* Bytes of scratch of a walk over so many rows. */
uint64_t ref_recurrent_scratch(const ref_recurrent *s, int64_t rows);
/* Lays out the scratch, loads states, biases, lengths. Returns what lies behind it; NULL: a length is impossible. */
void *ref_recurrent_begin(ref_rnn_walk *w, void *scratch);
/* All steps; writes Y and the final states. */
void ref_recurrent_walk(ref_rnn_walk *w);

/* The kernels in float32 (recurrent_float.c). A tile is one row in one direction. */
int ref_recurrent_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size);
int ref_recurrent_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan);
int ref_recurrent_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed);
int ref_recurrent_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin, int64_t tile_end);

/* On codes (recurrent_static.c). A tile is one direction. */
int ref_recurrent_static_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size);
int ref_recurrent_static_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan);
int ref_recurrent_static_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed);
int ref_recurrent_static_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin,
                             int64_t tile_end);

/* Dynamically quantized (recurrent_dynamic.c). A tile is one direction. */
int ref_recurrent_dynamic_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size);
int ref_recurrent_dynamic_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan);
int ref_recurrent_dynamic_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed);
int ref_recurrent_dynamic_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin,
                              int64_t tile_end);

/* The four functions of an op's row of kernels.def: the family's, with the op's formulas. */
#define REF_RECURRENT_KERNEL(name, family, op)                                                               \
  int ref_##name##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {             \
    (void)self;                                                                                              \
    return family##_supports(p, &op, reason, reason_size);                                                   \
  }                                                                                                          \
  int ref_##name##_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {                             \
    (void)self;                                                                                              \
    return family##_plan(p, &op, plan);                                                                      \
  }                                                                                                          \
  int ref_##name##_prepack(void *self, const qe_problem *p, void *packed) {                                  \
    (void)self;                                                                                              \
    return family##_prepack(p, &op, packed);                                                                 \
  }                                                                                                          \
  int ref_##name##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {              \
    return family##_run(self, call, &op, tile_begin, tile_end);                                              \
  }

#endif
