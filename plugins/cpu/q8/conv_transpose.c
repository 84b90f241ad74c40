/*
 * ConvTranspose on codes, channels last. Output positions of one remainder modulo the stride see the same taps, and
 * neighbours among them neighbours of the input: each remainder (a phase) is a convolution of stride 1, whose outputs
 * lie a stride apart. Parameters of the weight: one pair, or one per dimension 1 (used in every group).
 */
#include "q8/check.h"
#include "q8/window.h"

static int supports(const qe_problem *p, char *reason, size_t reason_size) {
  if (!fb_conv_check(p, true, reason, reason_size)) return 0;
  const qe_operand *w = p->in[1], *y = p->out[0];
  int64_t terms = w->dims[0] / p->params->groups;
  for (uint32_t i = 0; i < p->params->spatial; ++i) terms *= p->params->kernel[i];
  if (!w->data) return fb_refuse(reason, reason_size, "ConvTranspose: the weight is computed, a constant was expected");
  if (fb_has_in(p, 2) && p->in[2]->count != y->dims[1])
    return fb_refuse(reason, reason_size, "ConvTranspose: the bias has %lld elements, expected one per channel",
                     (long long)p->in[2]->count);
  return fb_q8_check(p, 1, w->dims[1], terms, reason, reason_size);
}

/*
 * Along dimension d (parameter i): output o = q * stride + rest sees tap t where o + pad - t * dilation is a multiple
 * of the stride: every (stride / divisor)-th from the first one on, or none.
 */
static void describe_axis(const qe_op_params *a, uint32_t i, int64_t rest, int64_t w_step, uint32_t d, fb_q8_product *p) {
  fb_q8_window *g = &p->at.window;
  const int64_t stride = a->stride[i], dilation = a->dilation[i], start = rest + a->pad_begin[i];
  const int64_t divisor = fb_common_divisor(stride, dilation), step = stride / divisor;
  int64_t tap = 0;
  while (tap < step && (start - tap * dilation) % stride != 0) ++tap;
  g->kernel[d] = tap < step && tap < a->kernel[i] ? fb_ceil_div(a->kernel[i] - tap, step) : 0;
  g->first[d] = g->kernel[d] ? (start - tap * dilation) / stride : 0;
  g->dilation[d] = -(dilation / divisor);
  g->y_stride[d] = stride;
  g->y_first[d] = rest;
  g->out[d] = rest < g->out[d] ? fb_ceil_div(g->out[d] - rest, stride) : 0;
  p->w.size[d] = g->kernel[d];
  p->w.step[d] = step * w_step;
  if (g->kernel[d]) p->w.first += tap * w_step;
}

static void describe(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  const qe_op_params *a = p->params;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const int64_t groups = a->groups, channels = x->dims[1] / groups;
  *out = (fb_q8_product){.problem = p,
                         .phases = fb_phases(p),
                         .parts = groups,
                         .n = y->dims[1] / groups,
                         .kc = channels,
                         .constant = true,
                         .own_columns = true,
                         .w = {.step_n = w->strides[1], .size = {1, 1, 1, channels}, .step = {0, 0, 0, w->strides[0]}},
                         .w_part = channels * w->strides[0],
                         .merged = 1,
                         .y_step = y->dims[1],
                         .c_col = 1,
                         .find_rows = fb_q8_window_find};
  out->y_part = out->n;
  fb_q8_window *g = &out->at.window;
  fb_q8_window_init(g, p);
  g->part_step = channels;
  for (uint32_t i = a->spatial, rest = 0; i-- > 0;) {
    rest = (uint32_t)(phase % a->stride[i]);
    phase /= a->stride[i];
    describe_axis(a, i, rest, w->strides[2 + i], 3 - a->spatial + i, out);
  }
  out->scattered = out->phases > 1;
  out->rows = x->dims[0] * g->out[0] * g->out[1] * g->out[2];
  fb_q8_window_runs(out, core);
}

const fb_q8_op fb_q8_qconv_transpose = {supports, describe};
