/* Types and parameters of the quantized products (check.h). */
#include "q8/check.h"

/* The largest |code - zero point| of an operand. */
static int64_t reach(const qe_operand *o) {
  const int64_t lo = o->dtype == QE_DT_I8 ? INT8_MIN : 0, hi = o->dtype == QE_DT_I8 ? INT8_MAX : UINT8_MAX;
  int64_t most = 0;
  for (uint32_t i = 0; i < o->q_count; ++i)
    most = fb_max64(most, fb_max64(o->zero_points[i] - lo, hi - o->zero_points[i]));
  return most;
}

int fb_q8_check(const qe_problem *p, int32_t axis, int64_t channels, int64_t terms, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const bool real = y->dtype == QE_DT_F32;
  if (!fb_is_code8(x) || x->q_count != 1)
    return fb_refuse(reason, reason_size, "%s: x must be uint8 or int8 with one pair of parameters", p->op);
  if (!fb_is_code8(w) || w->q_count == 0)
    return fb_refuse(reason, reason_size, "%s: the weight must be uint8 or int8 with parameters", p->op);
  if (w->q_count > 1 && (w->q_axis != axis || w->q_count != channels))
    return fb_refuse(reason, reason_size,
                     "%s: the weight has %u parameters along dimension %d, expected %lld along dimension %d", p->op,
                     w->q_count, w->q_axis, (long long)channels, axis);
  if (!real && (!fb_is_code8(y) || y->q_count != 1))
    return fb_refuse(reason, reason_size, "%s: y must be float32, or uint8 or int8 with one pair of parameters", p->op);
  if (fb_has_in(p, 2) && p->in[2]->dtype != (real ? QE_DT_F32 : QE_DT_I32))
    return fb_refuse(reason, reason_size, "%s: the bias must be %s", p->op, real ? "float32" : "int32");
  const int64_t product = reach(x) * reach(w);
  if (!w->data && product > 0 && terms > INT32_MAX / product)
    return fb_refuse(reason, reason_size, "%s: a sum of %lld products of up to %lld could reach 2^31", p->op,
                     (long long)terms, (long long)product);
  return 1;
}
