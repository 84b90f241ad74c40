/* Outputs that do not lie one step apart, those of a phase of ConvTranspose: from scratch to their places. */
#include <string.h>

#include "q8/window.h"

static inline void copy(char *to, const char *from, int64_t n) {
  for (; n >= 16; n -= 16, to += 16, from += 16) memcpy(to, from, 16);
  if (n > 0) memcpy(to, from, (size_t)n);
}

void fb_q8_window_scatter(const fb_q8_product *p, const char *from, char *y, int64_t part, int64_t first, int64_t count,
                          int64_t n0, int64_t n1, int64_t size) {
  const fb_q8_window *w = &p->at.window;
  fb_q8_position o = fb_q8_position_of(w, first);
  y += size * (part * p->y_part + n0);
  from += size * n0;
  for (int64_t r = 0; r < count; ++r, from += size * p->n, fb_q8_position_next(w, &o)) {
    int64_t at = o.n * w->y_batch;
    for (int d = 0; d < 3; ++d) at += (o.at[d] * w->y_stride[d] + w->y_first[d]) * w->y_step[d];
    copy(y + size * at, from, size * (n1 - n0));
  }
}
