/*
 * The core of machines that add up four products of int8 in every lane (sdot). Lanes are columns; 16 codes of a row are in
 * one register, whose four quads meet the packed quads of eight columns by lane: 64 products of 16 codes of 8 rows need
 * 8 + 8 loads and nothing that brings codes into place. Codes of rows are int8 here, x' - 128; panels have what that lacks.
 */
#include <arm_neon.h>

#include "q8/lanes.h"
#include "q8/pack.h"
#include "q8/finish.inc"
#include "q8/rows.inc"

enum { STEP = 4, ROWS = 8, SUMS = 16 };

typedef struct part {
  const uint8_t *const *x; /* [row][tap] */
  int64_t taps, kc;        /* kc a multiple of STEP */
  int64_t less;            /* not 0: one more quad follows, whose first `less` codes have been before */
  const int8_t *w;
} part;

/* Quad q of 16 codes of each of R rows, times V vectors of columns. */
#define LANE(q)                                                                                               \
  FB_UNROLL                                                                                                   \
  for (int v = 0; v < V; ++v) {                                                                               \
    const int8x16_t b = vld1q_s8(w + (q) * 2 * 16 + v * 16);                                                  \
    FB_UNROLL                                                                                                 \
    for (int r = 0; r < R; ++r) {                                                                             \
      int32x4_t *sum = &acc[((q) % S * R + r) * V + v];                                                       \
      *sum = vdotq_laneq_s32(*sum, b, a[r], q);                                                               \
    }                                                                                                         \
  }

/* acc[set][row][vector] += 16 codes; quads go to S sets of sums in turn, so that few rows have enough independent ones. */
static FBV_INLINE void sixteen(int32x4_t *acc, const int R, const int V, const int S, const int8_t *const *x, int64_t k,
                               const int8_t *w) {
  int8x16_t a[ROWS];
  FB_UNROLL
  for (int r = 0; r < R; ++r) a[r] = vld1q_s8(x[r] + k);
  LANE(0)
  LANE(1)
  LANE(2)
  LANE(3)
}

/* Four codes at x[row] + k, without their first `less`. */
static FBV_INLINE void four(int32x4_t *acc, const int R, const int V, const int8_t *const *x, int64_t k, int64_t less,
                            const int8_t *w) {
  FB_UNROLL
  for (int r = 0; r < R; ++r) {
    uint32_t quad;
    memcpy(&quad, x[r] + k, sizeof quad);
    const int8x16_t a = vreinterpretq_s8_u32(vdupq_n_u32(quad >> 8 * less));
    FB_UNROLL
    for (int v = 0; v < V; ++v) acc[r * V + v] = vdotq_s32(acc[r * V + v], vld1q_s8(w + v * 16), a);
  }
}

static FBV_INLINE void multiply(int32_t *sums, const int R, const int V, const int S, const part *j, const panel *p) {
  int32x4_t acc[SUMS];
  FB_UNROLL
  for (int i = 0; i < S * R * V; ++i) acc[i] = i < R * V ? panel_start(p, i % V) : vdupq_n_s32(0);
  const int8_t *w = j->w;
  for (int64_t tap = 0; tap < j->taps; ++tap) {
    const int8_t *x[ROWS];
    FB_UNROLL
    for (int r = 0; r < R; ++r) x[r] = (const int8_t *)j->x[r * j->taps + tap];
    int64_t k = 0;
    for (; k + 16 <= j->kc; k += 16, w += 16 * FB_Q8_COLUMNS) sixteen(acc, R, V, S, x, k, w);
    for (; k < j->kc; k += STEP, w += STEP * FB_Q8_COLUMNS) four(acc, R, V, x, k, 0, w);
    if (j->less) four(acc, R, V, x, k - j->less, j->less, w);
  }
  FB_UNROLL
  for (int i = R * V; i < S * R * V; ++i) acc[i % (R * V)] = vaddq_s32(acc[i % (R * V)], acc[i]);
  FB_UNROLL
  for (int i = 0; i < 2 * R; ++i)
    vst1q_s32(sums + i * FB_LANES, i % 2 < V ? acc[i / 2 * V + i % 2] : vdupq_n_s32(0));
}

#define ROWS_KERNEL(R, S)                                                                                          \
  static void wide_##R(int32_t *sums, const part *j, const panel *p) { multiply(sums, R, 2, S, j, p); }            \
  static void narrow_##R(int32_t *sums, const part *j, const panel *p) { multiply(sums, R, 1, S, j, p); }
#define KERNELS                                                                                                    \
  ROWS_KERNEL(1, 4) ROWS_KERNEL(2, 4) ROWS_KERNEL(3, 2) ROWS_KERNEL(4, 2) ROWS_KERNEL(5, 1) ROWS_KERNEL(6, 1)      \
  ROWS_KERNEL(7, 1) ROWS_KERNEL(8, 1)
KERNELS

typedef void kernel(int32_t *sums, const part *j, const panel *p);
static kernel *const kernels[ROWS + 1][2] = {
#undef ROWS_KERNEL
#define ROWS_KERNEL(R, S) [R] = {narrow_##R, wide_##R},
KERNELS
};

/* A row of one run may end within a quad: then its last four codes are read once more. */
static bool copies(int64_t taps, int64_t kc, uint8_t flip) {
  return flip != 0 || (kc % STEP != 0 && (taps > 1 || kc < STEP));
}

static void block(const fb_q8_block *b) {
  const int64_t depth = b->taps * b->kc, padded = fb_round_up(depth, STEP);
  const int64_t size = b->finish->to == FB_Q8_CODES ? 1 : 4, groups = fb_ceil_div(b->rows, ROWS);
  const uint8_t flip = b->flip ^ 0x80;
  part j = {.x = b->x, .taps = b->taps, .kc = b->kc / STEP * STEP, .less = -b->kc & (STEP - 1)};
  if (copies(b->taps, b->kc, flip)) j = (part){.x = rows_copy(b, flip, padded), .taps = 1, .kc = padded};
  const uint8_t *const *x = j.x;
  for (int64_t n = b->n0; n < b->n1; n += PANEL_COLUMNS) {
    const fb_q8_panel *packed = fb_q8_panel_at(b->packed, n, depth, STEP);
    panel p;
    panel_begin(&p, b->finish, depth, n, fb_min64(PANEL_COLUMNS, b->n1 - n));
    for (int v = 0; v < 2; ++v) p.to.bias[v] = fbv_add_i(p.to.bias[v], fbv_load_i(packed->times128 + 4 * v));
    j.w = (const int8_t *)(packed + 1);
    for (int64_t g = 0, r = 0; g < groups; ++g) {
      const int64_t rows = (b->rows - r) / (groups - g);
      int32_t sums[ROWS * PANEL_COLUMNS];
      j.x = x + r * j.taps;
      kernels[rows][p.wide](sums, &j, &p);
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

const fb_q8_core fb_q8_dot__dotprod = {
    .name = "dot__dotprod",
    .rows = 96,
    .cols = PANEL_COLUMNS,
    .run = STEP,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
