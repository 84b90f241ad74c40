/*
 * Windows copied together: of few channels, a window is many short runs, which cost more to be walked by a core for
 * every column than to be copied once. Space: a run of zeros; the runs of one window; its kernel rows that the padding
 * cuts; then the rows, each beginning where the one before ends, what was copied beyond its end being overwritten.
 */
#include <string.h>

#include "window.h"

enum { PIECE = FB_Q8_GATHER_PIECE };

/* Copies runs of up to PIECE * pieces bytes (any, with 0), moving them by step. */
static inline __attribute__((always_inline)) void copy_runs(uint8_t *to, const uint8_t **runs, int64_t count,
                                                            int64_t size, int pieces, const uint8_t *zeros,
                                                            int64_t step, const uint8_t *end) {
  const int64_t read = pieces ? pieces * PIECE : fb_round_up(size, PIECE);
  for (int64_t i = 0; i < count; ++i, to += size) {
    const uint8_t *from = runs[i] = fb_q8_window_beside(runs[i], zeros, step);
    if ((uintptr_t)end - (uintptr_t)from < (uintptr_t)read) { /* the last runs of x; no others are that close to it */
      memcpy(to, from, (size_t)size);
      continue;
    }
    for (int64_t j = 0; j < read; j += PIECE) memcpy(to + j, from + j, PIECE);
  }
}

static void copy(const fb_q8_window *w, const fb_q8_found *f, const uint8_t **runs, int64_t step, uint8_t *to) {
  if (w->run <= PIECE)
    copy_runs(to, runs, w->taps, w->run, 1, f->space, step, f->end);
  else if (w->run <= 2 * PIECE)
    copy_runs(to, runs, w->taps, w->run, 2, f->space, step, f->end);
  else
    copy_runs(to, runs, w->taps, w->run, 0, f->space, step, f->end);
}

static void fill(uint8_t *to, int64_t n, uint8_t zero) {
  uint8_t zeros[PIECE];
  memset(zeros, zero, PIECE);
  for (int64_t i = 0; i < n; i += PIECE) memcpy(to + i, zeros, PIECE);
}

void fb_q8_window_gather(const fb_q8_product *p, fb_q8_found *f) {
  const fb_q8_window *w = &p->at.window;
  const uint8_t **runs = (const uint8_t **)(void *)(f->space + w->zeros);
  uint8_t *const cut = f->space + w->zeros + (int64_t)sizeof *runs * w->taps, *to = f->space + p->space;
  const uint8_t flip = fb_q8_flip_x(p->problem);
  const int64_t step = w->stride[2] * w->x_step[2], size = w->taps * w->run;
  fb_q8_position o = fb_q8_position_of(w, f->first);
  int64_t lo, hi;
  fb_q8_window_whole(w, &lo, &hi);
  f->x_step = p->kc;
  for (int64_t r = 0; r < f->count; ++r, fb_q8_position_next(w, &o), to += p->kc) {
    const bool beside = r > 0 && o.at[2] > lo && o.at[2] < hi;
    if (!beside) fb_q8_window_one(w, f, &o, cut, runs);
    copy(w, f, runs, beside ? step : 0, to);
    fill(to + size, p->kc - size, f->zero);
    for (int64_t i = 0; flip && i < p->kc; ++i) to[i] ^= flip;
    f->x[r] = to;
  }
}
