/* Sums of the codes of rows, wanted where weights have zero points. */
#include <arm_neon.h>

#include "q8/product.h"

static int64_t sum_of(const uint8_t *x, int64_t n, uint8_t flip) {
  const uint8x16_t flips = vdupq_n_u8(flip);
  uint64x2_t acc = vdupq_n_u64(0);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    acc = vpadalq_u32(acc, vpaddlq_u16(vpaddlq_u8(veorq_u8(vld1q_u8(x + i), flips))));
  int64_t sum = (int64_t)vaddvq_u64(acc);
  for (; i < n; ++i) sum += x[i] ^ flip;
  return sum;
}

void fb_q8_row_sums(const uint8_t *const *x, int64_t rows, int64_t taps, int64_t kc, uint8_t flip, int32_t *sums) {
  for (int64_t r = 0; r < rows; ++r) {
    int64_t sum = 0;
    for (int64_t t = 0; t < taps; ++t) sum += sum_of(x[r * taps + t], kc, flip);
    sums[r] = (int32_t)sum;
  }
}
