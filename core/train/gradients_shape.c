/* Gradients of ops that give elements another shape, order or type. */
#include "train/gradients.h"

void qe__gradient_reshape(qe__gradient *c) {
  const qe__shape x = qe__gradient_shape(c, 0);
  c->dx[0] = qe__emit_reshape(&c->e, c->dy[0], x.rank, x.dims);
}

void qe__gradient_transpose(qe__gradient *c) {
  int64_t inverse[QE_MAX_RANK];
  const uint32_t rank = qe__gradient_shape(c, 0).rank;
  for (uint32_t d = 0; d < rank; d++) inverse[c->params.perm[d]] = d;
  c->dx[0] = qe__emit_transpose(&c->e, c->dy[0], inverse);
}

void qe__gradient_expand(qe__gradient *c) { qe__gradient_sum_to(c, 0, c->dy[0]); }

/* One dimension after the other: [before, repeats, rest] summed over the repeats. */
void qe__gradient_tile(qe__gradient *c) {
  const qe__shape x = qe__gradient_shape(c, 0);
  qe__shape s = qe__shape_of(c->e.g, c->dy[0]);
  qe__value_id v = c->dy[0];
  for (uint32_t d = 0; d < x.rank; d++) {
    if (s.dims[d] == x.dims[d]) continue;
    const int64_t rest = x.dims[d] * qe__shape_count(&s, d + 1, s.rank), repeats = x.dims[d] > 0 ? s.dims[d] / x.dims[d] : 1;
    const int64_t dims[3] = {qe__shape_count(&s, 0, d), repeats, rest};
    v = qe__emit_sum(&c->e, qe__emit_reshape(&c->e, v, 3, dims), 2u, false);
    s.dims[d] = x.dims[d];
  }
  c->dx[0] = qe__emit_reshape(&c->e, v, x.rank, x.dims);
}

void qe__gradient_depth_to_space(qe__gradient *c) {
  const qe__shape x = qe__gradient_shape(c, 0);
  const int64_t b = c->params.kernel[0], perm[6] = {0, 1, 3, 5, 2, 4};
  if (c->params.mode == 0) {
    const qe__attr block = QE__INT("blocksize", b);
    c->dx[0] = qe__emit_node(&c->e, QE__OP_SpaceToDepth, 1, c->dy, 1, &block);
    return;
  }
  const int64_t split[6] = {x.dims[0], x.dims[1] / (b * b), x.dims[2], b, x.dims[3], b}; /* mode CRD: channel, row, column */
  const qe__value_id turned = qe__emit_transpose(&c->e, qe__emit_reshape(&c->e, c->dy[0], 6, split), perm);
  c->dx[0] = qe__emit_reshape(&c->e, turned, x.rank, x.dims);
}

void qe__gradient_space_to_depth(qe__gradient *c) {
  const qe__attr block = QE__INT("blocksize", c->params.kernel[0]);
  c->dx[0] = qe__emit_node(&c->e, QE__OP_DepthToSpace, 1, c->dy, 1, &block);
}

void qe__gradient_cast(qe__gradient *c) {
  const qe_dtype_t from = c->e.g->values[c->n->in[0]].dtype;
  const qe__attr to = QE__INT("to", from);
  c->dx[0] = from == c->e.g->values[c->dy[0]].dtype ? c->dy[0] : qe__emit_node(&c->e, QE__OP_Cast, 1, c->dy, 1, &to);
}
