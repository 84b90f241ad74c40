/*
 * Rows of a convolution: the windows of its output positions, each as runs of codes in x (window.c) or, where those are
 * short, copied together into one (gather.c), or, for cores that want lines of them, as copied with their padding
 * (spread.c).
 */
#ifndef QE_CPU_Q8_WINDOW_H
#define QE_CPU_Q8_WINDOW_H

#include "q8/product.h"
#include "spatial.h"

/* Sets the places of x and y and the sizes; kernel, stride, first, dilation, y_stride and y_first are the op's. */
void fb_q8_window_init(fb_q8_window *w, const qe_problem *p);
/* With the window complete and kc the channels of a part: how its taps become runs. Sets taps, kc, flip and space. */
void fb_q8_window_runs(fb_q8_product *p, const fb_q8_core *core);
/* find_rows of fb_q8_product */
void fb_q8_window_find(const fb_q8_product *p, fb_q8_found *f);

/* -- between window.c, gather.c, spread.c and scatter.c ------------------------------------------------------------ */

/* An output position: the number in the batch, and coordinates. */
typedef struct fb_q8_position {
  int64_t n, at[3];
} fb_q8_position;

static inline fb_q8_position fb_q8_position_of(const fb_q8_window *w, int64_t pixel) {
  fb_q8_position o;
  for (int d = 2; d >= 0; --d) {
    o.at[d] = pixel % w->out[d];
    pixel /= w->out[d];
  }
  o.n = pixel;
  return o;
}

static inline void fb_q8_position_next(const fb_q8_window *w, fb_q8_position *o) {
  for (int d = 2; d >= 0; --d) {
    if (++o->at[d] < w->out[d]) return;
    o->at[d] = 0;
  }
  ++o->n;
}

/* Output positions [lo, hi) along the last dimension see no padding there. */
void fb_q8_window_whole(const fb_q8_window *w, int64_t *lo, int64_t *hi);
/* The runs of any window. Kernel rows that the padding cuts are copied to `cut`; returns where the next ones may go. */
uint8_t *fb_q8_window_one(const fb_q8_window *w, const fb_q8_found *f, const fb_q8_position *o, uint8_t *cut,
                          const uint8_t **to);
/* A run from that of the position before, if both see no padding along the last dimension. */
static inline const uint8_t *fb_q8_window_beside(const uint8_t *before, const uint8_t *zeros, int64_t step) {
  return before == zeros ? zeros : before + step;
}
/* Runs of up to so many bytes are copied in whole pieces, reading and writing beyond their ends. */
enum { FB_Q8_GATHER_PIECE = 16, FB_Q8_GATHER_MOST = 4 * FB_Q8_GATHER_PIECE };
static inline int64_t fb_q8_gather_beyond(int64_t run) {
  if (run > FB_Q8_GATHER_MOST) return 0;
  return (run <= 16 ? 16 : run <= 32 ? 32 : FB_Q8_GATHER_MOST) - run;
}
void fb_q8_window_gather(const fb_q8_product *p, fb_q8_found *f);
/* Can they be spread (spread.c)? Then sets taps, kc, flip, line and space. */
bool fb_q8_window_spread_runs(fb_q8_product *p, const fb_q8_core *core);
void fb_q8_window_spread(const fb_q8_product *p, fb_q8_found *f);
/* Rows [first, first + count) of outputs, columns [n0, n1) of n, go where the window says; size: of an element. */
void fb_q8_window_scatter(const fb_q8_product *p, const char *from, char *y, int64_t part, int64_t first, int64_t count,
                          int64_t n0, int64_t n1, int64_t size);

#endif
