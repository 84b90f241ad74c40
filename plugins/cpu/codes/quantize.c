/* QuantizeLinear of float32 to codes of 8 and 16 bits: what all instruction sets share. The loops: quantize.inc. */
#include "codes/qparams.h"

int fb_quantize_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *y = p->out[0];
  if (p->in[0]->dtype != QE_DT_F32 || !(fb_is_code8(y) || y->dtype == QE_DT_U16 || y->dtype == QE_DT_I16))
    return fb_refuse(reason, reason_size, "QuantizeLinear: expected float32 in and codes of 8 or 16 bits out");
  return fb_qparams_check(p, y, reason, reason_size);
}

int fb_quantize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  const fb_qparams q = fb_qparams_of(p, p->out[0], NULL);
  fb_qparams_nest(&nest, p, &q);
  plan->tiles = fb_nest_tiles(&nest, FB_QPARAMS_TILE);
  return 0;
}
