/*
 * Outputs that no core can finish, because their bias or the zero point of x differs from row to row: cores leave sums,
 * and these loops do what remains. Rare (Gemm with a c of [M, N] or [M, 1], MatMulInteger with a zero point per row).
 */
#include "q8/product.h"

static void codes(const fb_q8_product *p, const int32_t *sums, const int32_t *bias, const float *m, int64_t n, uint8_t *y) {
  int32_t lo, hi;
  const int32_t zero = p->problem->out[0]->zero_points[0];
  fb_code_range(p->problem, &lo, &hi);
  for (int64_t i = 0; i < n; ++i)
    y[i] = (uint8_t)fb_round_code((float)(int32_t)((uint32_t)sums[i] + (uint32_t)bias[i * p->c_col]) * m[i], zero, lo, hi);
}

static void real(const fb_q8_product *p, const int32_t *sums, const float *bias, const float *m, int64_t n, float *y) {
  const float lo = p->problem->act_lo, hi = p->problem->act_hi;
  for (int64_t i = 0; i < n; ++i) {
    const float v = (float)sums[i] * m[i] + bias[i * p->c_col];
    y[i] = v < lo ? lo : v > hi ? hi : v;
  }
}

static void integers(const int32_t *sums, int32_t x_zero, const int32_t *w_sums, int64_t n, int32_t *y) {
  for (int64_t i = 0; i < n; ++i) y[i] = (int32_t)((uint32_t)sums[i] - (uint32_t)x_zero * (uint32_t)w_sums[i]);
}

void fb_q8_finish_by_rows(const fb_q8_product *p, const qe_call *call, const fb_q8_columns *c, int64_t part,
                          int64_t first, int64_t count, int64_t n0, int64_t n1, int32_t *sums) {
  const uint8_t output = p->problem->out[0]->dtype;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t row = first + r, at = part * p->y_part + row * p->y_step + n0, n = n1 - n0;
    const int32_t *from = sums + r * p->n + n0;
    const char *bias = p->integer ? NULL : (const char *)call->in[2] + 4 * (row * p->c_row + n0 * p->c_col);
    if (p->integer)
      integers(from, fb_q8_x_zero(p, call, row), c->sums + n0, n, (int32_t *)call->out[0] + at);
    else if (output == QE_DT_F32)
      real(p, from, (const void *)bias, c->m + n0, n, (float *)call->out[0] + at);
    else
      codes(p, from, (const void *)bias, c->m + n0, n, (uint8_t *)call->out[0] + at);
  }
}
