/*
 * Integer matrix products: what a core (one way to multiply on one instruction set) is asked to do, and what the ops
 * (gemm, matmul, convolutions) ask for. An op turns its problem into rows of uint8 codes and a packed weight; a core
 * multiplies blocks of rows with columns and finishes them. Ops know nothing of instruction sets, cores nothing of ops.
 *
 *   codes: q = clamp(rne((float)acc * m_c) + zy)          acc = sum (x - zx) * (w - zw) + bias, exact in int32
 *   real:  y = act((float)acc * m_c + bias_c)             (acc without bias; docs/numerics.md)
 *   sums:  y = acc
 *
 * Cores see x as uint8 (int8 codes are flipped by 0x80 and the zero point with them) and w as int8 (uint8 flipped
 * likewise). With x', w' the flipped codes and zx', zw' their zero points, modulo 2^32:
 *   acc = sum x' w'  -  zx' sum w'  -  zw' (sum x' - K zx')  +  bias
 * The second term is a constant of the column (folded into bias by the op, from the sums that pack() gives), the third
 * is there only for columns with zw' != 0.
 */
#ifndef QE_CPU_Q8_CORE_H
#define QE_CPU_Q8_CORE_H

#include "fb.h"

/*
 * A weight as it lies in memory: column n of the product is w'(n, k), k = tap * kc + c. Constants come as rows of a
 * column each (step_n: taps * kc, step_tap: kc, step_c: 1), other weights with any steps. taps * kc may be 0.
 */
typedef struct fb_q8_weight {
  const uint8_t *data;
  uint8_t flip;      /* 0x80: uint8 codes */
  int64_t n, taps, kc;
  int64_t step_n, step_tap, step_c; /* elements */
} fb_q8_weight;

static inline int64_t fb_q8_depth(const fb_q8_weight *w) { return w->taps * w->kc; }
static inline int8_t fb_q8_weight_at(const fb_q8_weight *w, int64_t n, int64_t tap, int64_t c) {
  return (int8_t)(w->data[n * w->step_n + tap * w->step_tap + c * w->step_c] ^ w->flip);
}

/* How sums become outputs. Arrays are per column of the group (index n); constant for all blocks of a call. */
typedef struct fb_q8_finish {
  enum { FB_Q8_CODES, FB_Q8_REAL, FB_Q8_SUMS } to;
  const int32_t *bias;      /* codes: bias - zx' sum w'; real and sums: - zx' sum w'. Never NULL */
  const float *m;           /* codes, real: the multipliers */
  const float *real_bias;   /* real: added after the product; NULL: none */
  const int32_t *col_zero;  /* zw'; NULL: all 0 */
  int32_t zero, lo, hi;     /* codes: zy and the clamp of the code, both as the type has them */
  float act_lo, act_hi;     /* real */
} fb_q8_finish;

/*
 * Rows [0, rows) times columns [n0, n1). Row r is the concatenation of `taps` runs of kc bytes at x[r * taps + tap],
 * of which exactly kc bytes may be read; the core applies `flip`. Output (r, n) goes to element r * y_step + n of y.
 */
typedef struct fb_q8_block {
  const uint8_t *const *x;
  int64_t rows, taps, kc;
  uint8_t flip;
  /* x[r + 1] == x[r] + x_step for every tap, but where the next x_run rows begin (0: never); x_step 0: not so. */
  int64_t x_step, x_run;    /* rows: a multiple of x_run */
  bool stepped;             /* x has but the runs of the first of every x_run rows */
  const int32_t *row_sum;   /* sum x' - K zx' of each row when finish->col_zero is there; else NULL */
  const void *packed;       /* what pack() wrote for the whole weight */
  int64_t n, n0, n1;        /* n0 a multiple of the core's cols; n1 too, or n */
  const fb_q8_finish *finish;
  void *y;                  /* of column 0 and row 0; uint8/int8, float or int32 elements */
  int64_t y_step;
  void *scratch;            /* scratch_size bytes, 64-byte aligned */
  int64_t l1d;              /* bytes of the first-level cache */
  bool same_rows;           /* the rows are those of the call before (on this scratch): packed rows may be used again */
  /* Runs that begin within these bytes are x' of 0 and may be left out; the same taps of every x_run rows. */
  const uint8_t *zeros;
  int64_t zeros_size;
} fb_q8_block;

static inline bool fb_q8_is_zeros(const fb_q8_block *b, const uint8_t *run) {
  return (uintptr_t)run - (uintptr_t)b->zeros < (uintptr_t)b->zeros_size;
}

typedef struct fb_q8_core {
  const char *name;
  int64_t rows;             /* most rows of a block */
  int64_t cols;             /* columns come in multiples of this; several of it are better than one */
  int64_t run;              /* runs of a multiple of this that need no flip are read in place; 0: it copies anyway */
  bool lines;               /* it leaves out zeros, so rows of a convolution had better come as x_run ones */
  bool steps;               /* with lines: blocks may be stepped, which suits runs that were no multiple of `run` */
  bool even;                /* rows that lie one step apart spare it copying them; then run is not 0 */
  int64_t fewest;           /* rows of a product below which it is another core's; 0: none */
  bool dynamic;             /* pack() is cheap enough to be called in run() for weights that are no constants */
  /* Bytes of a packed weight; a core that is not dynamic may look at the codes, others get no data here. */
  uint64_t (*packed_size)(const fb_q8_weight *w);
  /* Packs it and writes the sum of w' over k of every column. */
  void (*pack)(const fb_q8_weight *w, void *packed, int32_t *sums);
  uint64_t (*scratch_size)(int64_t rows, int64_t n, int64_t taps, int64_t kc);
  void (*block)(const fb_q8_block *b);
} fb_q8_core;

#define FB_Q8_CORE(core, isa, offset, unused) extern const fb_q8_core fb_q8_##core##__##isa;
FB_Q8_CORES(FB_Q8_CORE, )
#undef FB_Q8_CORE

#endif
