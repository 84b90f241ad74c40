/* Outputs that do not lie one step apart, those of a phase of ConvTranspose: from scratch to their places. */
#include <string.h>

#include "q8/window.h"

/* `count` rows of `size` bytes */
static inline __attribute__((always_inline)) void copy_rows(char *to, int64_t to_step, const char *from,
                                                            int64_t from_step, int64_t count, int64_t size) {
  for (int64_t r = 0; r < count; ++r, to += to_step, from += from_step) memcpy(to, from, (size_t)size);
}

static void copy(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t count, int64_t size) {
  switch (size) { /* calls of memcpy take longer than these */
    case 1: copy_rows(to, to_step, from, from_step, count, 1); break;
    case 4: copy_rows(to, to_step, from, from_step, count, 4); break;
    case 16: copy_rows(to, to_step, from, from_step, count, 16); break;
    case 32: copy_rows(to, to_step, from, from_step, count, 32); break;
    case 64: copy_rows(to, to_step, from, from_step, count, 64); break;
    default: copy_rows(to, to_step, from, from_step, count, size); break;
  }
}

void fb_q8_window_scatter(const fb_q8_product *p, const char *from, char *y, int64_t part, int64_t first, int64_t count,
                          int64_t n0, int64_t n1, int64_t size) {
  const fb_q8_window *w = &p->at.window;
  const int64_t from_step = size * p->n, to_step = size * w->y_stride[2] * w->y_step[2];
  fb_q8_position o = fb_q8_position_of(w, first);
  y += size * (part * p->y_part + n0);
  from += size * n0;
  for (int64_t r = 0, rows; r < count; r += rows, from += from_step * rows) {
    int64_t at = o.n * w->y_batch;
    for (int d = 0; d < 3; ++d) at += (o.at[d] * w->y_stride[d] + w->y_first[d]) * w->y_step[d];
    rows = fb_min64(w->out[2] - o.at[2], count - r); /* those of a line */
    copy(y + size * at, to_step, from, from_step, rows, size * (n1 - n0));
    o.at[2] += rows - 1;
    fb_q8_position_next(w, &o);
  }
}
