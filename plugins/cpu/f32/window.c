/* Geometry of convolutions (window.h). */
#include "f32/window.h"

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

void fb_f32_taps(const fb_f32_axis *a, int64_t i, int64_t *begin, int64_t *end) {
  const int64_t at = a->at + i * a->in_step; /* of tap 0 */
  int64_t lo, hi;
  if (a->tap_step > 0) {
    lo = at >= 0 ? 0 : -floor_div(at, a->tap_step);
    hi = floor_div(a->in - 1 - at, a->tap_step) + 1;
  } else {
    lo = at < a->in ? 0 : -floor_div(a->in - 1 - at, -a->tap_step);
    hi = floor_div(at, -a->tap_step) + 1;
  }
  *begin = lo;
  *end = fb_min64(hi, a->taps);
  if (*begin >= *end) *begin = *end = 0;
}

/* Whole ranges lie side by side, because input positions grow with i. */
static void find_whole(fb_f32_axis *a) {
  const int64_t last = (a->taps - 1) * a->tap_step;
  const int64_t low = a->at + fb_min64(last, 0), high = a->at + fb_max64(last, 0);
  a->lo = low >= 0 ? 0 : fb_ceil_div(-low, a->in_step);
  a->hi = floor_div(a->in - 1 - high, a->in_step) + 1;
  if (a->taps == 0) {
    a->lo = 0;
    a->hi = a->n;
  }
  a->lo = fb_min64(a->lo, a->n);
  a->hi = fb_max64(fb_min64(a->hi, a->n), a->lo);
}

static fb_f32_axis axis_of(const qe_problem *p, uint32_t d, bool transposed, int64_t phase) {
  const qe_op_params *a = p->params;
  const int64_t stride = a->stride[d], dilation = a->dilation[d], kernel = a->kernel[d], pad = a->pad_begin[d];
  const int64_t out = p->out[0]->dims[2 + d];
  fb_f32_axis x = {.in = p->in[0]->dims[2 + d]};
  if (!transposed) {
    x = (fb_f32_axis){.step = 1,
                      .n = out,
                      .at = -pad,
                      .in_step = stride,
                      .tap_step = dilation,
                      .tap_skip = 1,
                      .taps = kernel,
                      .in = x.in};
  } else {
    /* Input i = (phase + pad - t * dilation) / stride must be whole. */
    const int64_t common = fb_common_divisor(stride, dilation), skip = stride / common;
    x.first = phase;
    x.step = stride;
    x.n = phase < out ? fb_ceil_div(out - phase, stride) : 0;
    x.in_step = 1;
    x.tap_skip = skip;
    x.tap_step = -(dilation / common);
    while (x.tap < kernel && x.tap < skip && (phase + pad - x.tap * dilation) % stride != 0) ++x.tap;
    x.taps = x.tap < kernel && x.tap < skip ? fb_ceil_div(kernel - x.tap, skip) : 0;
    x.at = floor_div(phase + pad - x.tap * dilation, stride);
  }
  find_whole(&x);
  return x;
}

fb_f32_window fb_f32_window_of(const qe_problem *p, bool transposed, int64_t phase) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  const uint32_t spatial = p->params->spatial, lead = 3 - spatial;
  fb_f32_window w = {.batch = x->dims[0], .x_batch = x->strides[0], .y_batch = y->strides[0]};
  for (uint32_t d = 0; d < lead; ++d) {
    w.axis[d] =
        (fb_f32_axis){.step = 1, .n = 1, .in_step = 1, .tap_step = 1, .tap_skip = 1, .taps = 1, .in = 1, .hi = 1};
    w.kernel[d] = 1;
  }
  for (uint32_t d = spatial; d-- > 0;) {
    const int64_t stride = transposed ? p->params->stride[d] : 1;
    w.axis[lead + d] = axis_of(p, d, transposed, phase % stride);
    phase /= stride;
    w.kernel[lead + d] = p->params->kernel[d];
    w.x_step[lead + d] = x->strides[2 + d];
    w.y_step[lead + d] = y->strides[2 + d];
  }
  return w;
}
