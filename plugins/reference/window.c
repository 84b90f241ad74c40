/* Geometry of convolutions and pools (window.h). */
#include "window.h"

void ref_window_init(ref_window *g, const qe_problem *p) {
  ref_window_between(g, p->params, p->in[0], p->out[0]);
}

void ref_window_between(ref_window *g, const qe_op_params *a, const qe_operand *x, const qe_operand *y) {
  const uint32_t lead = 3 - a->spatial;
  *g = (ref_window){.batch = x->dims[0],
                    .channels = x->dims[1],
                    .out_channels = y->dims[1],
                    .x_batch = x->strides[0],
                    .x_channel = x->strides[1],
                    .y_batch = y->strides[0],
                    .y_channel = y->strides[1]};
  for (uint32_t d = 0; d < 3; ++d) {
    const bool given = d >= lead;
    const uint32_t s = given ? d - lead : 0;
    g->in[d] = given ? x->dims[2 + s] : 1;
    g->out[d] = given ? y->dims[2 + s] : 1;
    g->kernel[d] = given ? a->kernel[s] : 1;
    g->stride[d] = given ? a->stride[s] : 1;
    g->dilation[d] = given ? a->dilation[s] : 1;
    g->pad[d] = given ? a->pad_begin[s] : 0;
    g->pad_end[d] = given ? a->pad_end[s] : 0;
    g->x_step[d] = given ? x->strides[2 + s] : 0;
    g->y_step[d] = given ? y->strides[2 + s] : 0;
  }
  g->pixels = ref_count(4, (const int64_t[]){g->batch, g->out[0], g->out[1], g->out[2]});
  g->taps = ref_count(3, g->kernel);
}

static bool is_size(int64_t v, int64_t least) { return v >= least && v <= INT32_MAX; }

int ref_window_check(const qe_problem *p, char *reason, size_t reason_size) {
  return ref_window_check_between(p, p->in[0], p->out[0], reason, reason_size);
}

int ref_window_check_between(const qe_problem *p, const qe_operand *x, const qe_operand *y, char *reason,
                             size_t reason_size) {
  const qe_op_params *a = p->params;
  if (a->spatial < 1 || a->spatial > QE_MAX_SPATIAL)
    return ref_refuse(reason, reason_size, "%s: %u spatial dimensions, expected 1 to 3", p->op, a->spatial);
  if (x->rank != a->spatial + 2 || y->rank != a->spatial + 2)
    return ref_refuse(reason, reason_size, "%s: x has rank %d and y rank %d, expected %u for %u spatial dimensions",
                      p->op, x->rank, y->rank, a->spatial + 2, a->spatial);
  for (uint32_t i = 0; i < a->spatial; ++i)
    if (!is_size(a->kernel[i], 1) || !is_size(a->stride[i], 1) || !is_size(a->dilation[i], 1) ||
        !is_size(a->pad_begin[i], INT32_MIN) || !is_size(a->pad_end[i], INT32_MIN))
      return ref_refuse(
          reason, reason_size,
          "%s: kernel %lld, stride %lld, dilation %lld, pads %lld and %lld along spatial dimension %u; expected sizes "
          "of at least 1, and all below 2^31",
          p->op, (long long)a->kernel[i], (long long)a->stride[i], (long long)a->dilation[i],
          (long long)a->pad_begin[i], (long long)a->pad_end[i], i);
  return 1;
}

ref_pixel ref_window_pixel(const ref_window *g, int64_t pixel) {
  ref_pixel at;
  at.at[2] = pixel % g->out[2];
  pixel /= g->out[2];
  at.at[1] = pixel % g->out[1];
  pixel /= g->out[1];
  at.at[0] = pixel % g->out[0];
  at.n = pixel / g->out[0];
  return at;
}

void ref_window_range(const ref_window *g, int d, int64_t at, int64_t *begin, int64_t *end) {
  const int64_t first = at * g->stride[d] - g->pad[d]; /* input position of tap 0 */
  const int64_t dilation = g->dilation[d];
  const int64_t room = ref_max64(g->in[d] - first, 0), before = ref_max64(-first, 0);
  const int64_t lo = dilation == 1 ? before : ref_ceil_div(before, dilation);
  const int64_t hi = dilation == 1 ? room : ref_ceil_div(room, dilation);
  *begin = ref_min64(lo, g->kernel[d]);
  *end = ref_max64(ref_min64(hi, g->kernel[d]), *begin);
}

void ref_window_outputs(const ref_window *g, int d, int64_t tap, int64_t *begin, int64_t *end) {
  const int64_t first = tap * g->dilation[d] - g->pad[d]; /* input position of output 0 */
  *begin = ref_min64(ref_ceil_div(ref_max64(-first, 0), g->stride[d]), g->out[d]);
  *end = ref_max64(ref_min64(ref_ceil_div(ref_max64(g->in[d] - first, 0), g->stride[d]), g->out[d]), *begin);
}

ref_taps ref_window_taps(const ref_window *g, const ref_pixel *at) {
  ref_taps t;
  for (int d = 0; d < 3; ++d) {
    ref_window_range(g, d, at->at[d], &t.begin[d], &t.end[d]);
    t.first[d] = at->at[d] * g->stride[d] - g->pad[d];
  }
  return t;
}

/* Taps along d whose position lies before the end of the padded input. */
static int64_t padded_taps(const ref_window *g, int d, int64_t at) {
  const int64_t first = at * g->stride[d] - g->pad[d], limit = g->in[d] + g->pad_end[d];
  return limit > first ? ref_min64(g->kernel[d], ref_ceil_div(limit - first, g->dilation[d])) : 0;
}

int64_t ref_window_count(const ref_window *g, const ref_pixel *at, bool include_pad) {
  const ref_taps w = ref_window_taps(g, at);
  int64_t count = 1;
  for (int d = 0; d < 3; ++d)
    count *= include_pad ? padded_taps(g, d, at->at[d]) : w.end[d] - w.begin[d];
  return count;
}
