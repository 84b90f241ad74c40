/*
 * Layers take their weights as tensors. Here they are zeros of the right shape, and qe_model_initialize then gives every
 * parameter its first values.
 */
#include "network.h"

#include <stdio.h>

#include "shapes.h"

typedef struct builder {
  qe_model_t *model;
  qe_tensor_t *all[64];
  int count;
} builder;

static qe_tensor_t *zeros(builder *b, uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t = NULL;
  if (b->count < 64 && qe_tensor_create(QE_FLOAT32, rank, dims, &t) == QE_OK) b->all[b->count++] = t;
  return t; /* NULL: the layer that gets it reports an error */
}

/* Convolution, BatchNorm and, unless `linear`, Relu6. */
static qe_value_t conv(builder *b, const char *name, qe_value_t x, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                       int64_t groups, int linear) {
  char text[40];
  const qe_conv_options_t o = {.stride = {stride, stride}, .padding = {kernel / 2, kernel / 2}, .groups = groups};
  qe_tensor_t *vector = zeros(b, 1, &out);
  x = qe_conv2d(b->model, name, x, zeros(b, 4, (int64_t[]){out, in / groups, kernel, kernel}), NULL, &o);
  snprintf(text, sizeof text, "%s.bn", name);
  x = qe_batch_norm(b->model, text, x, vector, vector, vector, vector, 1e-5f);
  snprintf(text, sizeof text, "%s.relu", name);
  return linear ? x : qe_relu6(b->model, text, x);
}

/* Inverted residual: expand, depthwise, project; added to its input when shapes agree. */
static qe_value_t block(builder *b, const char *name, qe_value_t x, int64_t in, int64_t out, int64_t stride) {
  char text[40];
  const qe_value_t skip = x;
  snprintf(text, sizeof text, "%s.expand", name);
  x = conv(b, text, x, in, 3 * in, 1, 1, 1, 0);
  snprintf(text, sizeof text, "%s.depthwise", name);
  x = conv(b, text, x, 3 * in, 3 * in, 3, stride, 3 * in, 0);
  snprintf(text, sizeof text, "%s.project", name);
  x = conv(b, text, x, 3 * in, out, 1, 1, 1, 1);
  snprintf(text, sizeof text, "%s.add", name);
  return stride == 1 && in == out ? qe_add(b->model, text, x, skip) : x;
}

qe_status_t network_create(uint64_t seed, qe_model_t **out) {
  builder b = {0};
  *out = NULL;
  qe_status_t status = qe_model_create("shapes", &b.model);
  if (status != QE_OK) return status;
  qe_value_t x = qe_input(b.model, "image", QE_FLOAT32, 4, (int64_t[]){-1, 1, SHAPE_SIZE, SHAPE_SIZE});
  x = conv(&b, "stem", x, 1, 16, 3, 2, 1, 0);
  x = block(&b, "block1", x, 16, 24, 1);
  x = block(&b, "block2", x, 24, 40, 2);
  x = block(&b, "block3", x, 40, 40, 1);
  x = conv(&b, "head", x, 40, 96, 1, 1, 1, 0);
  x = qe_flatten(b.model, "flatten", qe_global_avg_pool(b.model, "pool", x), 1);
  const int64_t classes = SHAPE_CLASSES;
  x = qe_linear(b.model, "classifier", x, zeros(&b, 2, (int64_t[]){classes, 96}), zeros(&b, 1, &classes));
  qe_output(b.model, "logits", x);
  status = qe_model_finish(b.model);
  while (b.count > 0) qe_tensor_release(&b.all[--b.count]);
  if (status == QE_OK) status = qe_model_initialize(b.model, seed, 1, NULL);
  if (status == QE_OK) *out = b.model;
  else qe_model_destroy(&b.model);
  return status;
}
