/* Conv on codes and ConvInteger, channels last: every output position is a row, its window the run of codes. */
#include "q8/check.h"
#include "q8/window.h"

static int supports(const qe_problem *p, char *reason, size_t reason_size) {
  if (!fb_conv_check(p, false, reason, reason_size)) return 0;
  int64_t terms = p->in[1]->dims[1];
  for (uint32_t i = 0; i < p->params->spatial; ++i) terms *= p->params->kernel[i];
  if (fb_has_in(p, 2) && p->in[2]->count != p->out[0]->dims[1])
    return fb_refuse(reason, reason_size, "Conv: the bias has %lld elements, expected one per channel",
                     (long long)p->in[2]->count);
  return fb_q8_check(p, 0, p->out[0]->dims[1], terms, reason, reason_size);
}

static int supports_integer(const qe_problem *p, char *reason, size_t reason_size) {
  if (!fb_is_code8(p->in[0]) || !fb_is_code8(p->in[1]) || p->out[0]->dtype != QE_DT_I32)
    return fb_refuse(reason, reason_size, "ConvInteger: expected uint8 or int8 -> int32");
  for (uint32_t i = 2; i < 4; ++i)
    if (fb_has_in(p, i) && (p->in[i]->dtype != p->in[i - 2]->dtype ||
                            (p->in[i]->count != 1 && (i == 2 || p->in[i]->count != p->in[1]->dims[0]))))
      return fb_refuse(reason, reason_size, "ConvInteger: zero point %u has %lld elements or another type", i - 2,
                       (long long)p->in[i]->count);
  return fb_conv_check(p, false, reason, reason_size);
}

/* Columns up to which narrow groups become one part: a vector's lanes, more or less. */
#define MERGE_COLUMNS 16

/*
 * Groups with fewer outputs than a vector has lanes: several of them side by side are one product, with weights that
 * stand for 0 where a channel is another group's.
 */
static void merge_groups(fb_q8_product *p) {
  int64_t merged = 1;
  for (int64_t i = 2; i * p->n <= MERGE_COLUMNS && i <= p->parts; ++i)
    if (p->parts % i == 0) merged = i;
  p->merged = merged;
  p->parts /= merged;
  p->n *= merged;
  p->kc *= merged;
}

static void describe_any(const qe_problem *p, const fb_q8_core *core, bool integer, fb_q8_product *out) {
  const qe_op_params *a = p->params;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const uint32_t lead = 3 - a->spatial;
  const int64_t groups = a->groups, channels = x->dims[1] / groups;
  *out = (fb_q8_product){.problem = p,
                         .phases = 1,
                         .parts = groups,
                         .n = y->dims[1] / groups,
                         .kc = channels,
                         .constant = w->data != NULL,
                         .integer = integer,
                         .own_columns = true,
                         .w = {.step_n = w->strides[0], .size = {1, 1, 1, channels}, .step = {0, 0, 0, w->strides[1]}},
                         .merged = 1,
                         .y_step = y->dims[1],
                         .c_col = 1,
                         .find_rows = fb_q8_window_find};
  out->w_part = out->n * w->strides[0];
  if (fb_q8_can_fill(out)) merge_groups(out);
  fb_q8_window *g = &out->at.window;
  fb_q8_window_init(g, p);
  for (uint32_t d = lead; d < 3; ++d) {
    g->kernel[d] = out->w.size[d] = a->kernel[d - lead];
    g->stride[d] = a->stride[d - lead];
    g->dilation[d] = a->dilation[d - lead];
    g->first[d] = -a->pad_begin[d - lead];
    out->w.step[d] = w->strides[2 + d - lead];
  }
  out->y_part = out->n;
  out->rows = x->dims[0] * g->out[0] * g->out[1] * g->out[2];
  g->part_step = out->kc;
  fb_q8_window_runs(out, core);
}

static void describe(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  (void)phase;
  describe_any(p, core, false, out);
}

static void describe_integer(const qe_problem *p, const fb_q8_core *core, int64_t phase, fb_q8_product *out) {
  (void)phase;
  describe_any(p, core, true, out);
}

const fb_q8_op fb_q8_qconv = {supports, describe};
const fb_q8_op fb_q8_conv_integer = {supports_integer, describe_integer};
