/*
 * What the ops on products of codes share. An op describes its problem as a product (ConvTranspose: as several, its
 * phases); product.c and run.c cut it into tiles, pack its weight, and have a core multiply.
 *
 * A product has `parts` of equal size (groups of a convolution, batches of a MatMul), each of them rows times n columns.
 * Packed memory, for every phase: fb_q8_packed, the arrays of fb_q8_columns, then the packed weight of each part.
 */
#ifndef QE_CPU_Q8_PRODUCT_H
#define QE_CPU_Q8_PRODUCT_H

#include "batch.h"
#include "q8/core.h"

/* The weight of a part in memory: w(n, k), k running over `size` in row-major order. In elements. */
typedef struct fb_q8_codes {
  int64_t first, step_n, size[4], step[4];
} fb_q8_codes;

/*
 * Convolutions, brought to three spatial dimensions (missing leading ones have size 1). Tap t of output position o lies
 * at input position o * stride + first + t * dilation; the result of o goes to position o * y_stride + y_first.
 */
typedef struct fb_q8_window {
  int64_t in[3], out[3], kernel[3], stride[3], first[3], dilation[3];
  int64_t x_step[3], x_batch;
  int64_t y_step[3], y_batch, y_stride[3], y_first[3];
  int64_t part_step; /* input channels of a part */
  bool joined;       /* a run is a whole kernel row */
  bool gathered;     /* the whole window is copied into one run, and flipped */
  bool spread, copied; /* windows lie x_step apart, line by line; lines are copied with their padding, and flipped */
  int64_t taps, run; /* runs in x of a window, and their bytes */
  int64_t zeros;     /* bytes at the start of space: a run in the padding */
} fb_q8_window;

typedef struct fb_q8_matrices {
  int64_t a_m, a_k;
  fb_batch batch;
} fb_q8_matrices;

typedef struct fb_q8_found fb_q8_found;
typedef struct fb_q8_product fb_q8_product;
struct fb_q8_product {
  const qe_problem *problem;
  int64_t phases; /* products of the problem; this is one of them */
  int64_t parts, rows, n, taps, kc;
  uint8_t flip;       /* of fb_q8_block */
  int64_t zeros;      /* bytes at the start of space that are padding, x_run rows at a time; 0: no rows are such */
  int64_t line;       /* blocks are whole lines of this many rows (x_run of fb_q8_block); 0: of any */
  bool stepped;       /* of fb_q8_block */
  bool constant;      /* the weight is packed once */
  bool integer;       /* zero points are inputs (fb_q8_zero_in); the sums are the output */
  bool scaled;        /* of integer ones: scales are inputs 2 and 3, the bias is input 6; the output is real */
  bool own_columns;   /* every part has parameters of its own for its columns; else a constant weight has one part */
  fb_q8_codes w;
  int64_t pad;        /* codes for 0 that follow each kernel row of the weight */
  int64_t w_part;     /* elements from one part's weight to the next one's; find_batch says otherwise */
  int64_t merged;     /* groups in a part: channels of the others get a weight that stands for 0 */
  int64_t y_part, y_step;
  bool scattered;     /* rows of y do not lie y_step apart: see window */
  int64_t c_row, c_col; /* steps of the bias; c_row: Gemm's c differs from row to row */
  int64_t space, space_row; /* bytes that find_rows wants, and how many more for each row */
  void (*find_rows)(const fb_q8_product *p, fb_q8_found *f);
  void (*find_batch)(const fb_q8_product *p, int64_t part, int64_t *a, int64_t *b);
  union {
    fb_q8_window window;
    fb_q8_matrices matrices;
  } at;
};

/* Rows [first, first + count) of a part: x[r * taps + tap] and x_step as fb_q8_block wants them. */
struct fb_q8_found {
  const uint8_t *data; /* input 0 */
  const uint8_t *end;  /* and its end */
  uint8_t zero;        /* its zero point, as a code */
  int64_t part, first, count;
  uint8_t *space;
  const uint8_t **x;
  int64_t x_step, x_run;
};

typedef struct fb_q8_op {
  int (*supports)(const qe_problem *p, char *reason, size_t reason_size);
  void (*describe)(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out);
} fb_q8_op;
extern const fb_q8_op fb_q8_qgemm, fb_q8_qmatmul, fb_q8_qconv, fb_q8_qconv_transpose, fb_q8_matmul_integer,
    fb_q8_matmul_integer_to_float, fb_q8_conv_integer;

/* -- product.c, run.c: the functions of a kernel, for an op and a core --------------------------------------------- */

int fb_q8_supports(const fb_q8_op *op, const fb_q8_core *core, const qe_problem *p, char *reason, size_t reason_size);
int fb_q8_plan(const fb_q8_op *op, const fb_q8_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan);
int fb_q8_prepack(const fb_q8_op *op, const fb_q8_core *core, void *self, const qe_problem *p, void *packed);
int fb_q8_run(const fb_q8_op *op, const fb_q8_core *core, void *self, const qe_call *call, int64_t tile_begin,
              int64_t tile_end);

/* Before the columns of every phase. Sizes in bytes. */
typedef struct fb_q8_packed {
  uint64_t size; /* of the phase with this header; 0: it is the only one, and of one part */
  uint64_t part; /* of the packed weight of a part */
  uint64_t has_w_zeros; /* not for integer ops, which see them in a call */
  uint64_t reserved[5];
} fb_q8_packed;

/* -- cut.c: tiles and memory of a product with a core -------------------------------------------------------------- */

/* A tile: `rows` rows times either `parts` whole parts or `cols` columns of one. `block`: rows of a call of the core. */
typedef struct fb_q8_cut {
  int64_t rows, cols, parts, block, tiles;
} fb_q8_cut;
fb_q8_cut fb_q8_cut_of(const fb_q8_product *p, const fb_q8_core *core);

/* Offsets in scratch; `size` is that of all of it. */
typedef struct fb_q8_scratch {
  uint64_t x, row_sum, space, late, y, weight, core, size;
} fb_q8_scratch;
fb_q8_scratch fb_q8_scratch_of(const fb_q8_product *p, const fb_q8_core *core, const fb_q8_cut *cut);

/* -- columns.c: what is constant for a column ---------------------------------------------------------------------- */

/* Of every column, of all parts if they have their own: as in fb_q8_finish; sums: of w' over k. */
typedef struct fb_q8_columns {
  int32_t *bias, *zero, *sums;
  float *m, *real_bias;
} fb_q8_columns;
static inline int64_t fb_q8_columns_count(const fb_q8_product *p) { return p->own_columns ? p->parts * p->n : p->n; }
static inline uint64_t fb_q8_columns_size(int64_t count) { return 5 * 4 * (uint64_t)fb_round_up(count, 16); }
fb_q8_columns fb_q8_columns_at(const void *memory, int64_t count);
/* All but the sums, as far as they are constant. */
void fb_q8_columns_fill(const fb_q8_product *p, fb_q8_columns *c);
/* Must a call fill in columns? */
bool fb_q8_columns_late(const fb_q8_product *p);
/* Columns [n0, n1) of a part in a call: `late` from `known` (both of this part's column 0), the sums and the inputs. */
void fb_q8_columns_now(const fb_q8_product *p, const qe_call *call, int64_t part, int64_t n0, int64_t n1,
                       const fb_q8_columns *known, const fb_q8_columns *late);
/* The zero point of x: as the code that it is, and as x' has it; i: row of an integer product. */
uint8_t fb_q8_x_zero_code(const fb_q8_product *p, const qe_call *call);
int32_t fb_q8_x_zero(const fb_q8_product *p, const qe_call *call, int64_t i);
/* The input that is the zero point of x (side 0) or w (1) of an integer product, and that which is a bias of columns. */
static inline uint32_t fb_q8_zero_in(const fb_q8_product *p, uint32_t side) { return (p->scaled ? 4u : 2u) + side; }
static inline uint32_t fb_q8_bias_in(const fb_q8_product *p) { return p->scaled ? 6 : 2; }
bool fb_q8_has_bias(const fb_q8_product *p);
/* Can a weight be given more codes, such that stand for 0 in their columns? And those codes. */
static inline bool fb_q8_can_fill(const fb_q8_product *p) {
  return p->constant && (!p->integer || !fb_has_in(p->problem, fb_q8_zero_in(p, 1)) ||
                         p->problem->in[fb_q8_zero_in(p, 1)]->data);
}
uint8_t fb_q8_w_zero_code(const fb_q8_product *p, int64_t channel);
/* Does some weight have a zero point zw' other than 0? */
bool fb_q8_has_w_zeros(const fb_q8_product *p, const qe_call *call);

static inline uint8_t fb_q8_flip_x(const qe_problem *p) { return p->in[0]->dtype == QE_DT_I8 ? 0x80 : 0; }
static inline uint8_t fb_q8_flip_w(const qe_problem *p) { return p->in[1]->dtype == QE_DT_U8 ? 0x80 : 0; }

/* Do sums need the hand of by_rows.c, as something differs from row to row? Never with columns of a part's own. */
static inline bool fb_q8_by_rows(const fb_q8_product *p) {
  const qe_problem *q = p->problem;
  return p->c_row != 0 || (p->integer && !p->scaled && fb_has_in(q, 2) && q->in[2]->count > 1);
}

/* -- codes.c ------------------------------------------------------------------------------------------------------- */

/* The weight of a part as core.h wants constants: n rows of taps * kc codes. */
void fb_q8_codes_copy(const fb_q8_product *p, int64_t part, uint8_t *to);
/* A weight that is no constant as it lies: columns [n0, n1) of a part. */
fb_q8_weight fb_q8_codes_weight(const fb_q8_product *p, const void *data, int64_t part, int64_t n0, int64_t n1);

/* -- by_rows.c ----------------------------------------------------------------------------------------------------- */

/* Sums of rows [first, first + count) and all columns [n0, n1), count * n of them, become outputs. */
void fb_q8_finish_by_rows(const fb_q8_product *p, const qe_call *call, const fb_q8_columns *c, int64_t part,
                          int64_t first, int64_t count, int64_t n0, int64_t n1, int32_t *sums);

/* -- the engine's row_sums ----------------------------------------------------------------------------------------- */

/* sums[r] = sum of x' of a row */
void fb_q8_row_sums(const uint8_t *const *x, int64_t rows, int64_t taps, int64_t kc, uint8_t flip, int32_t *sums);

#endif
