/* Rows of a convolution: the windows of its output positions. */
#ifndef QE_FBGEMM_Q8_WINDOW_H
#define QE_FBGEMM_Q8_WINDOW_H

#include "product.h"

/* 1, or 0 with the reason: ranks and attributes fit each other. */
int fb_q8_window_check(const qe_problem *p, char *reason, size_t reason_size);
/* Sets the places of x and y and the sizes; kernel, stride, first, dilation, y_stride and y_first are the op's. */
void fb_q8_window_init(fb_q8_window *w, const qe_problem *p);
/*
 * With the window complete and kc the channels of a part: how its taps become runs, with a core that reads runs of a
 * multiple of `step` in place. Sets taps, kc, flip and space.
 */
void fb_q8_window_runs(fb_q8_product *p, int64_t step, bool constant);
void fb_q8_window_find(const fb_q8_product *p, fb_q8_found *f);

#endif
