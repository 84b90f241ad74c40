/* LayerNormGrad, row-major: what all instruction sets share. The loops: layer_norm_grad.inc. */
#include "train/layer_norm_grad.h"

#define TILE 32768 /* elements, about */

fb_layer_norm_grad fb_layer_norm_grad_of(const qe_problem *p) {
  const qe_operand *x = p->in[1];
  fb_layer_norm_grad s = {.rows = 1, .length = 1};
  for (int64_t d = 0; d < x->rank; ++d) *(d < p->params->axis ? &s.rows : &s.length) *= x->dims[d];
  s.rows_per_tile = fb_max64(1, TILE / fb_max64(1, s.length));
  s.row_tiles = s.length == 0 ? 0 : fb_ceil_div(s.rows, s.rows_per_tile);
  s.column_tiles = fb_has_out(p, 1) || fb_has_out(p, 2) ? fb_ceil_div(s.length, FB_LN_COLUMNS) : 0;
  return s;
}

int fb_layer_norm_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[1];
  if (p->params->axis < 0 || p->params->axis >= x->rank || p->in[0]->count != x->count ||
      p->in[2]->count != fb_layer_norm_grad_of(p).length)
    return fb_refuse(reason, reason_size, "LayerNormGrad: expected dy of x's shape and a scale of the shape of a row");
  return 1;
}

int fb_layer_norm_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_layer_norm_grad s = fb_layer_norm_grad_of(p);
  plan->tiles = s.column_tiles + s.row_tiles;
  /* two sums of 16 lanes and two totals */
  if (s.column_tiles > 0)
    plan->scratch_size = sizeof(float) * 2 * 17 * (uint64_t)fb_round_up(fb_min64(s.length, FB_LN_COLUMNS), 16);
  return 0;
}
