/* Rows of a convolution (window.h): where the taps of output positions lie; those in the padding are codes of 0. */
#include "q8/window.h"

#include <string.h>

/* Runs of this many bytes or more are good enough as they lie. */
#define GATHER_BELOW 32

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

/* Is the window of a pixel that pixel? Then all lie one step apart. */
static bool is_pointwise(const fb_q8_window *w) {
  for (int d = 0; d < 3; ++d)
    if (w->kernel[d] != 1 || w->stride[d] != 1 || w->first[d] != 0 || w->in[d] != w->out[d]) return false;
  return true;
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

uint8_t *fb_q8_window_one(const fb_q8_window *w, const fb_q8_found *f, const fb_q8_position *o, uint8_t *cut,
                          const uint8_t **to) {
  const uint8_t *x = f->data + o->n * w->x_batch + f->part * w->part_step;
  const int64_t first = o->at[2] * w->stride[2] + w->first[2];
  for (int64_t i = 0; i < w->kernel[0]; ++i) {
    const int64_t a = o->at[0] * w->stride[0] + w->first[0] + i * w->dilation[0];
    for (int64_t j = 0; j < w->kernel[1]; ++j) {
      const int64_t b = o->at[1] * w->stride[1] + w->first[1] + j * w->dilation[1];
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
        join_row(w, row, first, f->zero, cut);
        *to++ = cut;
        cut += w->run;
      }
    }
  }
  return cut;
}

void fb_q8_window_whole(const fb_q8_window *w, int64_t *lo, int64_t *hi) {
  const int64_t reach = (w->kernel[2] - 1) * w->dilation[2], stride = w->stride[2];
  const int64_t least = w->first[2] + fb_min64(reach, 0), most = w->first[2] + fb_max64(reach, 0);
  *lo = least < 0 ? fb_ceil_div(-least, stride) : 0;
  *hi = most < w->in[2] ? fb_min64((w->in[2] - 1 - most) / stride + 1, w->out[2]) : 0;
}

void fb_q8_window_find(const fb_q8_product *p, fb_q8_found *f) {
  const fb_q8_window *w = &p->at.window;
  if (is_pointwise(w)) {
    const uint8_t *x = f->data + f->part * w->part_step + f->first * w->x_step[2];
    f->x_step = w->x_step[2];
    for (int64_t r = 0; r < f->count; ++r) f->x[r] = x + r * f->x_step;
    return;
  }
  if (w->spread) {
    fb_q8_window_spread(p, f);
    return;
  }
  memset(f->space, f->zero, (size_t)w->run);
  if (w->gathered) {
    fb_q8_window_gather(p, f);
    return;
  }
  uint8_t *cut = f->space + w->zeros;
  fb_q8_position o = fb_q8_position_of(w, f->first);
  int64_t lo, hi;
  const int64_t step = w->stride[2] * w->x_step[2];
  fb_q8_window_whole(w, &lo, &hi);
  f->x_step = 0;
  for (int64_t r = 0; r < f->count; ++r, fb_q8_position_next(w, &o)) {
    const uint8_t **to = f->x + r * w->taps;
    if (r > 0 && o.at[2] > lo && o.at[2] < hi)
      for (int64_t i = 0; i < w->taps; ++i) to[i] = fb_q8_window_beside(to[i - w->taps], f->space, step);
    else
      cut = fb_q8_window_one(w, f, &o, cut, to);
  }
}

/* Space, unless gather.c or spread.c has its say: a run of zeros, then, for every row, kernel rows that the padding cuts. */
void fb_q8_window_runs(fb_q8_product *p, const fb_q8_core *core) {
  fb_q8_window *w = &p->at.window;
  const int64_t step = core->run ? core->run : 4;
  w->joined = p->constant && p->parts == 1 && w->kernel[2] > 1 && w->dilation[2] == 1 && w->x_step[2] == p->kc;
  w->run = p->kc * (w->joined ? w->kernel[2] : 1);
  w->taps = w->kernel[0] * w->kernel[1] * (w->joined ? 1 : w->kernel[2]);
  if (!is_pointwise(w) && fb_q8_window_spread_runs(p, core)) return;
  w->gathered = fb_q8_can_fill(p) && !is_pointwise(w) && w->taps > 0 &&
                (core->even || (w->taps > 1 && (w->run < GATHER_BELOW || w->run % step != 0)));
  w->zeros = fb_round_up(w->run + FB_Q8_GATHER_MOST, 64);
  p->flip = w->gathered ? 0 : fb_q8_flip_x(p->problem);
  if (w->gathered) {
    const int64_t cut = w->joined ? w->taps * w->run : 0, size = w->taps * w->run;
    p->taps = 1;
    p->kc = fb_round_up(size, step);
    p->space = fb_round_up(w->zeros + w->taps * (int64_t)sizeof(uint8_t *) + cut + FB_Q8_GATHER_MOST, 64);
    p->space_row = fb_round_up(fb_max64(p->kc, size + fb_q8_gather_beyond(w->run)), fb_max64(step, 16));
  } else {
    p->taps = w->taps;
    p->kc = w->run;
    p->space = w->zeros;
    p->space_row = w->joined ? w->taps * w->run : 0;
  }
}
