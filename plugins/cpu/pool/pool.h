/*
 * Pools, channels last: an output looks at a box of x's elements, for all channels at once. pool.c walks the outputs
 * and finds the boxes; what happens in a box is a function of an instruction set (codes.inc, f32.inc). ReduceMean of
 * codes (reduce_mean.c) has boxes of its own.
 */
#ifndef QE_CPU_POOL_POOL_H
#define QE_CPU_POOL_POOL_H

#include "spatial.h"

/*
 * The elements of one output, for `channels` neighbouring channels, in row-major order; dimensions are joined as far as
 * one step goes. The next output's box is x_next bytes further, the output y_next.
 */
typedef struct fb_pool_box {
  const char *x, *end;       /* the first element; the end of x */
  int64_t count[3], step[3]; /* step: bytes */
  int64_t channels;
  int64_t elements; /* product of count */
  int64_t divisor;  /* of averages: the elements that count */
  int64_t outputs, x_next, y_next;
} fb_pool_box;

/* What is the same for all outputs. */
typedef struct fb_pool_finish {
  float act_lo, act_hi;   /* float32 */
  uint8_t x_flip, y_flip; /* codes: 0x80 for int8 */
  uint8_t lo, hi;         /* averages of codes, as uint8: the clamp */
  int32_t x_zero, y_zero; /* likewise */
  float x_scale, y_scale;
  bool wild; /* a mean may leave the range of int32 */
} fb_pool_finish;

/* The multiplier of a sum of codes. No number but 0 times an infinite scale is not saturated, and 0 gives 0. */
float fb_pool_multiplier(const fb_pool_finish *f, int64_t divisor);

typedef void (*fb_pool_fn)(const fb_pool_finish *f, const fb_pool_box *box, void *y);

fb_pool_finish fb_pool_finish_of(const qe_problem *p);
/* Sets elements and joins dimensions; count and step are set. */
void fb_pool_box_close(fb_pool_box *box);
int fb_pool_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, fb_pool_fn fn);

/* ReduceMean: as fn for boxes whose channels lie side by side in x and y; row_sum: of n neighbouring codes, flipped. */
typedef int64_t (*fb_pool_row_sum_fn)(const uint8_t *x, int64_t n, uint8_t flip);
int fb_reduce_mean_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, fb_pool_fn fn,
                       fb_pool_row_sum_fn row_sum);

#endif
