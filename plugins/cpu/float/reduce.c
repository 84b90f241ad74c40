/* Reductions of float32: what all instruction sets share. The loops: reduce.inc. */
#include "float/reduce.h"

#define TILE        32768 /* terms of a tile, about */
#define TILE_AT_LEAST 128 /* results of a tile: several vectors side by side */

static void add_to_box(fb_reduce *s, int64_t dim, int64_t stride) {
  s->box_count *= dim;
  if (dim == 1) return;
  const uint32_t last = s->box_rank - 1;
  if (s->box_rank > 0 && s->box_strides[last] == dim * stride) {
    s->box_dims[last] *= dim;
    s->box_strides[last] = stride;
    return;
  }
  s->box_dims[s->box_rank] = dim;
  s->box_strides[s->box_rank++] = stride;
}

void fb_reduce_init(fb_reduce *s, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  int64_t dims[QE_MAX_RANK], x_strides[QE_MAX_RANK], y_strides[QE_MAX_RANK];
  uint32_t kept = 0;
  s->box_rank = 0;
  s->box_count = 1;
  for (uint32_t d = 0; d < x->rank; ++d) {
    if (p->params->axes >> d & 1u) {
      add_to_box(s, x->dims[d], x->strides[d]);
      continue;
    }
    dims[kept] = x->dims[d];
    x_strides[kept] = x->strides[d];
    y_strides[kept] = y->strides[y->rank == x->rank ? d : kept];
    ++kept;
  }
  fb_nest_init(&s->kept, kept, dims);
  fb_nest_add(&s->kept, y_strides);
  fb_nest_add(&s->kept, x_strides);
  fb_nest_close(&s->kept);
  s->tile = fb_max64(1, TILE / fb_max64(1, s->box_count));
  if (s->kept.strides[1][s->kept.rank - 1] == 1) s->tile = fb_round_up(s->tile, TILE_AT_LEAST);
}

int fb_reduce_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  uint32_t kept = 0;
  for (uint32_t d = 0; d < x->rank; ++d) kept += !(p->params->axes >> d & 1u);
  if (y->rank != x->rank && y->rank != kept)
    return fb_refuse(reason, reason_size, "%s: output of rank %d, expected %d or %u", p->op, y->rank, x->rank, kept);
  return fb_act_supports(self, p, reason, reason_size);
}

int fb_reduce_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_reduce s;
  fb_reduce_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_nest_tiles(&s.kept, s.tile);
  plan->scratch_size = sizeof(float) * (uint64_t)fb_min64(s.box_count, FB_SUM_CHUNK);
  return 0;
}
