/* DequantizeLinear of codes of 4, 8, 16 and 32 bits: what all instruction sets share. The loops: dequantize.inc. */
#include "codes/qparams.h"

int fb_dequantize_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!fb_codes_known(p->in[0]->dtype)) return fb_refuse(reason, reason_size, "DequantizeLinear: expected codes");
  return fb_qparams_check(p, p->in[0], reason, reason_size);
}

int fb_dequantize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  const fb_qparams q = fb_qparams_of(p, p->in[0], NULL);
  fb_qparams_nest(&nest, p, &q);
  plan->tiles = fb_nest_tiles(&nest, FB_QPARAMS_TILE);
  return 0;
}
