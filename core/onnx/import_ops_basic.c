/* Ops of the ONNX domain whose older forms, or forms for training, need more than being taken over. */
#include <string.h>

#include "onnx/import.h"

static qe_status_t constant(qe__import *im) {
  return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu outputs; a constant has one", im->node->n_output);
}

static qe_status_t matmul(qe__import *im) {
  /* the graph's MatMul has a third input, a bias; ONNX's does not */
  if (im->node->n_input != 2) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu inputs; MatMul takes 2", im->node->n_input);
  }
  return qe__import_as_is(im, "MatMul", NULL);
}

static qe_status_t batch_normalization(qe__import *im) {
  int64_t spatial, training;
  QE_TRY(qe__import_int(im, "spatial", 1, &spatial));
  QE_TRY(qe__import_int(im, "training_mode", 0, &training));
  if (spatial != 1) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "spatial = %lld is not supported; statistics are per channel",
                           (long long)spatial);
  }
  bool more = false;
  for (size_t i = 1; i < im->node->n_output; i++) more = more || qe__import_has_out(im, i);
  if (training != 0 || more) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "it is in training mode; export the model for inference (eval mode)");
  }
  qe__value_id in[5], y;
  if (im->node->n_input != 5) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu inputs; 5 are expected", im->node->n_input);
  }
  for (size_t i = 0; i < 5; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_out(im, 0, &y));
  qe__node *node;
  QE_TRY(qe__import_node(im, "BatchNormalization", NULL, 5, in, 1, &y, &node));
  return qe__import_copy_attributes(im, node);
}

/* Nothing is dropped at inference: the mask is true everywhere. */
static qe_status_t dropout_mask(qe__import *im, qe__value_id x) {
  qe__value_id shape, mask;
  qe__node *node;
  qe_tensor_t *t = NULL;
  const uint8_t yes = 1;
  QE_TRY(qe__import_out(im, 1, &mask));
  if (im->opset < 10) return QE_OK; /* the mask had no fixed type yet; reading it is refused as reading nothing */
  QE_TRY(qe__import_unary(im, "Shape", "mask_shape", x, QE_INT64, &shape));
  QE_TRY(qe__import_node(im, "ConstantOfShape", "mask", 1, &shape, 1, &mask, &node));
  QE_TRY(qe_tensor_from_data(QE_BOOL, 1, &(int64_t){1}, &yes, &t));
  const qe_status_t status = qe__node_set_tensor(node, "value", t);
  qe_tensor_release(&t);
  return status;
}

/* Ratio and training mode became inputs in opset 12. */
static qe_status_t dropout(qe__import *im) {
  qe__value_id x, y, ratio, training;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_in(im, 1, &ratio));
  QE_TRY(qe__import_in(im, 2, &training));
  QE_TRY(qe__import_out(im, 0, &y));
  if (training != QE__NO_VALUE) {
    const qe_tensor_t *t = qe__import_data(im, training);
    if (t == NULL || t->count != 1 || qe__tensor_int_at(t, 0) != 0) {
      return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                             "it is in training mode; export the model for inference (eval mode)");
    }
  }
  (void)qe__import_attr(im, "seed");
  if (qe__import_has_out(im, 1)) QE_TRY(dropout_mask(im, x));
  QE_TRY(qe__import_node(im, "Dropout", NULL, 1, &x, 1, &y, &node));
  const qe_tensor_t *r = qe__import_data(im, ratio);
  if (r != NULL && r->count == 1) QE_TRY(qe__node_set_float(node, "ratio", (float)qe__tensor_float_at(r, 0)));
  return qe__import_copy_attributes(im, node);
}

/* Before opset 13: dimensions from `axis` on are flattened and normalised together. */
static qe_status_t softmax(qe__import *im) {
  if (im->opset >= 13) return qe__import_as_is(im, im->node->op_type, NULL);
  int64_t axis;
  qe__value_id x, y, flat, soft, shape;
  qe__node *node;
  QE_TRY(qe__import_int(im, "axis", 1, &axis));
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  const int32_t rank = qe__import_rank(im, x);
  if (axis == -1 || (rank > 0 && axis == rank - 1)) {
    QE_TRY(qe__import_node(im, im->node->op_type, NULL, 1, &x, 1, &y, &node));
    return qe__node_set_int(node, "axis", axis);
  }
  QE_TRY(qe__import_temp(im, "flat", QE_DTYPE_NONE, &flat));
  QE_TRY(qe__import_node(im, "Flatten", "flatten", 1, &x, 1, &flat, &node));
  QE_TRY(qe__node_set_int(node, "axis", axis));
  QE_TRY(qe__import_temp(im, "soft", QE_DTYPE_NONE, &soft));
  QE_TRY(qe__import_node(im, im->node->op_type, NULL, 1, &flat, 1, &soft, &node));
  QE_TRY(qe__node_set_int(node, "axis", 1));
  QE_TRY(qe__import_unary(im, "Shape", "shape", x, QE_INT64, &shape));
  return qe__import_node(im, "Reshape", "reshape", 2, (const qe__value_id[]){soft, shape}, 1, &y, NULL);
}

/* Bounds became inputs in opset 11. */
static qe_status_t clip(qe__import *im) {
  if (im->opset >= 11) return qe__import_as_is(im, "Clip", NULL);
  qe__value_id in[3] = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE}, y;
  float lo, hi;
  QE_TRY(qe__import_in(im, 0, &in[0]));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_float(im, "min", 0.0f, &lo));
  QE_TRY(qe__import_float(im, "max", 0.0f, &hi));
  if (qe__import_attr(im, "min") != NULL) QE_TRY(qe__import_scalar_f32(im, "min", lo, &in[1]));
  if (qe__import_attr(im, "max") != NULL) QE_TRY(qe__import_scalar_f32(im, "max", hi, &in[2]));
  return qe__import_node(im, "Clip", NULL, 3, in, 1, &y, NULL);
}

static qe_status_t mean(qe__import *im) {
  qe_status_t status;
  qe__value_id y, sum = QE__NO_VALUE, count;
  const size_t n = im->node->n_input;
  if (n == 0 || n > 4096) return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu inputs", n);
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_temp(im, "sum", QE_DTYPE_NONE, &sum));
  QE_TRY(qe__import_scalar_f32(im, "count", (float)n, &count));
  qe__value_id *in = qe__calloc(n, sizeof *in);
  if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < n; i++) QE_TRY_GOTO(qe__import_in(im, i, &in[i]), done);
  QE_TRY_GOTO(qe__import_node(im, "Sum", "sum", (uint32_t)n, in, 1, &sum, NULL), done);
  status = qe__import_node(im, "Div", NULL, 2, (const qe__value_id[]){sum, count}, 1, &y, NULL);
done:
  qe__free(in);
  return status;
}

static qe_status_t check_stash_type(qe__import *im) {
  int64_t stash;
  QE_TRY(qe__import_int(im, "stash_type", 1, &stash));
  if (stash != 1) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "stash_type %lld; statistics are computed in float32 (1)",
                           (long long)stash);
  }
  return QE_OK;
}

static qe_status_t layer_normalization(qe__import *im) {
  QE_TRY(check_stash_type(im));
  return qe__import_as_is(im, "LayerNormalization", NULL);
}

/* Before opset 21 scale and bias are per group: instance normalization of [N, groups, rest] is the same function. */
static qe_status_t group_normalization(qe__import *im) {
  QE_TRY(check_stash_type(im));
  if (im->opset >= 21) return qe__import_as_is(im, "GroupNormalization", NULL);
  int64_t groups;
  float epsilon;
  qe__value_id in[3], y, grouped_shape, shape, grouped, normal;
  qe__node *node;
  QE_TRY(qe__import_int(im, "num_groups", 0, &groups));
  QE_TRY(qe__import_float(im, "epsilon", 1e-5f, &epsilon));
  if (groups <= 0) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "num_groups is %lld; a positive number is expected", (long long)groups);
  }
  for (size_t i = 0; i < 3; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_out(im, 0, &y));
  const int64_t dims[3] = {0, groups, -1};
  QE_TRY(qe__import_const_i64(im, "grouped_shape", dims, 3, &grouped_shape));
  QE_TRY(qe__import_binary(im, "Reshape", "grouped", in[0], grouped_shape, QE_DTYPE_NONE, &grouped));
  QE_TRY(qe__import_temp(im, "normalized", QE_DTYPE_NONE, &normal));
  QE_TRY(qe__import_node(im, "InstanceNormalization", NULL, 3, (const qe__value_id[]){grouped, in[1], in[2]}, 1,
                         &normal, &node));
  QE_TRY(qe__node_set_float(node, "epsilon", epsilon));
  QE_TRY(qe__import_unary(im, "Shape", "shape", in[0], QE_INT64, &shape));
  return qe__import_node(im, "Reshape", "reshape", 2, (const qe__value_id[]){normal, shape}, 1, &y, NULL);
}

static qe_status_t cast(qe__import *im) {
  (void)qe__import_attr(im, "saturate"); /* concerns 8-bit float types only, which are not supported */
  return qe__import_as_is(im, "Cast", NULL);
}

static qe_status_t cast_like(qe__import *im) {
  qe__value_id x, like, y;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_in(im, 1, &like));
  QE_TRY(qe__import_out(im, 0, &y));
  (void)qe__import_attr(im, "saturate");
  if (like == QE__NO_VALUE || im->g->values[like].dtype == QE_DTYPE_NONE) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "the type of its second input cannot be found out");
  }
  QE_TRY(qe__import_node(im, "Cast", NULL, 1, &x, 1, &y, &node));
  return qe__node_set_int(node, "to", im->g->values[like].dtype);
}

const qe__conversion qe__import_basic[] = {
  {"", "Constant",              constant},
  {"", "MatMul",                matmul},
  {"", "BatchNormalization",    batch_normalization},
  {"", "Dropout",               dropout},
  {"", "Softmax",               softmax},
  {"", "LogSoftmax",            softmax},
  {"", "Clip",                  clip},
  {"", "Mean",                  mean},
  {"", "LayerNormalization",    layer_normalization},
  {"", "GroupNormalization",    group_normalization},
  {"", "Cast",                  cast},
  {"", "CastLike",              cast_like},
  {NULL, NULL, NULL},
};
