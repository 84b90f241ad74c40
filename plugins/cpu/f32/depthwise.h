/* Depthwise convolutions of float32: what the loop of one instruction set (depthwise.inc) is asked to do. */
#ifndef QE_CPU_F32_DEPTHWISE_H
#define QE_CPU_F32_DEPTHWISE_H

#include "fb.h"

/* Taps [begin, end) of an output along its line. */
typedef struct fb_f32_span {
  int32_t begin, end;
} fb_f32_span;

/* A line of outputs: where it lies, and the first of the kernel's planes and rows that lie within the input. */
typedef struct fb_f32_dw_line {
  const float *x, *w;
  float *y;
  int64_t planes, rows;
} fb_f32_dw_line;

/*
 * Channels [c0, c1) of n neighbouring outputs of each line. Output i at y + i * y_px is a sum over planes x rows x taps
 * of x[i * x_px + plane * x_plane + row * x_row + tap * x_tap] * w[plane * w_plane + row * w_row + tap * w_tap], in
 * this order. Outputs [whole0, whole1) have all taps along the line, the others those of their span.
 */
typedef struct fb_f32_dw {
  const fb_f32_dw_line *lines;
  int64_t count;
  int64_t c0, c1, n, taps;
  int64_t x_px, x_plane, x_row, x_tap;
  int64_t w_plane, w_row, w_tap; /* weights are padded with channels to full vectors */
  int64_t y_px;
  int64_t whole0, whole1;
  const fb_f32_span *spans;
  const float *bias;
  float lo, hi;
  bool clamps; /* to [lo, hi] */
} fb_f32_dw;

#define FB_F32_DW_PIXELS 8 /* outputs at once */

#define FB_F32_DW(isa, unused) void fb_f32_dw__##isa(const fb_f32_dw *d);
FB_VECTORS(FB_F32_DW, )
#undef FB_F32_DW

#endif
