/* Add, Sub and Mul of 8-bit codes with broadcasting: what all instruction sets share. The loops: elementwise.inc. */
#include "codes/elementwise.h"

#include <math.h>

static bool per_tensor(const qe_operand *o) { return fb_is_code8(o) && o->q_count == 1; }

int fb_elementwise_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->n_in != 2 || !p->in[0] || !p->in[1] || !per_tensor(p->in[0]) || !per_tensor(p->in[1]) ||
      !per_tensor(p->out[0]))
    return fb_refuse(reason, reason_size,
                     "%s: expected two uint8 or int8 inputs and such an output, one pair of parameters each", p->op);
  return fb_broadcast_check(p, reason, reason_size);
}

int fb_elementwise_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  fb_nest_of_problem(&nest, p);
  plan->tiles = fb_nest_tiles(&nest, FB_ELEMENTWISE_TILE);
  plan->flags = fb_same_place(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

static fb_code_real real_of(const qe_operand *o) {
  const uint8_t flip = o->dtype == QE_DT_I8 ? 0x80 : 0;
  return (fb_code_real){o->scales[0], (float)(o->zero_points[0] + flip), flip};
}

fb_elementwise fb_elementwise_of(const qe_call *call) {
  const qe_problem *p = call->problem;
  const qe_operand *y = p->out[0];
  int32_t lo, hi;
  fb_code_range(p, &lo, &hi);
  fb_elementwise e = {.a = call->in[0], .b = call->in[1], .y = call->out[0]};
  e.real_a = real_of(p->in[0]);
  e.real_b = real_of(p->in[1]);
  e.scale = y->scales[0];
  e.flip = y->dtype == QE_DT_I8 ? 0x80 : 0;
  e.zero = y->zero_points[0];
  e.lo = (float)(lo - y->zero_points[0]);
  e.hi = (float)(hi - y->zero_points[0]);
  /* An operand is at most 255 scales; NaN and infinite scales are not below any bound. */
  const double a = 255.0 * fabs((double)e.real_a.scale), b = 255.0 * fabs((double)e.real_b.scale);
  const double most = 0x1p30 * fabs((double)e.scale);
  e.bounded = a + b < most && a * b < most && a + b < 0x1p127 && a * b < 0x1p127;
  return e;
}
