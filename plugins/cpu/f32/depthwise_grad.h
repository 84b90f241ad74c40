/* Weight gradients of depthwise convolutions: what the loop of one instruction set (depthwise_grad.inc) is asked to do. */
#ifndef QE_CPU_F32_DEPTHWISE_GRAD_H
#define QE_CPU_F32_DEPTHWISE_GRAD_H

#include "fb.h"

/* Which of a strip's rows, or of the taps of each, outputs have: those from `begin` to before `end`. */
enum {
  FB_F32_DWG_ALL,
  FB_F32_DWG_BUT_FIRST,
  FB_F32_DWG_BUT_LAST,
  FB_F32_DWG_BUT_FIRST_TWO,
  FB_F32_DWG_BUT_LAST_TWO,
  FB_F32_DWG_OTHER,
  FB_F32_DWG_KINDS
};

/* Outputs side by side that have the same taps. x: what the first tap of row 0 meets. */
typedef struct fb_f32_dwg_run {
  const float *x, *dy; /* of channel 0 */
  int64_t n;
  int rows, taps; /* FB_F32_DWG_* */
  uint64_t mask;  /* bit row * taps + tap */
} fb_f32_dwg_run;

enum { FB_F32_DWG_ROWS = 3, FB_F32_DWG_TAPS = 5, FB_F32_DWG_SUMS = 10 /* most rows, taps, and sums of both */ };

/*
 * For channels [c0, c1): sums[(row * taps + tap) * sum_step + channel] goes on with x * dy of each output of the runs, in
 * order.
 */
typedef struct fb_f32_dwg {
  int rows, taps;
  int64_t c0, c1; /* c0: a multiple of the lanes */
  int64_t x_row[FB_F32_DWG_ROWS], x_tap, x_px, dy_px;
  const fb_f32_dwg_run *runs;
  int64_t count;
  float *sums; /* padded with channels to full vectors */
  int64_t sum_step;
} fb_f32_dwg;

/* Most kernel rows that are done at once. */
static inline int64_t fb_f32_dwg_rows(int64_t taps) {
  return fb_min64(FB_F32_DWG_ROWS, FB_F32_DWG_SUMS / taps);
}

#define FB_F32_DWG(isa, unused) void fb_f32_dwg__##isa(const fb_f32_dwg *d);
FB_VECTORS(FB_F32_DWG, )
#undef FB_F32_DWG

#endif
