/* Small things that the passes over an imported graph share. */
#include "onnx/fuse_util.h"

#include <string.h>

bool qe__fuse_single_use(const qe__uses *uses, qe__value_id v) {
  return v != QE__NO_VALUE && uses->start[v + 1] - uses->start[v] == 1 && !uses->is_output[v];
}

static bool listed(const char *list, const char *name) {
  const size_t n = strlen(name);
  for (const char *at = list; at != NULL; at = strstr(at, ", ")) {
    if (at != list) at += 2;
    if (strncmp(at, name, n) == 0 && (at[n] == '\0' || strncmp(at + n, ", ", 2) == 0)) return true;
  }
  return false;
}

qe_status_t qe__fuse_origin(qe__node *n, const char *name) {
  if (n->origin != NULL && listed(n->origin, name)) return QE_OK;
  char *origin = n->origin != NULL ? qe__format("%s, %s", n->origin, name) : qe__strdup(name);
  if (origin == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__free(n->origin);
  n->origin = origin;
  return QE_OK;
}

qe_status_t qe__fuse_constant_f32(qe__graph *g, const char *base, const char *suffix, float value, qe__value_id *out) {
  qe_tensor_t *t = NULL;
  *out = QE__NO_VALUE;
  QE_TRY(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &value, &t));
  char *wish = qe__format("%s_%s", base, suffix);
  char *name = wish != NULL ? qe__graph_fresh_name(g, wish) : NULL;
  const qe_status_t status = name != NULL ? qe__graph_add_constant(g, name, t, out) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(wish);
  qe__free(name);
  qe_tensor_release(&t);
  return status;
}

uint32_t qe__fuse_first_data_input(const qe__node *n) { return n->op->id == QE__OP_Where ? 1 : 0; }

uint32_t qe__fuse_data_inputs(const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_Concat: case QE__OP_Max: case QE__OP_Min: return n->n_in;
    case QE__OP_Add:
    case QE__OP_Sub:
    case QE__OP_Mul:
    case QE__OP_Where:
    case QE__OP_Conv:
    case QE__OP_ConvTranspose:
    case QE__OP_Gemm:
    case QE__OP_MatMul: return 2;
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN: return 3;
    default: return 1;
  }
}
