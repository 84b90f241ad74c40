/*
 * The int8 matrix product behind Gemm and MatMul: uint8 activations, int8 weights, uint8 results.
 *
 *   y[i][j] = clamp(rne((float)acc * m[j]) + zy),  acc = sum over k of (a[i][k] - za) * (b[k][j] - zb[j]) + bias,
 *   m[j] = (sa * sb[j]) / sy
 *
 * The sum is exact in int32; every float operation is rounded once, in the order written. A tile is ROWS x COLS
 * elements of y. Packed memory holds the multipliers, then, of a constant B, panels of NR columns; a B that is no
 * constant is packed into scratch by the tiles that need it.
 */
#include "gemm.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 8 * MR, COLS = 256, PANELS = COLS / NR };

static int64_t ceil_div(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

typedef struct product {
  int64_t m, n, k, batches;
  int64_t a_row, a_col, b_row, b_col; /* strides in elements */
  int packed_once;                    /* B is one constant matrix: packed when the plan is made, not in every run */
} product;

/* Dimensions counted from the end, 1 being the last; those that are not there have size 1. */
static int64_t dim(const qe_operand *o, int from_end) {
  return from_end <= o->rank ? o->dims[o->rank - from_end] : 1;
}
static int64_t stride(const qe_operand *o, int from_end) {
  return from_end <= o->rank ? o->strides[o->rank - from_end] : 0;
}

static const qe_operand *bias_of(const qe_problem *p) {
  return p->n_in > 2 ? p->in[2] : NULL;
}

static int is_gemm(const qe_problem *p) {
  return strcmp(p->op, "Gemm") == 0;
}

static int transposes_b(const qe_problem *p) {
  return is_gemm(p) && p->params->trans_b;
}

static product product_of(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const int ta = is_gemm(p) && p->params->trans_a, tb = transposes_b(p);
  const int vector = b->rank == 1; /* MatMul by a vector: a matrix of one column, whose dimension is not there */
  const int b_row = tb || vector ? 1 : 2, b_col = vector ? QE_MAX_RANK + 1 : tb ? 2 : 1;
  product g = {.m = dim(a, ta ? 1 : 2),
               .n = dim(b, b_col),
               .k = dim(a, ta ? 2 : 1),
               .batches = 1,
               .a_row = stride(a, ta ? 1 : 2),
               .a_col = stride(a, ta ? 2 : 1),
               .b_row = stride(b, b_row),
               .b_col = stride(b, b_col),
               .packed_once = b->data != NULL && b->rank <= 2};
  for (int i = 3; i <= QE_MAX_RANK; i++) g.batches *= dim(a, i) == 1 ? dim(b, i) : dim(a, i);
  return g;
}

/* Where the operands of a batch begin; dimensions of size 1 repeat. */
static void batch_offsets(const qe_problem *p, int64_t batch, int64_t *at_a, int64_t *at_b) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  *at_a = *at_b = 0;
  for (int i = 3; i <= QE_MAX_RANK; i++) {
    const int64_t size = dim(a, i) == 1 ? dim(b, i) : dim(a, i), index = batch % size;
    if (dim(a, i) > 1) *at_a += index * stride(a, i);
    if (dim(b, i) > 1) *at_b += index * stride(b, i);
    batch /= size;
  }
}

/* The largest |code - zero point|. */
static int64_t reach(const qe_operand *o, int32_t lowest, int32_t highest) {
  int64_t most = 0;
  for (uint32_t i = 0; i < o->q_count; i++) {
    const int64_t down = (int64_t)o->zero_points[i] - lowest, up = (int64_t)highest - o->zero_points[i];
    most = down > most ? down : most;
    most = up > most ? up : most;
  }
  return most;
}

/* No is a proper answer; yes is a promise that plan, prepack and run keep. */
int acme_gemm_supports(void *self, const qe_problem *p, char *reason, size_t size) {
  const qe_operand *a = p->in[0], *b = p->in[1], *c = bias_of(p), *y = p->out[0];
  const product g = product_of(p);
  const int channels_from_end = transposes_b(p) ? 2 : 1;
  (void)self;
  if (a->q_count != 1 || y->q_count != 1 || b->q_count == 0) {
    snprintf(reason, size, "A and Y need one scale each, B one or one for each column");
    return 0;
  }
  if (b->q_count > 1 && (b->q_count != g.n || b->q_axis != b->rank - channels_from_end || b->rank < 2)) {
    snprintf(reason, size, "B has %u scales along dimension %d, expected one for each of %lld columns",
             (unsigned)b->q_count, (int)b->q_axis, (long long)g.n);
    return 0;
  }
  if (c && c->dtype != QE_DT_I32) {
    snprintf(reason, size, "the bias has type %d, expected int32", c->dtype);
    return 0;
  }
  if (is_gemm(p) && (p->params->alpha != 1.0f || (c && p->params->beta != 1.0f))) {
    snprintf(reason, size, "alpha is %g and beta %g, expected 1", (double)p->params->alpha, (double)p->params->beta);
    return 0;
  }
  /* The host looks at constant weights itself; for others only the kernel can promise that the sum fits. */
  const int64_t most = reach(a, 0, 255) * reach(b, -128, 127);
  if (!b->data && most > 0 && g.k > INT32_MAX / most) {
    snprintf(reason, size, "a sum of %lld products of up to %lld could leave int32", (long long)g.k, (long long)most);
    return 0;
  }
  return 1;
}

static int64_t pairs_of(const product *g) {
  return ceil_div(g->k, KR);
}

static int64_t panel_size(const product *g) {
  return pairs_of(g) * KR * NR;
}

/* Packed memory: the multipliers, padded to whole cache lines, then the panels. */
static int64_t multiplier_bytes(const product *g) {
  return ceil_div(g->n, 16) * 64;
}

int acme_gemm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  const product g = product_of(p);
  const int64_t panels = ceil_div(g.n, NR), own = g.packed_once ? 0 : least(panels, PANELS);
  (void)self;
  plan->tiles = g.batches * ceil_div(g.m, ROWS) * ceil_div(g.n, COLS);
  plan->packed_size = (uint64_t)(multiplier_bytes(&g) + (g.packed_once ? 2 * panels * panel_size(&g) : 0));
  plan->scratch_size = (uint64_t)(2 * (pairs_of(&g) * KR * MR + own * panel_size(&g)));
  return 0;
}

static void pack_panel(const product *g, const qe_operand *b, const int8_t *codes, int64_t panel, int16_t *to) {
  memset(to, 0, 2 * (size_t)panel_size(g));
  for (int64_t c = 0; c < least(NR, g->n - panel * NR); c++) {
    const int64_t col = panel * NR + c;
    const int32_t zero = b->zero_points[b->q_count > 1 ? col : 0];
    for (int64_t k = 0; k < g->k; k++)
      to[(k / KR * NR + c) * KR + k % KR] = (int16_t)(codes[k * g->b_row + col * g->b_col] - zero);
  }
}

int acme_gemm_prepack(void *self, const qe_problem *p, void *packed) {
  const qe_operand *a = p->in[0], *b = p->in[1], *y = p->out[0];
  const product g = product_of(p);
  float *multipliers = packed;
  int16_t *panels = (int16_t *)((char *)packed + multiplier_bytes(&g));
  (void)self;
  memset(multipliers, 0, (size_t)multiplier_bytes(&g));
  for (int64_t col = 0; col < g.n; col++) {
    const float scales = a->scales[0] * b->scales[b->q_count > 1 ? col : 0];
    multipliers[col] = scales / y->scales[0];
  }
  for (int64_t i = 0; g.packed_once && i < ceil_div(g.n, NR); i++)
    pack_panel(&g, b, b->data, i, panels + i * panel_size(&g));
  return 0;
}

static void pack_rows(const product *g, int32_t zero, const uint8_t *codes, int64_t row, int64_t rows, int16_t *to) {
  const int64_t odd = g->k % KR, pairs = g->k / KR;
  for (int64_t r = 0; r < MR; r++, to += KR) {
    const uint8_t *from = codes + (row + r) * g->a_row;
    for (int64_t i = 0; i < pairs; i++) {
      to[i * KR * MR] = (int16_t)(r < rows ? from[KR * i * g->a_col] - zero : 0);
      to[i * KR * MR + 1] = (int16_t)(r < rows ? from[(KR * i + 1) * g->a_col] - zero : 0);
    }
    if (odd) to[pairs * KR * MR] = (int16_t)(r < rows ? from[(g->k - 1) * g->a_col] - zero : 0);
    if (odd) to[pairs * KR * MR + 1] = 0;
  }
}

void acme_multiply_6x16__c(int64_t pairs, const int16_t *a, const int16_t *b, int32_t acc[MR][NR]) {
  memset(acc, 0, sizeof(int32_t) * MR * NR);
  for (int64_t i = 0; i < pairs; i++, a += KR * MR, b += KR * NR)
    for (int r = 0; r < MR; r++)
      for (int c = 0; c < NR; c++) acc[r][c] += a[2 * r] * b[2 * c] + a[2 * r + 1] * b[2 * c + 1];
}

/*
 * Codes are clamped before they are rounded, which is the same because the bounds are whole numbers. Adding and
 * subtracting 1.5 * 2^23 then rounds half to even.
 */
static uint8_t code_of(float v, int32_t zero, int32_t lo, int32_t hi) {
  const float magic = 12582912.0f, low = (float)(lo - zero), high = (float)(hi - zero);
  v = v == v ? v : 0.0f; /* not a number: 0 times an infinite multiplier */
  v = v < low ? low : v;
  v = v > high ? high : v;
  return (uint8_t)((int32_t)((v + magic) - magic) + zero);
}

/* Where a run writes and what it adds. */
typedef struct finish {
  const float *multipliers;
  const int32_t *bias;
  int64_t bias_row, bias_col;
  int32_t zero, lo, hi;
} finish;

static finish finish_of(const qe_call *call) {
  const qe_problem *p = call->problem;
  const qe_operand *c = bias_of(p);
  return (finish){.multipliers = call->packed,
                  .bias = c ? call->in[2] : NULL,
                  .bias_row = c && dim(c, 2) > 1 ? stride(c, 2) : 0,
                  .bias_col = c && dim(c, 1) > 1 ? stride(c, 1) : 0,
                  .zero = p->out[0]->zero_points[0],
                  .lo = p->clamp_lo > 0 ? p->clamp_lo : 0,
                  .hi = p->clamp_hi < 255 ? p->clamp_hi : 255};
}

/*
 * One row of a block: columns [col, col + n) of y's row `row`. All NR columns are computed, so that the compiler has a
 * loop of fixed length (the multipliers are padded); n of them are written.
 */
static void store(const finish *f, const int32_t *acc, int64_t row, int64_t col, int64_t n, uint8_t *y) {
  int32_t sum[NR];
  uint8_t codes[NR];
  memcpy(sum, acc, sizeof sum);
  for (int64_t j = 0; f->bias && j < n; j++)
    sum[j] = (int32_t)((uint32_t)sum[j] + (uint32_t)f->bias[row * f->bias_row + (col + j) * f->bias_col]);
  for (int j = 0; j < NR; j++) codes[j] = code_of((float)sum[j] * f->multipliers[col + j], f->zero, f->lo, f->hi);
  memcpy(y, codes, (size_t)n);
}

/* Writes nothing but its tiles and scratch: other threads are writing the others at the same time. */
int acme_gemm_run(acme_multiply multiply, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const product g = product_of(p);
  const finish f = finish_of(call);
  const int16_t *packed = (const int16_t *)((const char *)call->packed + multiplier_bytes(&g));
  const int64_t down = ceil_div(g.m, ROWS), across = ceil_div(g.n, COLS), size = panel_size(&g);
  int16_t *rows = call->scratch, *own = rows + pairs_of(&g) * KR * MR;
  for (int64_t tile = tile_begin; tile < tile_end; tile++) {
    const int64_t batch = tile / across / down, row_0 = tile / across % down * ROWS, first = tile % across * PANELS;
    const int64_t row_end = least(row_0 + ROWS, g.m), panel_end = least(first + PANELS, ceil_div(g.n, NR));
    int64_t at_a, at_b;
    batch_offsets(p, batch, &at_a, &at_b);
    for (int64_t i = first; !g.packed_once && i < panel_end; i++)
      pack_panel(&g, p->in[1], (const int8_t *)call->in[1] + at_b, i, own + (i - first) * size);
    const int16_t *panels = g.packed_once ? packed + first * size : own;
    for (int64_t row = row_0; row < row_end; row += MR) {
      const int64_t count = least(MR, row_end - row);
      pack_rows(&g, p->in[0]->zero_points[0], (const uint8_t *)call->in[0] + at_a, row, count, rows);
      for (int64_t i = first; i < panel_end; i++) {
        const int64_t col = i * NR, cols = least(NR, g.n - col);
        int32_t acc[MR][NR];
        multiply(pairs_of(&g), rows, panels + (i - first) * size, acc);
        for (int64_t r = 0; r < count; r++)
          store(&f, acc[r], row + r, col, cols, (uint8_t *)call->out[0] + (batch * g.m + row + r) * g.n + col);
      }
    }
  }
  return 0;
}
