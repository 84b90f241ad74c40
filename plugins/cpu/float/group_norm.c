/* Group- and InstanceNormalization, any strides: what all instruction sets share. The loops: group_norm.inc. */
#include "float/group_norm.h"

#include <string.h>

#define CHANNELS_AT_ONCE 16 /* a cache line */

/* Dimensions 1.. with `channels` of dimension 1: does a dense row hold them in row-major order? */
static bool is_dense(const qe_operand *o, const int64_t *dims) {
  int64_t step = 1;
  for (uint32_t d = o->rank; d-- > 1;) {
    if (dims[d] > 1 && o->strides[d] != step) return false;
    step *= dims[d];
  }
  return true;
}

static int64_t groups_of(const qe_problem *p) {
  return strcmp(p->op, "InstanceNormalization") == 0 ? p->in[0]->dims[1] : p->params->groups;
}

void fb_group_norm_init(fb_group_norm *g, const qe_problem *p) {
  const qe_operand *x = p->in[0];
  int64_t dims[QE_MAX_RANK];
  g->groups = groups_of(p);
  g->channels = x->dims[1] / g->groups;
  memcpy(dims, x->dims, sizeof dims);
  dims[1] = g->channels;
  g->plane = 1;
  for (uint32_t d = 2; d < x->rank; ++d) g->plane *= dims[d];
  g->dense_x = is_dense(x, dims);
  g->dense_y = is_dense(p->out[0], dims);
  g->at_once = g->dense_x && g->dense_y ? 1 : fb_min64(g->groups, fb_ceil_div(CHANNELS_AT_ONCE, g->channels));
}

/* Copies the channels of some groups between an operand and dense rows. */
static void copy(const fb_group_norm *g, const qe_operand *o, int64_t groups, bool from_rows, void *y, const void *x) {
  int64_t dims[QE_MAX_RANK], row[QE_MAX_RANK], step = 1;
  memcpy(dims, o->dims, sizeof dims);
  dims[1] = groups * g->channels;
  for (uint32_t d = o->rank; d-- > 1;) {
    row[d] = step;
    step *= dims[d];
  }
  fb_copy c;
  const int64_t *to = from_rows ? o->strides : row, *from = from_rows ? row : o->strides;
  fb_copy_init(&c, sizeof(float), o->rank - 1u, dims + 1, to + 1, from + 1);
  fb_copy_run(&c, y, x, 0, fb_copy_tiles(&c));
}

void fb_group_norm_gather(const fb_group_norm *g, const qe_problem *p, float *row, const float *x, int64_t groups) {
  copy(g, p->in[0], groups, false, row, x);
}
void fb_group_norm_scatter(const fb_group_norm *g, const qe_problem *p, float *y, const float *row, int64_t groups) {
  copy(g, p->out[0], groups, true, y, row);
}

int fb_group_norm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0];
  if (x->rank < 2) return fb_refuse(reason, reason_size, "%s: x has rank %d, expected at least 2", p->op, x->rank);
  if (groups_of(p) < 1 || x->dims[1] < 1 || x->dims[1] % groups_of(p) != 0)
    return fb_refuse(reason, reason_size, "%s: the groups do not divide the channels", p->op);
  for (uint32_t i = 1; i <= 2; ++i)
    if (!fb_has_in(p, i) || p->in[i]->count != x->dims[1])
      return fb_refuse(reason, reason_size, "%s: input %u has not one element for each channel", p->op, i);
  return fb_act_supports(self, p, reason, reason_size);
}

int fb_group_norm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  if (p->out[0]->count == 0) return 0;
  fb_group_norm g;
  fb_group_norm_init(&g, p);
  plan->tiles = p->in[0]->dims[0] * fb_ceil_div(g.groups, g.at_once);
  plan->scratch_size = g.dense_x && g.dense_y ? 0 : sizeof(float) * (uint64_t)(g.at_once * g.channels * g.plane);
  plan->flags = fb_same_place(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}
