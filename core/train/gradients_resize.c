/*
 * Gradient of Resize: along each dimension it is a product with a matrix, which is the same Resize of the identity.
 * Interpolated dimensions do not influence each other, so the gradient goes back through one after the other.
 */
#include "train/gradients.h"

/* Row i: how the elements of dimension d make up element i of the result. */
static qe__value_id matrix_of(qe__gradient *c, uint32_t d, int64_t from, int64_t to) {
  const qe__node *n = c->n;
  const float roi[2] = {c->params.roi[d], c->params.roi[QE_MAX_RANK + d]};
  const bool by_sizes = n->n_in > 3 && n->in[3] != QE__NO_VALUE && c->e.g->values[n->in[3]].dims[0] > 0;
  int64_t first = 0;
  char stretch[] = "stretch";
  const qe__attr own[3] = {QE__INTS("axes", 1, &first), QE__FLOAT("extrapolation_value", 0.0f), QE__STRING("keep_aspect_ratio_policy", stretch)};
  qe__value_id in[4] = {qe__emit_filled(&c->e, 2, (int64_t[]){from, from}, 0.0f), QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  if (c->e.status != QE_OK) return QE__NO_VALUE;
  float *identity = qe_tensor_data(c->e.g->values[in[0]].data);
  for (int64_t i = 0; i < from; i++) identity[i * from + i] = 1.0f;
  in[1] = qe__emit_vector(&c->e, 2, roi);
  if (by_sizes) in[3] = qe__emit_ints(&c->e, 1, &to);
  else in[2] = qe__emit_vector(&c->e, 1, &c->params.scales[d]);
  return qe__gradient_like(c, QE__OP_Resize, 4, in, 3, own);
}

void qe__gradient_resize(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__shape x = qe__gradient_shape(c, 0);
  qe__value_id v = c->dy[0];
  for (uint32_t d = 0; d < x.rank; d++) {
    const qe__shape y = qe__shape_of(e->g, v);
    const bool cropped = c->params.coord == QE_COORD_TF_CROP_AND_RESIZE;
    if (e->status != QE_OK || (y.dims[d] == x.dims[d] && c->params.scales[d] == 1.0f && !cropped)) continue;
    const qe__value_id m = matrix_of(c, d, x.dims[d], y.dims[d]);
    /* [before, this, behind]: transposed matrix times each [this, behind] */
    const int64_t flat[3] = {qe__shape_count(&y, 0, d), y.dims[d], qe__shape_count(&y, d + 1, y.rank)}, turned[2] = {1, 0};
    const qe__value_id left = qe__emit_transpose(e, m, turned), right = qe__emit_reshape(e, v, 3, flat);
    qe__shape back = y;
    back.dims[d] = x.dims[d];
    v = qe__emit_reshape(e, qe__emit_binary(e, QE__OP_MatMul, left, right), back.rank, back.dims);
  }
  c->dx[0] = v;
}
