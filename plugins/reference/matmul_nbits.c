/*
 * MatMulNBits: Y = A W + bias, A float32 [.., K], W in blocks of codes along K, two 4-bit codes a byte, the first one
 * low: w = ((float)q - z) * s with z and s of the block (no zero points: z = 2^(bits-1)), then MatMul's order. A tile is
 * 32 columns, whose weights are made float32 in scratch.
 */
#include "gemm_block.h"

#define COLS 32

typedef struct shape {
  int64_t rows, k, n, bits, block, blocks; /* blocks: of one column */
} shape;

static shape shape_of(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  return (shape){.rows = ref_count(a->rank - 1u, a->dims),
                 .k = a->dims[a->rank - 1],
                 .n = b->dims[0],
                 .bits = p->params->mode,
                 .block = p->params->kernel[0],
                 .blocks = b->dims[1]};
}

int ref_matmul_nbits_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *a = p->in[0], *b = p->in[1];
  if (a->rank < 1 || b->rank != 3 || ref_has_in(p, 4))
    return ref_refuse(reason, reason_size, "MatMulNBits: ranks %d and %d%s", a->rank, b->rank,
                      ref_has_in(p, 4) ? ", with g_idx" : "");
  const shape s = shape_of(p);
  if ((s.bits != 4 && s.bits != 8) || s.block < 16 || s.blocks != ref_ceil_div(s.k, s.block) ||
      b->dims[2] != s.block * s.bits / 8 || p->in[2]->count != s.n * s.blocks)
    return ref_refuse(reason, reason_size, "MatMulNBits: %lld bits in blocks of %lld do not fit", (long long)s.bits,
                      (long long)s.block);
  if (ref_has_in(p, 3) && !(p->in[3]->dtype == QE_DT_F32 && p->in[3]->count == s.n * s.blocks) &&
      !(p->in[3]->dtype == QE_DT_U8 && p->in[3]->count == s.n * ref_ceil_div(s.blocks * s.bits, 8)))
    return ref_refuse(reason, reason_size, "MatMulNBits: zero points of %s, %lld elements",
                      ref_dtype_name(p->in[3]->dtype), (long long)p->in[3]->count);
  if (ref_has_in(p, 5) && (p->in[5]->dtype != QE_DT_F32 || p->in[5]->count != s.n))
    return ref_refuse(reason, reason_size, "MatMulNBits: the bias is no float32 of every column");
  return 1;
}

int ref_matmul_nbits_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const shape s = shape_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.n, COLS);
  plan->scratch_size = sizeof(float) * (ref_gemm_scratch_floats(COLS, s.k, 1) + COLS * (uint64_t)s.k);
  return 0;
}

static float zero_point(const shape *s, const qe_call *call, int64_t n, int64_t block) {
  const qe_problem *p = call->problem;
  if (!ref_has_in(p, 3))
    return s->bits == 4 ? 8.0f : 128.0f;
  if (p->in[3]->dtype == QE_DT_F32)
    return ((const float *)call->in[3])[n * s->blocks + block];
  const uint8_t *column = (const uint8_t *)call->in[3] + n * ref_ceil_div(s->blocks * s->bits, 8);
  return s->bits == 8 ? (float)column[block] : (float)(column[block / 2] >> block % 2 * 4 & 15);
}

/* Column n of W, at[k * COLS]. */
static void unpack_column(const shape *s, const qe_call *call, int64_t n, float *at) {
  const uint8_t *codes = (const uint8_t *)call->in[1] + n * s->blocks * (s->block * s->bits / 8);
  const float *scales = (const float *)call->in[2] + n * s->blocks;
  for (int64_t k = 0; k < s->k; ++k) {
    const int q = s->bits == 8 ? codes[k] : codes[k / 2] >> k % 2 * 4 & 15;
    at[k * COLS] = ((float)q - zero_point(s, call, n, k / s->block)) * scales[k / s->block];
  }
}

int ref_matmul_nbits_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  const shape s = shape_of(p);
  float *panel = (float *)call->scratch + ref_gemm_scratch_floats(COLS, s.k, 1);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t col = tile * COLS;
    const ref_gemm g = {.m = s.rows,
                        .n = ref_min64(COLS, s.n - col),
                        .k = s.k,
                        .a = call->in[0],
                        .a_m = s.k,
                        .a_k = 1,
                        .b = panel,
                        .b_k = COLS,
                        .b_n = 1};
    ref_gemm_out to = {.loops = loops,
                    .bias = ref_has_in(p, 5) ? (const float *)call->in[5] + col : NULL,
                    .y = (float *)call->out[0] + col,
                    .y_step = s.n,
                    .lo = p->act_lo,
                    .hi = p->act_hi};
    for (int64_t i = 0; i < g.n; ++i)
      unpack_column(&s, call, col + i, panel + i);
    for (int64_t i = 0; i < ref_gemm_tiles(g.m, g.n); ++i)
      ref_gemm_tile(&g, loops, call->scratch, i, ref_gemm_store_out, &to);
  }
  return 0;
}
