/*
 * Windows side by side: the windows of a line of outputs are one step apart in x for every tap, if only x had its
 * padding. So lines of x are copied with theirs, once for all windows that see them (unless there is none and codes
 * need no flip: then nothing is copied). Space: a line of zeros, then the lines.
 *
 * Kernel rows of few channels are no multiple of what a core reads at a time. Then it reads on beyond their end, where
 * weights stand for 0, which takes less than copying windows together (gather.c); and as pointers to every run of every
 * window would cost as much as that, there are but those of the first window of a line.
 */
#include <string.h>

#include "q8/window.h"

/* Lines of fewer outputs fill no tile. */
#define LEAST_OUT 8
/* A core that copies rows anyway: its runs, and lines of a block (of fewer, too little is padding to be worth it). */
#define COPIED_RUN   16
#define COPIED_LINES 4

/* Does some window reach beyond x along dimension d? */
static bool is_padded(const fb_q8_window *w, int d) {
  const int64_t last = (w->out[d] - 1) * w->stride[d] + (w->kernel[d] - 1) * w->dilation[d];
  return w->first[d] < 0 || w->first[d] + last >= w->in[d];
}

static int64_t line_pixels(const fb_q8_window *w) {
  return (w->out[2] - 1) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1;
}
static int64_t line_bytes(const fb_q8_product *p) {
  const fb_q8_window *w = &p->at.window;
  return fb_round_up(line_pixels(w) * w->x_step[2] + p->pad, 64);
}

/* Rows of a block's line: all outputs of one, or an equal part of them, of at most `most`. */
static int64_t line_part(int64_t outs, int64_t most) {
  int64_t parts = fb_max64(1, fb_ceil_div(outs, most));
  while (parts < outs && outs % parts != 0) ++parts;
  return outs / parts;
}

/* May the runs of a weight be made longer, and need nothing be known of every row? */
static bool can_pad(const fb_q8_product *p, const fb_q8_core *core) {
  if (!core->steps || !p->at.window.joined || !fb_q8_can_fill(p)) return false;
  if (p->integer && fb_has_in(p->problem, fb_q8_zero_in(p, 1))) return false; /* known in a call only */
  return !fb_q8_has_w_zeros(p, NULL);
}

bool fb_q8_window_spread_runs(fb_q8_product *p, const fb_q8_core *core) {
  fb_q8_window *w = &p->at.window;
  const int64_t least = core->even ? LEAST_OUT : 1, run = core->run ? core->run : COPIED_RUN;
  const int64_t most = core->run ? core->rows : core->rows / COPIED_LINES;
  const int64_t pad = fb_round_up(w->run, run) - w->run, line = pad ? line_part(w->out[2], most) : w->out[2];
  w->spread = (core->even || (core->lines && (w->taps > 1 || pad))) && p->parts == 1 && !p->scattered &&
              (pad == 0 || can_pad(p, core)) && w->x_step[2] == w->part_step &&
              line >= (pad ? LEAST_OUT : least) && line <= most &&
              w->kernel[0] == 1 && w->in[0] == 1 && w->out[0] == 1 && !is_padded(w, 0) && w->dilation[1] > 0 &&
              w->dilation[2] > 0;
  if (!w->spread) return false;
  const uint8_t flip = fb_q8_flip_x(p->problem);
  w->copied = pad || flip != 0 || is_padded(w, 1) || is_padded(w, 2);
  p->taps = w->taps;
  p->kc = w->run + pad;
  p->pad = pad;
  p->flip = 0;
  p->line = line;
  p->stepped = pad != 0;
  if (!w->copied) return true;
  /* Each line of outputs sees some lines of x, and moves on by some. */
  const int64_t lines = (w->kernel[1] - 1) * w->dilation[1] + 1 + w->stride[1];
  p->space = p->zeros = line_bytes(p);
  p->space_row = fb_ceil_div(lines * line_bytes(p), line);
  return true;
}

/* n codes, flipped. */
static void copy_codes(uint8_t *to, const uint8_t *from, int64_t n, uint8_t flip) {
  if (!flip)
    memcpy(to, from, (size_t)n);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i] ^ flip;
}

/* Line b of x from the first pixel that a window sees, with zeros where there is none. */
static void copy_line(const fb_q8_product *p, const fb_q8_found *f, int64_t n, int64_t b, uint8_t *to) {
  const fb_q8_window *w = &p->at.window;
  const uint8_t flip = fb_q8_flip_x(p->problem);
  const int64_t size = w->x_step[2], pixels = line_pixels(w), before = fb_min64(fb_max64(-w->first[2], 0), pixels);
  const int64_t end = fb_max64(before, fb_min64(w->in[2] - w->first[2], pixels));
  memset(to, f->zero ^ flip, (size_t)(before * size));
  if (end > before)
    copy_codes(to + before * size, f->data + n * w->x_batch + b * w->x_step[1] + (w->first[2] + before) * size,
               (end - before) * size, flip);
  memset(to + end * size, f->zero ^ flip, (size_t)((pixels - end) * size));
}

/* Copied lines: those of image n from `first` up to `next`. */
typedef struct lines {
  uint8_t *at, *free;
  int64_t n, first, next;
} lines;

/* Line b of image n; those before `first` are of no use any more. */
static const uint8_t *copied_line(const fb_q8_product *p, const fb_q8_found *f, lines *l, int64_t n, int64_t first,
                                  int64_t b) {
  const int64_t size = line_bytes(p);
  if (n != l->n) *l = (lines){.at = l->free, .free = l->free, .n = n, .first = first, .next = first};
  for (; l->next <= b; ++l->next, l->free += size) copy_line(p, f, n, l->next, l->free);
  return l->at + (b - l->first) * size;
}

void fb_q8_window_spread(const fb_q8_product *p, fb_q8_found *f) {
  const fb_q8_window *w = &p->at.window;
  lines l = {.free = f->space + p->space, .n = -1};
  if (w->copied) memset(f->space, f->zero ^ fb_q8_flip_x(p->problem), (size_t)p->space);
  f->x_step = w->stride[2] * w->x_step[2];
  f->x_run = p->line;
  for (int64_t r = 0; r < f->count; r += p->line) {
    const int64_t line = (f->first + r) / w->out[2], n = line / w->out[1], y = line % w->out[1];
    const int64_t column = (f->first + r) % w->out[2];
    const uint8_t **to = f->x + r * w->taps;
    const int64_t first = y * w->stride[1] + w->first[1];
    for (int64_t j = 0; j < w->kernel[1]; ++j) {
      const int64_t b = first + j * w->dilation[1];
      const uint8_t *from;
      if (!w->copied)
        from = f->data + n * w->x_batch + b * w->x_step[1] + w->first[2] * w->x_step[2];
      else
        from = b < 0 || b >= w->in[1] ? f->space : copied_line(p, f, &l, n, fb_max64(first, 0), b);
      from += column * f->x_step;
      for (int64_t k = 0; k < (w->joined ? 1 : w->kernel[2]); ++k) *to++ = from + k * w->dilation[2] * w->x_step[2];
    }
    for (int64_t i = w->taps; i < p->line * w->taps && !p->stepped; ++i, ++to) *to = to[-w->taps] + f->x_step;
  }
}
