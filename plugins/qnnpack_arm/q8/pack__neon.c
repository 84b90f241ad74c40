/*
 * Packs weights (pack.h). Weights that are no constants are packed in every run, so the two ways in which they lie, k or
 * columns side by side, have quick paths.
 */
#include "q8/pack.h"

#include <arm_neon.h>
#include <string.h>

#include "float/vec.h"

/* Columns [n, n + columns) of w to `to`, which is all zeros. */
typedef struct packing {
  const fb_q8_weight *w;
  int64_t n, columns, depth;
  int8_t *to;
} packing;

/* k side by side */
static FBV_INLINE void pack_columns(const packing *p, const int64_t step) {
  for (int64_t c = 0; c < p->columns; ++c) {
    const uint8_t *from = p->w->data + (p->n + c) * p->w->step_n, flip = p->w->flip;
    int8_t *to = p->to + c * step;
    int64_t k = 0;
    for (; k + step <= p->depth; k += step, to += FB_Q8_COLUMNS * step)
      for (int64_t i = 0; i < step; ++i) to[i] = (int8_t)(from[k + i] ^ flip);
    for (int64_t i = 0; k + i < p->depth; ++i) to[i] = (int8_t)(from[k + i] ^ flip);
  }
}

/* Columns side by side. */
static FBV_INLINE void pack_rows(const packing *p, const int64_t step) {
  const uint8_t *from = p->w->data + p->n;
  const uint8x8_t flip = vdup_n_u8(p->w->flip);
  for (int64_t k = 0; k < p->depth; ++k, from += p->w->step_c) {
    int8_t *to = p->to + k / step * FB_Q8_COLUMNS * step + k % step;
    uint8_t eight[8];
    if (p->columns == 8) {
      vst1_u8(eight, veor_u8(vld1_u8(from), flip));
      for (int64_t c = 0; c < 8; ++c) to[c * step] = (int8_t)eight[c];
    } else {
      for (int64_t c = 0; c < p->columns; ++c) to[c * step] = (int8_t)(from[c] ^ p->w->flip);
    }
  }
}

static void pack_any(const packing *p, int64_t step) {
  int64_t tap = 0, at = 0;
  for (int64_t k = 0; k < p->depth; ++k) {
    int8_t *to = p->to + k / step * FB_Q8_COLUMNS * step + k % step;
    for (int64_t c = 0; c < p->columns; ++c) to[c * step] = fb_q8_weight_at(p->w, p->n + c, tap, at);
    if (++at == p->w->kc) ++tap, at = 0;
  }
}

static FBV_INLINE void sum_up(const int8_t *codes, int64_t depth, const int64_t step, int32_t sums[FB_Q8_COLUMNS]) {
  for (int c = 0; c < FB_Q8_COLUMNS; ++c) sums[c] = 0;
  for (int64_t k = 0; k < depth; k += step)
    for (int64_t c = 0; c < FB_Q8_COLUMNS; ++c)
      for (int64_t i = 0; i < step; ++i) sums[c] += *codes++;
}

/* Products of codes k and k + 8 are added in 16 bits: too much where both weights are -128. */
static bool has_extremes(const int8_t *codes, int64_t depth) {
  uint8x8_t found = vdup_n_u8(0);
  const int8x16_t least = vdupq_n_s8(INT8_MIN);
  for (int64_t i = 0; i < FB_Q8_COLUMNS * depth; i += 16) {
    const uint8x16_t is_least = vceqq_s8(vld1q_s8(codes + i), least);
    found = vorr_u8(found, vand_u8(vget_low_u8(is_least), vget_high_u8(is_least)));
  }
  return vmaxv_u8(found) != 0;
}

static FBV_INLINE void pack_panel(packing *p, fb_q8_panel *panel, const int64_t step, int32_t sums[FB_Q8_COLUMNS]) {
  const fb_q8_weight *w = p->w;
  const bool flat = w->taps == 1 || w->step_tap == w->kc * w->step_c;
  const int64_t padded = fb_round_up(p->depth, step);
  memset(p->to, 0, (size_t)(FB_Q8_COLUMNS * padded));
  if (flat && w->step_c == 1)
    pack_columns(p, step);
  else if (flat && w->step_n == 1)
    pack_rows(p, step);
  else
    pack_any(p, step);
  sum_up(p->to, p->depth, step, sums);
  panel->extremes = step == 16 && has_extremes(p->to, padded);
}

void fb_q8_pack_panels(const fb_q8_weight *w, int64_t step, void *packed, int32_t *sums) {
  const int64_t depth = fb_q8_depth(w);
  char *to = packed;
  for (int64_t n = 0; n < w->n; n += FB_Q8_COLUMNS, to += fb_q8_panel_size(depth, step)) {
    fb_q8_panel *panel = (void *)to;
    packing p = {w, n, fb_min64(FB_Q8_COLUMNS, w->n - n), depth, (int8_t *)(panel + 1)};
    int32_t eight[FB_Q8_COLUMNS];
    *panel = (fb_q8_panel){0};
    if (step == 4)
      pack_panel(&p, panel, 4, eight);
    else if (step == 8)
      pack_panel(&p, panel, 8, eight);
    else
      pack_panel(&p, panel, 16, eight);
    for (int c = 0; c < FB_Q8_COLUMNS; ++c) panel->times128[c] = 128 * eight[c];
    memcpy(sums + n, eight, sizeof *sums * (size_t)p.columns);
  }
}
