/*
 * The core of machines that only have products of two bytes in 16 bits: smull of eight codes of a row and a column, smlal
 * of the next eight, and sadalp, which adds pairs into 32 bits: three instructions for 16 products, and none that brings
 * codes into place. Lanes are k, so four sums are added up at the end to be one lane of a column each.
 *
 * Codes of rows are int8 here, x' - 128; panels have what that lacks. Two products of -128 * -128 do not fit into 16 bits
 * together: panels that could have them say so, and are widened after each product.
 */
#include <arm_neon.h>

#include "q8/lanes.h"
#include "q8/pack.h"
#include "q8/finish.inc"
#include "q8/rows.inc"

enum { STEP = 16, ROWS = 4, WIDEN_COLUMNS = FB_Q8_COLUMNS };

typedef struct part {
  const uint8_t *const *x; /* [row][tap] */
  int64_t taps, kc;        /* kc a multiple of STEP */
  const int8_t *w;
  bool extremes;
} part;

static FBV_INLINE int32x4_t add_products(int32x4_t sum, int8x16_t x, int8x16_t w, const bool extremes) {
  int16x8_t both = vmull_s8(vget_low_s8(x), vget_low_s8(w));
  if (extremes) {
    sum = vpadalq_s16(sum, both);
    both = vmull_high_s8(x, w);
  } else {
    both = vmlal_high_s8(both, x, w);
  }
  return vpadalq_s16(sum, both);
}

/* R rows times columns [first, first + C) of a panel. */
static FBV_INLINE void multiply(int32_t *sums, const int R, const int first, const int C, const part *j,
                                const panel *p, const bool extremes) {
  int32x4_t acc[16];
  FB_UNROLL
  for (int i = 0; i < R * C; ++i) acc[i] = vdupq_n_s32(0);
  const int8_t *w = j->w + first * STEP;
  for (int64_t tap = 0; tap < j->taps; ++tap) {
    const int8_t *x[ROWS];
    FB_UNROLL
    for (int r = 0; r < R; ++r) x[r] = (const int8_t *)j->x[r * j->taps + tap];
    for (int64_t k = 0; k < j->kc; k += STEP, w += WIDEN_COLUMNS * STEP) {
      int8x16_t a[ROWS];
      FB_UNROLL
      for (int r = 0; r < R; ++r) a[r] = vld1q_s8(x[r] + k);
      FB_UNROLL
      for (int c = 0; c < C; ++c) {
        const int8x16_t b = vld1q_s8(w + c * STEP);
        FB_UNROLL
        for (int r = 0; r < R; ++r) acc[r * C + c] = add_products(acc[r * C + c], a[r], b, extremes);
        if (R * C < 16) continue;
        /* Compilers that begin all products first run out of registers. */
        FB_UNROLL
        for (int r = 0; r < R; ++r) __asm__("" : "+w"(acc[r * C + c]), "+w"(a[r]));
      }
    }
  }
  FB_UNROLL
  for (int r = 0; r < R; ++r) {
    FB_UNROLL
    for (int c = 0; c < C; c += 4) {
      const int32x4_t *s = acc + r * C + c;
      const int32x4_t four = vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
      vst1q_s32(sums + r * PANEL_COLUMNS + first + c, vaddq_s32(four, panel_start(p, (first + c) / 4)));
    }
  }
}

#define ROWS_KERNEL(R, first, C, name)                                          \
  static void name##_##R(int32_t *sums, const part *j, const panel *p) {        \
    if (j->extremes)                                                            \
      multiply(sums, R, first, C, j, p, true);                                  \
    else                                                                        \
      multiply(sums, R, first, C, j, p, false);                                 \
  }
ROWS_KERNEL(1, 0, 4, left)
ROWS_KERNEL(2, 0, 4, left)
ROWS_KERNEL(3, 0, 4, left)
ROWS_KERNEL(4, 0, 4, left)
ROWS_KERNEL(3, 4, 4, right)
ROWS_KERNEL(4, 4, 4, right)
ROWS_KERNEL(1, 0, 8, all)
ROWS_KERNEL(2, 0, 8, all)

typedef void kernel(int32_t *sums, const part *j, const panel *p);

static void rows_times_panel(int32_t *sums, int64_t rows, const part *j, const panel *p) {
  static kernel *const left[ROWS + 1] = {NULL, left_1, left_2, left_3, left_4};
  if (p->wide && rows <= 2) {
    (rows == 1 ? all_1 : all_2)(sums, j, p);
    return;
  }
  left[rows](sums, j, p);
  if (p->wide)
    (rows == 3 ? right_3 : right_4)(sums, j, p);
  else
    for (int64_t r = 0; r < rows; ++r) vst1q_s32(sums + r * PANEL_COLUMNS + 4, vdupq_n_s32(0));
}

static void block(const fb_q8_block *b) {
  const int64_t depth = b->taps * b->kc, padded = fb_round_up(depth, STEP);
  const int64_t size = b->finish->to == FB_Q8_CODES ? 1 : 4, groups = fb_ceil_div(b->rows, ROWS);
  const uint8_t flip = b->flip ^ 0x80;
  part j = {.x = b->x, .taps = b->taps, .kc = b->kc};
  if (flip || b->kc % STEP != 0) j = (part){.x = rows_copy(b, flip, padded), .taps = 1, .kc = padded};
  const uint8_t *const *x = j.x;
  for (int64_t n = b->n0; n < b->n1; n += PANEL_COLUMNS) {
    const fb_q8_panel *packed = fb_q8_panel_at(b->packed, n, depth, STEP);
    panel p;
    panel_begin(&p, b->finish, depth, n, fb_min64(PANEL_COLUMNS, b->n1 - n));
    for (int v = 0; v < 2; ++v) p.to.bias[v] = fbv_add_i(p.to.bias[v], fbv_load_i(packed->times128 + 4 * v));
    j.w = (const int8_t *)(packed + 1);
    j.extremes = packed->extremes != 0;
    for (int64_t g = 0, r = 0; g < groups; ++g) {
      const int64_t rows = (b->rows - r) / (groups - g);
      int32_t sums[ROWS * PANEL_COLUMNS];
      j.x = x + r * j.taps;
      rows_times_panel(sums, rows, &j, &p);
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
  return rows_scratch(rows, fb_round_up(taps * kc, STEP));
}

const fb_q8_core fb_q8_widen__neon = {
    .name = "widen__neon",
    .rows = 96,
    .cols = PANEL_COLUMNS,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
