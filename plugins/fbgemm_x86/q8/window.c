/* Rows of a convolution (window.h): where the taps of output positions lie; those in the padding are codes of 0. */
#include "window.h"

#include <string.h>

static bool is_size(int64_t v, int64_t least) { return v >= least && v <= INT32_MAX; }

int fb_q8_window_check(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_op_params *a = p->params;
  if (a->spatial < 1 || a->spatial > QE_MAX_SPATIAL || p->in[0]->rank != a->spatial + 2 ||
      p->out[0]->rank != a->spatial + 2)
    return fb_refuse(reason, reason_size, "%s: x has rank %d and y rank %d with %u spatial dimensions", p->op,
                     p->in[0]->rank, p->out[0]->rank, a->spatial);
  for (uint32_t i = 0; i < a->spatial; ++i)
    if (!is_size(a->kernel[i], 1) || !is_size(a->stride[i], 1) || !is_size(a->dilation[i], 1) ||
        !is_size(a->pad_begin[i], INT32_MIN) || !is_size(a->pad_end[i], INT32_MIN))
      return fb_refuse(reason, reason_size, "%s: sizes along spatial dimension %u are out of range", p->op, i);
  return 1;
}

void fb_q8_window_init(fb_q8_window *w, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  const uint32_t lead = 3 - p->params->spatial;
  *w = (fb_q8_window){.x_batch = x->strides[0], .y_batch = y->strides[0]};
  for (uint32_t d = 0; d < 3; ++d) {
    const bool given = d >= lead;
    w->in[d] = given ? x->dims[2 + d - lead] : 1;
    w->out[d] = given ? y->dims[2 + d - lead] : 1;
    w->x_step[d] = given ? x->strides[2 + d - lead] : 0;
    w->y_step[d] = given ? y->strides[2 + d - lead] : 0;
    w->kernel[d] = w->stride[d] = w->dilation[d] = w->y_stride[d] = 1;
  }
}

typedef struct position {
  int64_t n, at[3];
} position;

static position position_of(const fb_q8_window *w, int64_t pixel) {
  position o;
  for (int d = 2; d >= 0; --d) {
    o.at[d] = pixel % w->out[d];
    pixel /= w->out[d];
  }
  o.n = pixel;
  return o;
}

static void next(const fb_q8_window *w, position *o) {
  for (int d = 2; d >= 0; --d) {
    if (++o->at[d] < w->out[d]) return;
    o->at[d] = 0;
  }
  ++o->n;
}

static bool inside(const fb_q8_window *w, int d, int64_t at) { return at >= 0 && at < w->in[d]; }

/* A kernel row that the padding cuts, copied to `to`. */
static void join_row(const fb_q8_window *w, const uint8_t *x, int64_t first, uint8_t zero, uint8_t *to) {
  const int64_t size = w->part_step, begin = fb_min64(fb_max64(-first, 0), w->kernel[2]);
  const int64_t end = fb_max64(begin, fb_min64(w->in[2] - first, w->kernel[2]));
  memset(to, zero, (size_t)(begin * size));
  if (end > begin) memcpy(to + begin * size, x + (first + begin) * w->x_step[2], (size_t)((end - begin) * size));
  memset(to + end * size, zero, (size_t)((w->kernel[2] - end) * size));
}

/* Space: a run of zeros (real ones), then kernel rows that the padding cuts. */
void fb_q8_window_find(const fb_q8_product *p, fb_q8_found *f) {
  const fb_q8_window *w = &p->at.window;
  const uint8_t **to = f->x;
  uint8_t *cut_row = f->space + p->kc;
  position o = position_of(w, f->first);
  memset(f->space, f->zero, (size_t)p->kc);
  f->x_step = 0;
  for (int64_t r = 0; r < f->count; ++r, next(w, &o)) {
    const uint8_t *x = f->data + o.n * w->x_batch + f->part * w->part_step;
    const int64_t first = o.at[2] * w->stride[2] + w->first[2];
    for (int64_t i = 0; i < w->kernel[0]; ++i) {
      const int64_t a = o.at[0] * w->stride[0] + w->first[0] + i * w->dilation[0];
      for (int64_t j = 0; j < w->kernel[1]; ++j) {
        const int64_t b = o.at[1] * w->stride[1] + w->first[1] + j * w->dilation[1];
        const bool in = inside(w, 0, a) && inside(w, 1, b);
        const uint8_t *row = x + (in ? a * w->x_step[0] + b * w->x_step[1] : 0);
        if (!w->joined) {
          int64_t c = first;
          for (int64_t k = 0; k < w->kernel[2]; ++k, c += w->dilation[2])
            *to++ = in && inside(w, 2, c) ? row + c * w->x_step[2] : f->space;
        } else if (!in) {
          *to++ = f->space;
        } else if (first >= 0 && first + w->kernel[2] <= w->in[2]) {
          *to++ = row + first * w->x_step[2];
        } else {
          join_row(w, row, first, f->zero, cut_row);
          *to++ = cut_row;
          cut_row += p->kc;
        }
      }
    }
  }
}
