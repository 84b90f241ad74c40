/*
 * The pixels of a tile (conv.h) in classes of those that have the same taps: the inner ones, and those at each side and
 * corner of the image. So a block takes the same taps for all of its rows, and none that lies in the padding.
 */
#include "f32/conv_edge.h"

#include <string.h>

/* With few channels blocks of few rows cost less than a call for each tap, with many it pays to fill blocks. */
enum { FEW_CHANNELS = 32, MANY_CHANNELS = 128, FEW_PIXELS = 3 };

static bool stands_alone(const fb_f32_conv *c, int64_t pixels) {
  if (c->most_classes == 1 || c->ic < FEW_CHANNELS) return true;
  return pixels >= (c->ic < MANY_CHANNELS ? FEW_PIXELS : c->core->rows);
}

/* Positions that lack taps stand alone. */
static int64_t most_spans(const fb_f32_axis *a) {
  return a->n - (a->hi - a->lo) + 1;
}

int64_t fb_f32_most_classes(const fb_f32_window *w) {
  return most_spans(&w->axis[0]) * most_spans(&w->axis[1]) * most_spans(&w->axis[2]);
}

void fb_f32_find_spans(fb_f32_tile_job *j) {
  fb_f32_span *to = j->spans;
  for (int d = 0; d < 3; ++d) {
    const fb_f32_axis *a = &j->window.axis[d];
    fb_f32_span *first = to;
    for (int64_t i = 0; i < a->n; i = to[-1].end) {
      fb_f32_span s = {.end = i == a->lo && a->lo < a->hi ? a->hi : i + 1};
      fb_f32_taps(a, i, &s.first, &s.last);
      if (to > first && to[-1].first == s.first && to[-1].last == s.last)
        to[-1].end = s.end;
      else
        *to++ = s;
    }
    j->span_count[d] = to - first;
  }
}

static fb_f32_line line_at(const fb_f32_tile_job *j, int64_t number) {
  const fb_f32_window *w = &j->window;
  const fb_f32_axis *a = w->axis;
  const int64_t i1 = number % a[1].n, i0 = number / a[1].n % a[0].n, n = number / a[1].n / a[0].n;
  fb_f32_line l = {.i0 = i0, .i1 = i1};
  l.x = j->x + (n * w->x_batch + (a[0].at + i0 * a[0].in_step) * w->x_step[0] +
                (a[1].at + i1 * a[1].in_step) * w->x_step[1] + a[2].at * w->x_step[2]);
  l.y = j->y + (n * w->y_batch + (a[0].first + i0 * a[0].step) * w->y_step[0] +
                (a[1].first + i1 * a[1].step) * w->y_step[1] + a[2].first * w->y_step[2]);
  return l;
}

static void add_pixels(fb_f32_tile_job *j, const fb_f32_line *l, int64_t begin, int64_t end) {
  const fb_f32_window *w = &j->window;
  const int64_t x_step = w->axis[2].in_step * w->x_step[2], y_step = w->axis[2].step * w->y_step[2];
  for (int64_t i = begin; i < end; ++i) {
    j->xs[j->pixels] = l->x + i * x_step;
    j->ys[j->pixels++] = l->y + i * y_step;
  }
}

/* Positions of one class: lines with i0 and i1 in ranges, pixels [lo[2], hi[2]) of them. */
typedef struct box {
  int64_t lo[3], hi[3];
} box;

static bool has_line(const box *b, const fb_f32_line *l) {
  return l->i0 >= b->lo[0] && l->i0 < b->hi[0] && l->i1 >= b->lo[1] && l->i1 < b->hi[1];
}

/* The pixels of a box among `lines` lines, if they are to stand alone or if they are not. */
static void add_box(const fb_f32_conv *c, fb_f32_tile_job *j, int64_t lines, const box *b, const fb_f32_edge *taps,
                    bool alone) {
  int64_t count = 0;
  for (int64_t n = 0; n < lines; ++n)
    if (has_line(b, &j->lines[n])) count += b->hi[2] - b->lo[2];
  if (count == 0 || alone != stands_alone(c, count)) return;
  j->classes[j->class_count++] = (fb_f32_class){*taps, j->pixels, count};
  for (int64_t n = 0; n < lines; ++n)
    if (has_line(b, &j->lines[n])) add_pixels(j, &j->lines[n], b->lo[2], b->hi[2]);
}

void fb_f32_collect(const fb_f32_conv *c, fb_f32_tile_job *j, int64_t line0, int64_t line1, int64_t begin,
                    int64_t end) {
  const fb_f32_span *s0 = j->spans, *s1 = s0 + j->span_count[0], *s2 = s1 + j->span_count[1];
  const int64_t lines = line1 - line0;
  for (int64_t n = 0; n < lines; ++n) j->lines[n] = line_at(j, line0 + n);
  j->pixels = j->class_count = 0;
  for (int alone = 1; alone >= 0; --alone) {
    j->alone = j->class_count;
    for (int64_t a = 0; a < j->span_count[0]; ++a)
      for (int64_t b = 0; b < j->span_count[1]; ++b)
        for (int64_t d = 0; d < j->span_count[2]; ++d) {
          const fb_f32_edge taps = {{s0[a].first, s1[b].first, s2[d].first}, {s0[a].last, s1[b].last, s2[d].last}};
          const int64_t lo[3] = {a > 0 ? s0[a - 1].end : 0, b > 0 ? s1[b - 1].end : 0, d > 0 ? s2[d - 1].end : 0};
          const box at = {{lo[0], lo[1], fb_max64(begin, lo[2])}, {s0[a].end, s1[b].end, fb_min64(end, s2[d].end)}};
          if (at.lo[2] < at.hi[2]) add_box(c, j, lines, &at, &taps, alone);
        }
  }
}
