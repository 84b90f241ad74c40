/*
 * Packed weights of all cores: panels of eight columns, each a fb_q8_panel and then [k / step][column][step] codes, zeros
 * where k (to a multiple of the step) or columns end. Cores differ in the step: the codes of a column that an instruction
 * takes at a time.
 */
#ifndef QE_QNNPACK_Q8_PACK_H
#define QE_QNNPACK_Q8_PACK_H

#include "q8/core.h"

#define FB_Q8_COLUMNS 8

typedef struct fb_q8_panel {
  int32_t times128[FB_Q8_COLUMNS]; /* 128 * sum w': what products of x' - 128 lack */
  int32_t extremes; /* step 16: codes -128 meet in two products that are added in 16 bits */
  int32_t reserved[7];
} fb_q8_panel;

static inline int64_t fb_q8_panel_size(int64_t depth, int64_t step) {
  return (int64_t)sizeof(fb_q8_panel) + FB_Q8_COLUMNS * fb_round_up(depth, step);
}
/* The panel of column n. */
static inline const fb_q8_panel *fb_q8_panel_at(const void *packed, int64_t n, int64_t depth, int64_t step) {
  return (const void *)((const char *)packed + n / FB_Q8_COLUMNS * fb_q8_panel_size(depth, step));
}
static inline uint64_t fb_q8_panels_size(const fb_q8_weight *w, int64_t step) {
  return (uint64_t)(fb_ceil_div(w->n, FB_Q8_COLUMNS) * fb_q8_panel_size(fb_q8_depth(w), step));
}

/* As fb_q8_core's pack, for a step of 4, 8 or 16. */
void fb_q8_pack_panels(const fb_q8_weight *w, int64_t step, void *packed, int32_t *sums);

#endif
