/* GatherGrad, row-major: what all instruction sets share. The loops: gather_grad.inc. */
#include "train/gather_grad.h"

#define TILE       32768 /* elements, about */
#define MOST_TILES 64    /* of one outer index: each of them looks at all indices */

fb_gather_grad fb_gather_grad_of(const qe_problem *p) {
  const qe_operand *dx = p->out[0];
  const int64_t axis = p->params->axis;
  fb_gather_grad s = {.outer = 1, .size = dx->dims[axis], .inner = 1, .indices = p->in[1]->count};
  for (int64_t d = 0; d < axis; ++d) s.outer *= dx->dims[d];
  for (int64_t d = axis + 1; d < dx->rank; ++d) s.inner *= dx->dims[d];
  const int64_t rows = fb_max64(TILE / fb_max64(1, s.inner), fb_ceil_div(s.size, MOST_TILES));
  s.tile_size = fb_max64(1, fb_min64(s.size, rows));
  s.size_tiles = fb_ceil_div(s.size, s.tile_size);
  s.tile_outer = s.size_tiles > 1 ? 1 : fb_max64(1, TILE / fb_max64(1, s.size * s.inner));
  return s;
}

int fb_gather_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const int64_t axis = p->params->axis;
  if (p->in[1]->dtype != QE_DT_I32 && p->in[1]->dtype != QE_DT_I64)
    return fb_refuse(reason, reason_size, "GatherGrad: expected indices of int32 or int64");
  if (axis < 0 || axis >= p->out[0]->rank) return fb_refuse(reason, reason_size, "GatherGrad: axis %lld", (long long)axis);
  const fb_gather_grad s = fb_gather_grad_of(p);
  if (s.outer * s.indices * s.inner != p->in[0]->count)
    return fb_refuse(reason, reason_size, "GatherGrad: the size of dy does not fit");
  return 1;
}

int fb_gather_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_gather_grad s = fb_gather_grad_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(s.outer, s.tile_outer) * s.size_tiles;
  return 0;
}
