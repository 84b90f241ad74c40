/*
 * QuantizeLinear and DequantizeLinear in built models: constant scale and zero point move from the node's inputs into
 * the quantized value, the form that fusion and kernels expect (graph.h). Anything else keeps its three inputs.
 */
#include "graph/build.h"

/* The parameters that inputs 1 and 2 of n hold; *zeros is allocated. view->count 0: they are not constant or not
 * regular. */
static qe_status_t constant_parameters(const qe__graph *g, const qe__node *n, int32_t rank, qe_qparams_t *view,
                                       int32_t **zeros) {
  *view = (qe_qparams_t){.axis = -1};
  *zeros = NULL;
  const qe_tensor_t *s = n->in[1] != QE__NO_VALUE ? g->values[n->in[1]].data : NULL;
  const bool has_zero = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  const qe_tensor_t *z = has_zero ? g->values[n->in[2]].data : NULL;
  if (s == NULL || s->dtype != QE_FLOAT32 || s->rank > 1 || s->count == 0 || s->count > INT32_MAX) return QE_OK;
  if (has_zero && (z == NULL || z->count != s->count)) return QE_OK;
  int64_t axis = qe__node_int(n, "axis", 1);
  if (s->count > 1) {
    if (axis < 0) axis += rank;
    if (axis < 0 || rank < 0 || axis >= rank) return QE_OK;
    view->axis = (int32_t)axis;
  }
  *zeros = qe__calloc((size_t)s->count, sizeof **zeros);
  if (*zeros == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (int64_t i = 0; z != NULL && i < z->count; i++) (*zeros)[i] = (int32_t)qe__tensor_int_at(z, i);
  view->count = (uint32_t)s->count;
  view->scales = s->data;
  view->zero_points = *zeros;
  return QE_OK;
}

/* Gives the value its parameters; false in *fits when it has other ones already or is not of that type. */
static qe_status_t attach(qe__value *v, const qe_qparams_t *view, qe_dtype_t dtype, bool *fits) {
  *fits = false;
  if (v->q.view.count > 0) {
    *fits = v->dtype == dtype && qe__qparams_equal(&v->q.view, view);
    return QE_OK;
  }
  if (v->dtype != QE_DTYPE_NONE && v->dtype != dtype) return QE_OK;
  QE_TRY(qe__qparams_set(&v->q, view, dtype, v->rank < 0 ? 0 : (uint32_t)v->rank, NULL));
  v->dtype = dtype;
  *fits = true;
  return QE_OK;
}

qe_status_t qe__build_quantization(qe__graph *g, qe__node *n) {
  const bool quantize = n->op->id == QE__OP_QuantizeLinear;
  if ((!quantize && n->op->id != QE__OP_DequantizeLinear) || n->n_in < 2 || n->in[0] == QE__NO_VALUE) return QE_OK;
  qe__value *codes = &g->values[quantize ? n->out[0] : n->in[0]];
  const bool has_zero = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  const qe_dtype_t dtype = has_zero ? g->values[n->in[2]].dtype : quantize ? QE_UINT8 : codes->dtype;
  qe_qparams_t view;
  int32_t *zeros;
  bool fits = false;
  qe_status_t status = constant_parameters(g, n, g->values[n->in[0]].rank, &view, &zeros);
  if (status == QE_OK && view.count > 0) status = attach(codes, &view, dtype, &fits);
  qe__free(zeros);
  QE_TRY(status);
  if (!fits) return QE_OK;
  n->n_in = 1;
  n->quantized = true;
  if (view.axis < 0) qe__node_remove_attr(n, "axis");
  else QE_TRY(qe__node_set_int(n, "axis", view.axis));
  return QE_OK;
}
