/*
 * Windows copied together: of few channels, a window is many short runs, which cost more to be walked by a core for
 * every column than to be copied once; and some cores want rows one step apart. Space: a run of zeros; the runs of one
 * window; its kernel rows that the padding cuts; then the rows, with room behind each for what is copied beyond its end.
 * A row may be longer than its window: whatever lies there meets weights that stand for 0.
 */
#include <string.h>

#include "q8/window.h"

enum { PIECE = FB_Q8_GATHER_PIECE };

/* One run of `count` windows side by side; size <= PIECE * pieces. */
static inline __attribute__((always_inline)) void copy_run(uint8_t *to, int64_t to_step, const uint8_t *from,
                                                           int64_t from_step, int64_t count, int64_t size, int pieces,
                                                           const uint8_t *end) {
  const int64_t read = pieces * PIECE;
  /* The last runs of x are copied to the byte. Nothing else lies as close before its end. */
  const uintptr_t room = (uintptr_t)end - (uintptr_t)from;
  int64_t whole = count;
  if (room < (uintptr_t)(read + (count - 1) * from_step))
    whole = room < (uintptr_t)read ? 0 : from_step > 0 ? ((int64_t)room - read) / from_step + 1 : count;
  for (int64_t r = 0; r < whole; ++r, to += to_step, from += from_step)
    for (int64_t j = 0; j < read; j += PIECE) memcpy(to + j, from + j, PIECE);
  for (int64_t r = whole; r < count; ++r, to += to_step, from += from_step) memcpy(to, from, (size_t)size);
}

static void copy(const fb_q8_window *w, const fb_q8_found *f, const uint8_t *const *runs, int64_t count, uint8_t *to) {
  for (int64_t i = 0; i < w->taps; ++i, to += w->run) {
    const int64_t step = runs[i] == f->space ? 0 : w->stride[2] * w->x_step[2];
    if (w->run <= PIECE)
      copy_run(to, f->x_step, runs[i], step, count, w->run, 1, f->end);
    else if (w->run <= 2 * PIECE)
      copy_run(to, f->x_step, runs[i], step, count, w->run, 2, f->end);
    else if (w->run <= 4 * PIECE)
      copy_run(to, f->x_step, runs[i], step, count, w->run, 4, f->end);
    else
      for (int64_t r = 0; r < count; ++r) memcpy(to + r * f->x_step, runs[i] + r * step, (size_t)w->run);
  }
}

void fb_q8_window_gather(const fb_q8_product *p, fb_q8_found *f) {
  const fb_q8_window *w = &p->at.window;
  const uint8_t **runs = (const uint8_t **)(void *)(f->space + w->zeros);
  uint8_t *const cut = f->space + w->zeros + (int64_t)sizeof *runs * w->taps, *const rows = f->space + p->space;
  fb_q8_position o = fb_q8_position_of(w, f->first);
  int64_t lo, hi, count;
  fb_q8_window_whole(w, &lo, &hi);
  f->x_step = p->space_row;
  for (int64_t r = 0; r < f->count; r += count) {
    uint8_t *to = rows + r * f->x_step;
    count = o.at[2] >= lo && o.at[2] < hi ? fb_min64(hi - o.at[2], f->count - r) : 1;
    fb_q8_window_one(w, f, &o, cut, runs);
    copy(w, f, runs, count, to);
    o.at[2] += count - 1;
    fb_q8_position_next(w, &o);
  }
  const uint8_t flip = fb_q8_flip_x(p->problem);
  for (int64_t i = 0; flip && i < f->count * f->x_step; ++i) rows[i] ^= flip;
  for (int64_t r = 0; r < f->count; ++r) f->x[r] = rows + r * f->x_step;
}
