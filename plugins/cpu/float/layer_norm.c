/* LayerNormalization, float32, row-major: what all instruction sets share. The loops: layer_norm.inc. */
#include "float/layer_norm.h"

enum { SCALE = 1, BIAS = 2 };

fb_layer_norm fb_layer_norm_of(const qe_problem *p) {
  const qe_operand *x = p->in[0];
  fb_layer_norm n = {.rows = 1, .length = 1};
  for (int64_t d = 0; d < x->rank; ++d) *(d < p->params->axis ? &n.rows : &n.length) *= x->dims[d];
  n.rows_per_tile = fb_max64(1, 32768 / fb_max64(1, n.length));
  return n;
}

/* Has o the dimensions of a row (and perhaps others of size 1 before them)? */
static bool is_row(const qe_operand *o, const qe_operand *x, int64_t axis) {
  bool fits = o->dtype == QE_DT_F32 && o->rank <= x->rank && o->rank >= x->rank - axis;
  for (int64_t d = 0; fits && d < o->rank; ++d) {
    const int64_t at = x->rank - o->rank + d;
    fits = o->dims[d] == (at < axis ? 1 : x->dims[at]);
  }
  return fits;
}

int fb_layer_norm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0];
  const int64_t axis = p->params->axis;
  if (axis < 0 || axis >= x->rank || !is_row(p->in[SCALE], x, axis) ||
      (fb_has_in(p, BIAS) && !is_row(p->in[BIAS], x, axis)))
    return fb_refuse(reason, reason_size, "LayerNormalization: expected scale and bias of the shape of a row");
  for (uint32_t i = 1; i <= 2; ++i)
    if (fb_has_out(p, i) && (p->out[i]->dtype != QE_DT_F32 || p->out[i]->count != fb_layer_norm_of(p).rows))
      return fb_refuse(reason, reason_size, "LayerNormalization: output %u has not one float32 for each row", i);
  return fb_act_supports(self, p, reason, reason_size);
}

int fb_layer_norm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_layer_norm n = fb_layer_norm_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(n.rows, n.rows_per_tile);
  return 0;
}
