/*
 * DepthToSpace (mode 0 DCR, 1 CRD) and SpaceToDepth: a transposition of the six dimensions N, C', H, row in block, W,
 * column in block.
 */
#include "move/copy.h"

int fb_depth_to_space_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const bool to_space = p->op[0] == 'D';
  const qe_operand *deep = to_space ? p->in[0] : p->out[0], *wide = to_space ? p->out[0] : p->in[0];
  const int64_t b = p->params->kernel[0];
  if (deep->rank != 4 || wide->rank != 4 || b < 1 || deep->dims[0] != wide->dims[0] ||
      deep->dims[1] != wide->dims[1] * b * b || wide->dims[2] != deep->dims[2] * b ||
      wide->dims[3] != deep->dims[3] * b)
    return fb_refuse(reason, reason_size, "%s: the shapes do not fit blocks of %lld", p->op, (long long)b);
  return fb_move_supports(p, reason, reason_size);
}

static fb_copy copy_of(const qe_problem *p) {
  const bool to_space = p->op[0] == 'D', crd = to_space && p->params->mode == 1;
  const qe_operand *deep = to_space ? p->in[0] : p->out[0], *wide = to_space ? p->out[0] : p->in[0];
  const int64_t b = p->params->kernel[0], channels = wide->dims[1], *d = deep->strides, *w = wide->strides;
  const int64_t dims[6] = {deep->dims[0], channels, deep->dims[2], b, deep->dims[3], b};
  const int64_t wide_strides[6] = {w[0], w[1], w[2] * b, w[2], w[3] * b, w[3]};
  const int64_t deep_strides[6] = {d[0], crd ? d[1] * b * b : d[1], d[2], crd ? d[1] * b : d[1] * b * channels,
                                   d[3], crd ? d[1] : d[1] * channels};
  fb_copy c;
  fb_copy_init(&c, fb_dtype_size(p->out[0]->dtype), 6, dims, to_space ? wide_strides : deep_strides,
               to_space ? deep_strides : wide_strides);
  return c;
}

int fb_depth_to_space_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const fb_copy c = copy_of(p);
  plan->tiles = fb_copy_tiles(&c);
  return 0;
}

int fb_depth_to_space_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const fb_copy c = copy_of(call->problem);
  fb_copy_run(&c, call->out[0], call->in[0], tile_begin, tile_end);
  return 0;
}
