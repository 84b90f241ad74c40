/* Float ops of com.microsoft that exporters and ONNX Runtime's optimizer write. */
#include <string.h>

#include "onnx/import.h"

static qe_status_t gelu_node(qe__import *im, qe__value_id x, const char *approximate) {
  qe__value_id y, bias, sum;
  qe__node *node;
  QE_TRY(qe__import_in(im, 1, &bias));
  QE_TRY(qe__import_out(im, 0, &y));
  if (bias != QE__NO_VALUE) {
    QE_TRY(qe__import_binary(im, "Add", "add", x, bias, QE_DTYPE_NONE, &sum));
    x = sum;
  }
  QE_TRY(qe__import_node(im, "Gelu", NULL, 1, &x, 1, &y, &node));
  return qe__node_set_string(node, "approximate", approximate);
}

static qe_status_t gelu(qe__import *im) {
  qe__value_id x;
  QE_TRY(qe__import_in(im, 0, &x));
  return gelu_node(im, x, "none");
}

static qe_status_t fast_gelu(qe__import *im) {
  qe__value_id x;
  QE_TRY(qe__import_in(im, 0, &x));
  return gelu_node(im, x, "tanh");
}

/* x * sigmoid(alpha * x) */
static qe_status_t quick_gelu(qe__import *im) {
  float alpha;
  qe__value_id x, y, scale, scaled, gate;
  QE_TRY(qe__import_float(im, "alpha", 1.702f, &alpha));
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  if (alpha == 1.0f) return qe__import_node(im, "Silu", NULL, 1, &x, 1, &y, NULL);
  QE_TRY(qe__import_scalar_f32(im, "alpha", alpha, &scale));
  QE_TRY(qe__import_binary(im, "Mul", "scale", x, scale, QE_DTYPE_NONE, &scaled));
  QE_TRY(qe__import_unary(im, "Sigmoid", "sigmoid", scaled, QE_DTYPE_NONE, &gate));
  return qe__import_node(im, "Mul", NULL, 2, (const qe__value_id[]){x, gate}, 1, &y, NULL);
}

/* The activation of a fused node `n` that writes y: a clamp of n when it is one, else a node of its own. */
static qe_status_t add_activation(qe__import *im, qe__node *n, qe__value_id y) {
  static const struct { const char *op; size_t count; const char *names[2]; } known[] = {
      {"Sigmoid", 0, {NULL, NULL}},
      {"Tanh", 0, {NULL, NULL}},
      {"LeakyRelu", 1, {"alpha", NULL}},
      {"HardSigmoid", 2, {"alpha", "beta"}},
  };
  char name[32];
  bool present;
  const float *p;
  size_t count;
  QE_TRY(qe__import_string(im, "activation", "", name, sizeof name));
  QE_TRY(qe__import_floats(im, "activation_params", &present, &p, &count));
  float leaky;
  const bool has_leaky = qe__import_attr(im, "leaky_relu_alpha") != NULL;
  QE_TRY(qe__import_float(im, "leaky_relu_alpha", 0.01f, &leaky));
  if (has_leaky) {
    p = &leaky;
    count = 1;
  }
  if (name[0] == '\0') return QE_OK;
  if (strcmp(name, "Relu") == 0) {
    n->act.lo = 0.0f;
    return QE_OK;
  }
  if (strcmp(name, "Clip") == 0 && count == 2 && p[0] <= p[1]) {
    n->act = (qe__act){p[0], p[1]};
    return QE_OK;
  }
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(known[i].op, name) != 0 || known[i].count != count) continue;
    qe__node *act;
    QE_TRY(qe__import_temp(im, "linear", QE_DTYPE_NONE, &n->out[0]));
    QE_TRY(qe__import_node(im, name, name, 1, n->out, 1, &y, &act));
    for (size_t k = 0; k < count; k++) QE_TRY(qe__node_set_float(act, known[i].names[k], p[k]));
    return QE_OK;
  }
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "activation '%s' with %zu parameters is not supported", name, count);
}

static qe_status_t fused_conv(qe__import *im) {
  qe__value_id in[3], z, y, sum;
  qe__node *node;
  for (size_t i = 0; i < 3; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_in(im, 3, &z));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_node(im, "Conv", NULL, 3, in, 1, &y, &node));
  QE_TRY(qe__import_copy_attributes(im, node));
  if (z != QE__NO_VALUE) {
    QE_TRY(qe__import_temp(im, "conv", QE_DTYPE_NONE, &sum));
    node->out[0] = sum;
    QE_TRY(qe__import_node(im, "Add", "add", 2, (const qe__value_id[]){sum, z}, 1, &y, &node));
  }
  return add_activation(im, node, y);
}

static qe_status_t fused_gemm(qe__import *im) {
  qe__value_id in[3], y;
  qe__node *node;
  for (size_t i = 0; i < 3; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_node(im, "Gemm", NULL, 3, in, 1, &y, &node));
  QE_TRY(qe__import_copy_attributes(im, node));
  for (size_t i = 0; i < 3; i++) { /* parameters of the activation under their own names */
    static const char *const names[3] = {"activation_alpha", "activation_beta", "activation_gamma"};
    if (qe__import_attr(im, names[i]) != NULL) {
      return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "attribute '%s' is not supported", names[i]);
    }
  }
  return add_activation(im, node, y);
}

static qe_status_t swap_last_two(qe__import *im, const char *suffix, qe__value_id x, qe__value_id *y) {
  const int32_t rank = qe__import_rank(im, x);
  if (rank < 2) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "a transposed operand ('%s') of unknown rank is not supported",
                           im->g->values[x].name);
  }
  int64_t perm[QE_MAX_RANK];
  for (int32_t d = 0; d < rank; d++) perm[d] = d;
  perm[rank - 1] = rank - 2;
  perm[rank - 2] = rank - 1;
  qe__node *node;
  QE_TRY(qe__import_temp(im, suffix, QE_DTYPE_NONE, y));
  QE_TRY(qe__import_node(im, "Transpose", suffix, 1, &x, 1, y, &node));
  return qe__node_set_ints(node, "perm", perm, (size_t)rank);
}

static qe_status_t fused_matmul(qe__import *im) {
  int64_t trans[2], batch[2];
  float alpha;
  qe__value_id in[2], y, product, factor;
  QE_TRY(qe__import_float(im, "alpha", 1.0f, &alpha));
  QE_TRY(qe__import_int(im, "transA", 0, &trans[0]));
  QE_TRY(qe__import_int(im, "transB", 0, &trans[1]));
  QE_TRY(qe__import_int(im, "transBatchA", 0, &batch[0]));
  QE_TRY(qe__import_int(im, "transBatchB", 0, &batch[1]));
  if (batch[0] != 0 || batch[1] != 0) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "transBatchA and transBatchB are not supported");
  }
  QE_TRY(qe__import_out(im, 0, &y));
  for (size_t i = 0; i < 2; i++) {
    QE_TRY(qe__import_in(im, i, &in[i]));
    if (trans[i] != 0 && in[i] != QE__NO_VALUE) {
      QE_TRY(swap_last_two(im, i == 0 ? "transpose_a" : "transpose_b", in[i], &in[i]));
    }
  }
  if (alpha == 1.0f) return qe__import_node(im, "MatMul", NULL, 2, in, 1, &y, NULL);
  QE_TRY(qe__import_temp(im, "product", QE_DTYPE_NONE, &product));
  QE_TRY(qe__import_node(im, "MatMul", NULL, 2, in, 1, &product, NULL));
  QE_TRY(qe__import_scalar_f32(im, "alpha", alpha, &factor));
  return qe__import_node(im, "Mul", "scale", 2, (const qe__value_id[]){product, factor}, 1, &y, NULL);
}

/* input + skip [+ bias], layer-normalized over the last dimension; output 3 is the sum. */
static qe_status_t skip_layer_normalization(qe__import *im) {
  qe__value_id in[5], y, sum, sum_out;
  float epsilon;
  qe__node *node;
  if (qe__import_has_out(im, 1) || qe__import_has_out(im, 2)) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "outputs mean and inv_std_var are not supported");
  }
  QE_TRY(qe__import_float(im, "epsilon", 1e-12f, &epsilon));
  for (size_t i = 0; i < 5; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_out(im, 3, &sum_out));
  if (in[4] != QE__NO_VALUE) {
    QE_TRY(qe__import_binary(im, "Add", "add_bias", in[0], in[4], QE_DTYPE_NONE, &sum));
    in[0] = sum;
  }
  if (sum_out == QE__NO_VALUE) QE_TRY(qe__import_temp(im, "sum", QE_DTYPE_NONE, &sum_out));
  QE_TRY(qe__import_node(im, "Add", "add", 2, in, 1, &sum_out, NULL));
  QE_TRY(
      qe__import_node(im, "LayerNormalization", NULL, 3, (const qe__value_id[]){sum_out, in[2], in[3]}, 1, &y, &node));
  QE_TRY(qe__node_set_int(node, "axis", -1));
  return qe__node_set_float(node, "epsilon", epsilon);
}

#define MS "com.microsoft"
const qe__conversion qe__import_microsoft[] = {
  {MS, "Gelu",                   gelu},
  {MS, "BiasGelu",               gelu},
  {MS, "FastGelu",               fast_gelu},
  {MS, "QuickGelu",              quick_gelu},
  {MS, "FusedConv",              fused_conv},
  {MS, "FusedGemm",              fused_gemm},
  {MS, "FusedMatMul",            fused_matmul},
  {MS, "SkipLayerNormalization", skip_layer_normalization},
  {NULL, NULL, NULL},
};
