/*
 * LSTM, GRU and RNN, each in one kernel. A tile is one direction of a group of sequences (rows of the batch). It walks
 * over time in chunks of steps: the inputs of a chunk are multiplied by W all at once, which reads W once for many
 * rows; then each step multiplies the rows' H by R and turns both sums into the new state. So memory does not grow with
 * time, and a step costs as much as R takes to come from where it fits.
 *
 * Only sequences that are still running are multiplied: their rows lie one behind another in every buffer.
 *
 * Three things vary: the op (fb_rnn_op), how its products are made (fb_rnn_maker), and the instruction set of what is
 * done element by element (fb_rnn_loops). Formulas: docs/numerics.md.
 */
#ifndef QE_CPU_RECURRENT_H
#define QE_CPU_RECURRENT_H

#include "fb.h"

/* Inputs of all these ops; only LSTM has C0 and P. */
enum { FB_RNN_X, FB_RNN_W, FB_RNN_R, FB_RNN_B, FB_RNN_LENGTHS, FB_RNN_H0, FB_RNN_C0, FB_RNN_P };

typedef struct fb_rnn_kind fb_rnn_kind;
typedef struct fb_rnn_job fb_rnn_job;

/* -- element by element: loops.inc --------------------------------------------------------------------------------- */

/* One sequence at one step; arrays of `n` (hidden) elements, those of gates one behind another. */
typedef struct fb_rnn_cell {
  int64_t n;
  const float *xg, *hg;  /* sums of the gates */
  float *h, *c;          /* the state */
  float *reset;          /* GRU: r, or r * H where that is what R multiplies */
  const float *peephole; /* LSTM, of i, o, f; or NULL */
  int functions[3];      /* QE_RNN_*, none of them DEFAULT */
  float clip;
  bool variant; /* LSTM: input_forget; GRU: linear_before_reset */
} fb_rnn_cell;

typedef struct fb_rnn_loops {
  void (*lstm)(const fb_rnn_cell *cell);
  void (*gru_reset)(const fb_rnn_cell *cell);
  void (*gru)(const fb_rnn_cell *cell);
  void (*rnn)(const fb_rnn_cell *cell);
  /* Widens a range that holds 0 by n elements. */
  void (*range)(const float *x, int64_t n, float *lo, float *hi);
  /* y = sat(rne(x / scale) + zero) */
  void (*quantize)(uint8_t *y, const float *x, int64_t n, float scale, int32_t zero);
  /* x = (float)(sat(rne(x / scale) + zero) - zero) * scale */
  void (*settle)(float *x, int64_t n, float scale, int32_t zero);
  /* bias = -zero * sum, m = scale * of: what is constant for a column of a product of codes. */
  void (*columns)(int32_t *bias, float *m, const int32_t *sums, const float *of, int64_t n, float scale, int32_t zero);
} fb_rnn_loops;

#define FB_RNN_LOOPS(isa, unused) extern const fb_rnn_loops fb_rnn_loops__##isa;
FB_VECTORS(FB_RNN_LOOPS, )
#undef FB_RNN_LOOPS

/* -- problems: shape.c --------------------------------------------------------------------------------------------- */

/* What is packed of a direction: W, R, and what of R multiplies r * H (GRU without linear_before_reset). */
enum { FB_RNN_INPUT, FB_RNN_GATES, FB_RNN_LATE, FB_RNN_MATRICES };

/* Columns [first, first + n) of the gates, sums of k terms; n 0: there is none. */
typedef struct fb_rnn_matrix {
  int64_t first, n, k;
} fb_rnn_matrix;

typedef struct fb_rnn_shape {
  int64_t steps, batch, inputs, hidden, gates, directions;
  int64_t group, groups; /* most sequences of a tile; tiles of a direction */
  int64_t chunk, rows;   /* most steps and rows of an input product */
  uint32_t x_time, x_batch, y_time, y_direction, y_batch, state_direction, state_batch; /* dimensions */
  fb_rnn_matrix matrix[FB_RNN_MATRICES];
} fb_rnn_shape;

fb_rnn_shape fb_rnn_shape_of(const fb_rnn_kind *kind, const qe_problem *p);
/* 1, or 0 with the reason: everything fits but types and shapes of W and R. */
int fb_rnn_check(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size);

/* -- what varies --------------------------------------------------------------------------------------------------- */

typedef struct fb_rnn_op {
  int64_t gates;
  bool cell;        /* has a cell state, and all that LSTM has with it */
  bool splits;      /* has FB_RNN_LATE, but for the variant */
  int functions[3]; /* those that are not named: QE_RNN_* */
  /* One step: xg, hg and `reset` of row i belong to sequence j->running[i]. h: the rows' H, which is j->h or a copy. */
  void (*step)(fb_rnn_job *j, const float *h, const float *xg);
} fb_rnn_op;
extern const fb_rnn_op fb_rnn_lstm, fb_rnn_gru, fb_rnn_rnn;

/* How products are made: f32.c, q8.c. Sizes in bytes. */
typedef struct fb_rnn_maker {
  bool whole; /* all sequences are one group, as they depend on one another */
  bool codes; /* X and Y are codes; H is rounded to Y's as soon as it is there */
  int64_t (*hidden)(const qe_problem *p);
  /* 1, or 0 with the reason: types and shapes of W and R, and what else it wants. */
  int (*supports)(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size);
  /* Bytes of a packed matrix of a direction; false: no memory to find out. */
  bool (*packed_size)(const fb_rnn_kind *kind, void *self, const qe_problem *p, int which, int64_t direction,
                      uint64_t *size);
  /* For up to `rows` rows at once. */
  uint64_t (*scratch_size)(const fb_rnn_kind *kind, void *self, const fb_rnn_matrix *m, int64_t rows);
  /* What is packed is constant, and so known before a call. */
  bool (*constant)(const fb_rnn_kind *kind, const qe_problem *p);
  /* Packs a matrix of a direction, without a call of constants, and says how many bytes that are; false: no memory. */
  bool (*pack)(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int which,
               int64_t direction, void *packed, uint64_t *size);
  /* Before the first step, states being loaded; or NULL. */
  void (*begin)(fb_rnn_job *j);
  /* Of each row x[k] (of X: codes, if it holds codes) the n sums of the matrix, bias added, to y; rows of y lie
   * gates * hidden apart. */
  void (*multiply)(const fb_rnn_job *j, int which, const float *x, int64_t rows, float *y);
} fb_rnn_maker;
extern const fb_rnn_maker fb_rnn_f32, fb_rnn_dynamic, fb_rnn_codes;

struct fb_rnn_kind {
  const fb_rnn_op *op;
  const fb_rnn_maker *maker;
  const void *core; /* the maker's */
  const void *many; /* of codes: the core of constants times many rows, which may be the same */
  const fb_rnn_loops *loops;
};

/* A tile at work; what is no constant lies in scratch. */
struct fb_rnn_job {
  const fb_rnn_kind *kind;
  void *self;
  const qe_call *call;
  const qe_problem *p;
  fb_rnn_shape s;
  int64_t direction, first, count; /* sequences [first, first + count) */
  bool backward;
  const char *packed[FB_RNN_MATRICES];
  const float *bias[FB_RNN_MATRICES]; /* of the matrix's columns, or NULL */
  fb_rnn_cell cell;                   /* what is the same for all sequences */
  int64_t *length;                    /* of each sequence */
  int64_t *running, rows;             /* sequences that run at the step at hand, ascending, and how many */
  float *h, *c;                       /* of each sequence */
  void *x;                            /* of rows: inputs of a chunk, as X has them */
  float *live, *reset, *xg, *hg;      /* of rows: H, ... */
  void *product;                      /* scratch of the maker */
  float x_scale, y_scale;             /* of the codes of X, and of Y, if there are any */
  int32_t x_zero, y_zero;             /* as of uint8 codes */
};

/* -- the functions of a kernel: plan.c, walk.c ------------------------------------------------------------------- */

/* Offsets in scratch. */
typedef struct fb_rnn_scratch {
  uint64_t bias, peephole, length, running, h, c, x, live, reset, xg, hg, product, packed, size;
} fb_rnn_scratch;
/* `packed` is where the packed matrices of a direction go that are no constants; `size` is without them. */
fb_rnn_scratch fb_rnn_scratch_of(const fb_rnn_kind *kind, void *self, const fb_rnn_shape *s);
/* What is packed of a direction begins with this. */
typedef struct fb_rnn_index {
  uint64_t at[FB_RNN_MATRICES]; /* bytes from here on; multiples of 64 */
  uint64_t size;                /* of all of the direction */
  uint64_t reserved[4];
} fb_rnn_index;
bool fb_rnn_pack(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int64_t direction,
                 void *packed);

/* Elements of input i: a constant's, or the call's. */
static inline const void *fb_rnn_data(const qe_problem *p, const qe_call *call, uint32_t i) {
  return call ? call->in[i] : p->in[i]->data;
}

int fb_rnn_supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size);
int fb_rnn_plan(const fb_rnn_kind *kind, void *self, const qe_problem *p, qe_kernel_plan *plan);
int fb_rnn_prepack(const fb_rnn_kind *kind, void *self, const qe_problem *p, void *packed);
int fb_rnn_run(const fb_rnn_kind *kind, void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);

#endif
