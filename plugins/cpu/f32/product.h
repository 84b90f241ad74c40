/*
 * Y = A * B for one matrix by tiles of rows x columns; what Gemm and MatMul share. Tiles are numbered with the rows
 * running fastest, so that neighbouring tiles use the same panels of B.
 */
#ifndef QE_CPU_F32_PRODUCT_H
#define QE_CPU_F32_PRODUCT_H

#include "f32/core.h"

/* Y = clamp(v), v = alpha * sum + beta * c, factors of 1 left out; c NULL: nothing added. */
typedef struct fb_f32_finish {
  float alpha, beta, lo, hi;
  bool clamps; /* to [lo, hi] */
  const float *c;
  int64_t c_m, c_n; /* steps of c, 0 where it is broadcast */
} fb_f32_finish;

typedef struct fb_f32_product {
  int64_t m, n, k;
  const float *a;
  int64_t a_m, a_k;
  const float *b; /* when `packed` is NULL */
  int64_t b_k, b_n;
  const float *packed; /* B as fb_f32_pack makes it, or NULL */
  float *y;
  int64_t y_m;
  fb_f32_finish finish;
} fb_f32_product;

/* Its B as fb_f32_pack wants it. */
static inline fb_f32_weight fb_f32_product_weight(const fb_f32_product *p, const float *data) {
  fb_f32_weight w = {.data = data, .n = p->n, .kc = p->k, .taps = {1, 1, 1}, .step_n = p->b_n, .step_c = p->b_k};
  return w;
}

/* How a product is cut; depends on sizes and machine only. */
typedef struct fb_f32_tiling {
  int64_t mc, nc, kc; /* rows and columns of a tile; most k's at a time */
  int64_t row_tiles, tiles;
  bool streams; /* B comes from memory, which gives one stream faster than several */
} fb_f32_tiling;

fb_f32_tiling fb_f32_tile(const fb_f32_core *core, const qe_cpu *cpu, int64_t m, int64_t n, int64_t k);
uint64_t fb_f32_product_scratch(const fb_f32_core *core, const fb_f32_tiling *t, const fb_f32_product *p);
/* Computes one tile. *column is the first column of the B that scratch holds packed, or -1: kept between tiles. */
void fb_f32_product_tile(const fb_f32_core *core, const fb_f32_tiling *t, const fb_f32_product *p, int64_t tile,
                         float *scratch, int64_t *column);
#endif
