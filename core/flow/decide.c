/*
 * Which nodes become quantized. Ops with an integer kernel do; ops that move codes or look them up do when their
 * input is already quantized (otherwise quantizing them gains nothing); everything else stays float, which computes
 * the same as dequantize, float op, quantize.
 */
#include <string.h>

#include "flow/flow_internal.h"
#include "registry/quant_rule.h"

bool qe__is_data_input(const qe__node *n, uint32_t i) {
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return false;
  if (qe__op_is_weighted(n->op->id)) return i < 2;
  if (qe__op_is_recurrent(n->op->id)) return i < 3;
  switch (n->op->id) {
    case QE__OP_Where: return i > 0;
    case QE__OP_Gather: case QE__OP_GatherElements: return i == 0;
    default: return n->op->kernel_in == 255 || i < n->op->kernel_in;
  }
}

static bool is_float(const qe__graph *g, qe__value_id v) { return g->values[v].dtype == QE_FLOAT32; }

/* The weight and the bias have shapes that the op takes; with a dynamic batch nobody has looked yet. */
static const char *refuse_shapes(const qe__graph *g, const qe__node *n) {
  const int64_t channels = qe__weight_channels(g, n);
  if (channels < 0) return "its weight has a shape that the op does not take";
  const qe_tensor_t *b = n->n_in > 2 && n->in[2] != QE__NO_VALUE ? g->values[n->in[2]].data : NULL;
  if (b && (b->count != channels || (b->rank > 0 && b->dims[b->rank - 1] != channels))) return "its bias is not one number per output";
  return NULL;
}

static const char *refuse_weighted(const qe__graph *g, const qe__node *n, const qe_qconfig_t *qc) {
  const bool constant_weight = g->values[n->in[1]].data != NULL;
  if (!constant_weight && n->op->id != QE__OP_MatMul) return "its weight is not a constant";
  if (constant_weight && qe__observer_config_is_none(&qc->weight)) return "its qconfig does not quantize the weight";
  if (n->n_in > 2 && n->in[2] != QE__NO_VALUE) {
    const qe_tensor_t *b = g->values[n->in[2]].data;
    if (!b || b->dtype != QE_FLOAT32) return "its bias is not a float32 constant";
    if (!constant_weight) return "it has a bias but no constant weight";
  }
  if (n->op->id == QE__OP_Gemm) {
    if (qe__node_int(n, "transA", 0)) return "it transposes its input";
    if (qe__node_float(n, "alpha", 1.0f) != 1.0f || qe__node_float(n, "beta", 1.0f) != 1.0f) return "alpha or beta is not 1";
  }
  return constant_weight ? refuse_shapes(g, n) : NULL;
}

static const char *refuse_recurrent(const qe__graph *g, const qe__node *n, const qe_qconfig_t *qc) {
  if (qe__observer_config_is_none(&qc->weight)) return "its qconfig does not quantize the weight";
  for (uint32_t i = 1; i < 3; i++) {
    const qe_tensor_t *w = g->values[n->in[i]].data;
    if (!w) return "its weights are not constants";
    if (w->rank != 3 || w->count == 0) return "its weights have a shape that the op does not take";
  }
  return NULL;
}

static bool any_input(const qe__node *n, const bool *quantized_value) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (qe__is_data_input(n, i) && quantized_value[n->in[i]]) return true;
  }
  return false;
}

/* A constant float32 scalar input, or the fallback where there is none; false: it is computed. */
static bool scalar_input(const qe__graph *g, const qe__node *n, uint32_t i, float fallback, float *out) {
  *out = fallback;
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return true;
  const qe_tensor_t *t = g->values[n->in[i]].data;
  if (!t || t->dtype != QE_FLOAT32 || t->count != 1) return false;
  *out = ((const float *)t->data)[0];
  return true;
}

/* A node that shares its input's parameters may bring numbers of its own; of those only zero is sure to have a code. */
static bool brings_other_numbers(const qe__graph *g, const qe__node *n) {
  float a, b;
  if (n->op->id == QE__OP_Pad && strcmp(qe__node_string(n, "mode", "constant"), "constant") == 0) {
    return !scalar_input(g, n, 2, 0.0f, &a) || a != 0.0f;
  }
  if (n->op->id == QE__OP_Clip) {
    return !scalar_input(g, n, 1, 0.0f, &a) || !scalar_input(g, n, 2, 0.0f, &b) ||
           !(a <= 0.0f && b >= 0.0f);
  }
  return false;
}

/* NULL: it will be quantized; else why not. */
static const char *refusal(const qe__graph *g, const qe__node *n, const qe_qconfig_t *qc, const bool *quantized_value) {
  const qe__qrule rule = qe__node_qrule(n);
  if (n->quantized) return "it is quantized already";
  if (rule == QE__Q_NEVER) return "not an op that is quantized";
  if (!qc) return "the mapping keeps it float";
  if (qe__observer_config_is_none(&qc->activation)) return "its qconfig does not quantize activations";
  if (qe__node_gives_indices(n)) return "its indices are read";
  if (qe__node_qexec(n) == QE__X_FLOAT) return "has no integer form; float is as exact";
  if (n->n_in == 0 || n->in[0] == QE__NO_VALUE) return "it has no input";
  if (n->out[0] == QE__NO_VALUE) return "its first output, which holds the codes, is left out; the dynamic flow does without";
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (qe__is_data_input(n, i) && !is_float(g, n->in[i])) return "its inputs are not float32";
  }
  if (qe__op_is_weighted(n->op->id)) return refuse_weighted(g, n, qc);
  if (qe__op_is_recurrent(n->op->id)) return refuse_recurrent(g, n, qc);
  if (qe__node_qexec(n) == QE__X_KERNEL) return NULL;
  if (!any_input(n, quantized_value)) return "its input is float";
  if (rule == QE__Q_SHARE && !quantized_value[n->in[0]]) return "its input is float";
  if (brings_other_numbers(g, n)) return "it pads with or clips to numbers that its input's codes may not reach";
  return NULL;
}

static qe_status_t check_dtype(const qe__node *n, qe_dtype_t dtype) {
  if (qe_dtype_bits(dtype) >= 8) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s': its qconfig asks for %s codes, which cannot be run or saved yet; "
                  "use int8, uint8, int16 or uint16", n->name, qe_dtype_name(dtype));
}

static bool has_weights(const qe__node *n) {
  return qe__op_is_weighted(n->op->id) || qe__op_is_recurrent(n->op->id);
}

static qe_status_t check_dtypes(const qe__node *n, const qe_qconfig_t *qc) {
  QE_TRY(check_dtype(n, qc->activation.dtype));
  return has_weights(n) ? check_dtype(n, qc->weight.dtype) : QE_OK;
}

qe_status_t qe__decide(const qe__graph *g, const qe_qconfig_t *const *configs, qe__decision *decision, bool *quantized_value) {
  qe_status_t status = QE_OK;
  memset(decision, 0, g->n_nodes * sizeof *decision);
  memset(quantized_value, 0, g->n_values * sizeof *quantized_value);
  for (uint32_t k = 0; k < g->n_nodes && status == QE_OK; k++) {
    const qe__node *n = g->nodes[k];
    qe__decision *d = &decision[k];
    d->qconfig = configs[k];
    d->reason = refusal(g, n, configs[k], quantized_value);
    d->quantized = d->reason == NULL;
    if (!d->quantized) continue;
    d->reason = "";
    status = check_dtypes(n, configs[k]);
    const bool asked = strcmp(configs[k]->activation.observer, "reuse_input") == 0 && !g->values[n->in[0]].data;
    d->shares_input = (qe__node_qrule(n) == QE__Q_SHARE || asked) && !has_weights(n);
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] != QE__NO_VALUE && qe__op_quantizes_output(n->op->id, i)) quantized_value[n->out[i]] = true;
    }
  }
  return status;
}
