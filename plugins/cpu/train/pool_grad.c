/* Gradients of pools: what all instruction sets share. The loops: max_pool_grad.inc, average_pool_grad.inc. */
#include "train/pool_grad.h"

#include "train/channels.h"

#define TILE     32768           /* elements, about */
#define MOST_TAPS (INT64_C(1) << 24) /* of a window within x: they are numbered in floats */

static int check(const qe_problem *p, char *reason, size_t reason_size) {
  if (!fb_channels_dense(p->out[0]) || !fb_channels_dense(p->in[0]))
    return fb_refuse(reason, reason_size, "%s: the channels do not lie side by side", p->op);
  return fb_window_check(p, reason, reason_size);
}

int fb_average_pool_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return check(p, reason, reason_size);
}

int fb_max_pool_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[1], *dx = p->out[0];
  if (!check(p, reason, reason_size)) return 0;
  if (!fb_channels_dense(x) || x->count != dx->count)
    return fb_refuse(reason, reason_size, "MaxPoolGrad: x does not lie as dx does");
  int64_t positions = 1;
  for (uint32_t d = 2; d < dx->rank; ++d) positions *= dx->dims[d];
  if (positions > MOST_TAPS)
    return fb_refuse(reason, reason_size, "MaxPoolGrad: %lld positions, expected at most 2^24", (long long)positions);
  return 1;
}

void fb_pool_grad_init(fb_pool_grad *s, const qe_problem *p) {
  fb_window_between(&s->g, p->params, p->out[0], p->in[0]);
  const int64_t row = s->g.in[2] * s->g.channels;
  s->covered = true;
  for (int d = 0; d < 3; ++d)
    s->covered = s->covered && s->g.dilation[d] == 1 && s->g.pad[d] == 0 && s->g.kernel[d] == s->g.stride[d] &&
                 s->g.in[d] == s->g.out[d] * s->g.stride[d];
  s->rows = s->g.in[0] * s->g.in[1];
  s->tile_rows = fb_max64(1, fb_min64(s->rows, TILE / fb_max64(1, row)));
  if (fb_has_in(p, 1) && s->g.in[0] > 1) s->tile_rows = s->rows;
  s->tiles = p->out[0]->count == 0 ? 0 : s->g.batch * fb_ceil_div(s->rows, s->tile_rows);
}

int fb_max_pool_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_pool_grad s;
  fb_pool_grad_init(&s, p);
  plan->tiles = s.tiles;
  plan->scratch_size = sizeof(fb_span) * (uint64_t)s.g.out[2];
  return 0;
}

int fb_average_pool_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_pool_grad s;
  fb_pool_grad_init(&s, p);
  plan->tiles = s.tiles;
  plan->scratch_size = sizeof(fb_span) * (uint64_t)s.g.in[2] + sizeof(fb_dy_row) * (uint64_t)(s.g.out[0] * s.g.out[1]) +
                       sizeof(int64_t) * (uint64_t)s.g.out[2];
  return 0;
}
