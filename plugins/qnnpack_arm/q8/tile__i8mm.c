/*
 * The core of machines that multiply two rows of eight uint8 with two columns of eight int8 (usmmla): 32 products an
 * instruction. Pairs of rows are copied side by side, [k / 8][row][8], and panels lie so already; eight rows times eight
 * columns, 16 tiles of sums, need 4 + 4 loads for 16 instructions. A row without a partner costs as much as two.
 */
#include <arm_neon.h>
#include <string.h>

#include "q8/lanes.h"
#include "q8/pack.h"
#include "q8/finish.inc"

enum { STEP = 8, PAIRS = 4, TILES = 16 };

/* Codes of one row behind one another, from position `at` of its pair on. */
static void copy_run(uint8_t *pair, int64_t at, const uint8_t *from, int64_t n, uint8_t flip) {
  const uint8x8_t flips = vdup_n_u8(flip);
  int64_t i = 0;
  if (at % STEP == 0)
    for (; i + STEP <= n; i += STEP) vst1_u8(pair + 2 * (at + i), veor_u8(vld1_u8(from + i), flips));
  for (; i < n; ++i) pair[(at + i) / STEP * 2 * STEP + (at + i) % STEP] = from[i] ^ flip;
}

/* The weights of what fills a row up are 0, so it may be anything. */
static void copy_rows(const fb_q8_block *b, int64_t padded) {
  uint8_t *to = b->scratch;
  for (int64_t r = 0; r < b->rows; ++r) {
    uint8_t *pair = to + r / 2 * 2 * padded + r % 2 * STEP;
    for (int64_t t = 0; t < b->taps; ++t) copy_run(pair, t * b->kc, b->x[r * b->taps + t], b->kc, b->flip);
  }
}

/* P pairs of rows, `padded` deep, times V vectors of columns; steps of k go to S sets of sums in turn. */
static FBV_INLINE void multiply(int32_t *sums, const int P, const int V, const int S, const uint8_t *x, int64_t padded,
                                const int8_t *w, const panel *p) {
  int32x4_t acc[TILES];
  FB_UNROLL
  for (int i = 0; i < S * P * 2 * V; ++i) acc[i] = vdupq_n_s32(0);
  int64_t k = 0;
#define STEP_AT(set)                                                                       \
  do {                                                                                     \
    uint8x16_t a[PAIRS];                                                                   \
    FB_UNROLL                                                                              \
    for (int i = 0; i < P; ++i) a[i] = vld1q_u8(x + (i * padded + k) * 2);                 \
    FB_UNROLL                                                                              \
    for (int c = 0; c < 2 * V; ++c) {                                                      \
      const int8x16_t b = vld1q_s8(w + c * 16);                                            \
      FB_UNROLL                                                                            \
      for (int i = 0; i < P; ++i) {                                                        \
        int32x4_t *tile = &acc[((set) * P + i) * 2 * V + c];                               \
        *tile = vusmmlaq_s32(*tile, a[i], b);                                              \
      }                                                                                    \
    }                                                                                      \
    k += STEP;                                                                             \
    w += STEP * FB_Q8_COLUMNS;                                                             \
  } while (0)
  for (; k + S * STEP <= padded;) {
    STEP_AT(0);
    if (S > 1) STEP_AT(S > 1 ? 1 : 0);
  }
  if (S > 1 && k < padded) STEP_AT(0);
#undef STEP_AT
  FB_UNROLL
  for (int i = P * 2 * V; i < S * P * 2 * V; ++i) acc[i % (P * 2 * V)] = vaddq_s32(acc[i % (P * 2 * V)], acc[i]);
  FB_UNROLL
  for (int i = 0; i < P; ++i) {
    FB_UNROLL
    for (int v = 0; v < 2; ++v) {
      int32_t *to = sums + 2 * i * PANEL_COLUMNS + 4 * v;
      int32x4_t first = vdupq_n_s32(0), second = first;
      if (v < V) {
        const int64x2_t left = vreinterpretq_s64_s32(acc[i * 2 * V + 2 * v]);
        const int64x2_t right = vreinterpretq_s64_s32(acc[i * 2 * V + 2 * v + 1]);
        first = vaddq_s32(vreinterpretq_s32_s64(vtrn1q_s64(left, right)), panel_start(p, v));
        second = vaddq_s32(vreinterpretq_s32_s64(vtrn2q_s64(left, right)), panel_start(p, v));
      }
      vst1q_s32(to, first);
      vst1q_s32(to + PANEL_COLUMNS, second);
    }
  }
}

#define PAIRS_KERNEL(P, S)                                                                                         \
  static void wide_##P(int32_t *sums, const uint8_t *x, int64_t padded, const int8_t *w, const panel *p) {         \
    multiply(sums, P, 2, S, x, padded, w, p);                                                                      \
  }                                                                                                                \
  static void narrow_##P(int32_t *sums, const uint8_t *x, int64_t padded, const int8_t *w, const panel *p) {       \
    multiply(sums, P, 1, S, x, padded, w, p);                                                                      \
  }
#define KERNELS PAIRS_KERNEL(1, 2) PAIRS_KERNEL(2, 2) PAIRS_KERNEL(3, 1) PAIRS_KERNEL(4, 1)
KERNELS

typedef void kernel(int32_t *sums, const uint8_t *x, int64_t padded, const int8_t *w, const panel *p);
static kernel *const kernels[PAIRS + 1][2] = {
#undef PAIRS_KERNEL
#define PAIRS_KERNEL(P, S) [P] = {narrow_##P, wide_##P},
KERNELS
};

static void block(const fb_q8_block *b) {
  const int64_t depth = b->taps * b->kc, padded = fb_round_up(depth, STEP);
  const int64_t size = b->finish->to == FB_Q8_CODES ? 1 : 4, pairs = fb_ceil_div(b->rows, 2);
  const int64_t groups = fb_ceil_div(pairs, PAIRS);
  if (!b->same_rows) copy_rows(b, padded);
  for (int64_t n = b->n0; n < b->n1; n += PANEL_COLUMNS) {
    const fb_q8_panel *packed = fb_q8_panel_at(b->packed, n, depth, STEP);
    panel p;
    panel_begin(&p, b->finish, depth, n, fb_min64(PANEL_COLUMNS, b->n1 - n));
    for (int64_t g = 0, r = 0; g < groups; ++g) {
      const int64_t count = (pairs - r / 2) / (groups - g), rows = fb_min64(2 * count, b->rows - r);
      int32_t sums[2 * PAIRS * PANEL_COLUMNS];
      kernels[count][p.wide](sums, (const uint8_t *)b->scratch + r * padded, padded, (const int8_t *)(packed + 1), &p);
      finish_rows(&p, sums, rows, b->row_sum ? b->row_sum + r : NULL, (char *)b->y + size * (r * b->y_step + n),
                  b->y_step);
      r += rows;
    }
  }
}

static uint64_t packed_size(const fb_q8_weight *w) { return fb_q8_panels_size(w, STEP); }
static void pack(const fb_q8_weight *w, void *packed, int32_t *sums) { fb_q8_pack_panels(w, STEP, packed, sums); }
static uint64_t scratch_size(int64_t rows, int64_t n, int64_t taps, int64_t kc) {
  (void)n;
  return (uint64_t)(fb_round_up(rows, 2) * fb_round_up(taps * kc, STEP));
}

const fb_q8_core fb_q8_tile__i8mm = {
    .name = "tile__i8mm",
    .rows = 96,
    .cols = PANEL_COLUMNS,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
