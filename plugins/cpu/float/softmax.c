/* Softmax and LogSoftmax of float32: what all instruction sets share. The loops: softmax.inc. */
#include "float/softmax.h"

void fb_softmax_init(fb_softmax *s, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  const uint32_t axis = (uint32_t)p->params->axis;
  int64_t dims[QE_MAX_RANK], y_strides[QE_MAX_RANK], x_strides[QE_MAX_RANK];
  uint32_t rank = 0;
  for (uint32_t d = 0; d < x->rank; ++d) {
    if (d == axis) continue;
    dims[rank] = x->dims[d];
    y_strides[rank] = y->strides[d];
    x_strides[rank++] = x->strides[d];
  }
  fb_nest_init(&s->rows, rank, dims);
  fb_nest_add(&s->rows, y_strides);
  fb_nest_add(&s->rows, x_strides);
  fb_nest_close(&s->rows);
  s->length = x->dims[axis];
  s->y_step = y->strides[axis];
  s->x_step = x->strides[axis];
  s->rows_per_tile = fb_max64(1, 16384 / fb_max64(1, s->length));
}

int fb_softmax_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const int64_t axis = p->params->axis;
  if (axis < 0 || axis >= p->in[0]->rank) return fb_refuse(reason, reason_size, "%s: axis %lld", p->op, (long long)axis);
  return fb_act_supports(self, p, reason, reason_size);
}

int fb_softmax_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_softmax s;
  fb_softmax_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_nest_tiles(&s.rows, s.rows_per_tile);
  plan->scratch_size = s.y_step == 1 && s.x_step == 1 ? 0 : 2 * sizeof(float) * (uint64_t)s.length;
  plan->flags = fb_same_place(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}
