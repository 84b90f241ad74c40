/*
 * ResNets (v1, the stride on the 3x3 convolution) and MobileNet-v2, as torchvision lays them out.
 *
 * Every builder carries the mean square of what it passes on and scales weights by it (He), so that each BatchNorm sees
 * a variance of about 1 and the activations stay as large as those of a trained network however deep it is.
 */
#include <math.h>
#include <stdlib.h>

#include "arch.h"

/* A value, its channels and its mean square. */
typedef struct flow {
  qe_value_t v;
  int64_t channels;
  float square;
} flow;

typedef enum activation { LINEAR, RELU, RELU6 } activation;

static const float SQUARE_OF_RELU = 0.5f, SQUARE_OF_POOLED = 2.4f; /* of a normal number; of the largest of nine */

static qe_value_t batch_norm(arch_net *net, const char *name, qe_value_t x, int64_t channels, float gain) {
  qe_tensor_t *weight = arch_uniform(net, channels, 0.7f * gain, 1.3f * gain);
  qe_tensor_t *bias = arch_uniform(net, channels, -0.2f, 0.2f);
  qe_tensor_t *mean = arch_uniform(net, channels, -0.3f, 0.3f), *var = arch_uniform(net, channels, 0.7f, 1.3f);
  x = qe_batch_norm(net->m, name, x, weight, bias, mean, var, 1e-5f);
  qe_tensor_release(&weight);
  qe_tensor_release(&bias);
  qe_tensor_release(&mean);
  qe_tensor_release(&var);
  return x;
}

/* Convolution, BatchNorm, activation. `name` has no blanks and names the three. */
static flow conv(arch_net *net, const char *name, flow x, int64_t channels, int64_t kernel, int64_t stride,
                 int64_t groups, float gain, activation act) {
  const int64_t dims[4] = { channels, x.channels / groups, kernel, kernel };
  qe_tensor_t *weight = arch_normal(net, 4, dims, 1.0f / sqrtf((float)(dims[1] * kernel * kernel) * x.square));
  const qe_conv_options_t o = { .stride = { stride, stride },
                                .padding = { kernel / 2, kernel / 2 },
                                .groups = groups };
  char *part = cli_format("%s.conv", name);
  qe_value_t v = qe_conv2d(net->m, part, x.v, weight, NULL, &o);
  free(part);
  qe_tensor_release(&weight);
  part = cli_format("%s.bn", name);
  v = batch_norm(net, part, v, channels, gain);
  free(part);
  part = cli_format("%s.act", name);
  if (act == RELU) v = qe_relu(net->m, part, v);
  if (act == RELU6) v = qe_relu6(net->m, part, v);
  free(part);
  return (flow){ v, channels, act == LINEAR ? gain * gain : SQUARE_OF_RELU * gain * gain };
}

static flow image(arch_net *net) {
  const int64_t dims[4] = { net->o.batch, 3, 224, 224 };
  return (flow){ qe_input(net->m, "image", QE_FLOAT32, 4, dims), 3, 1.0f };
}

static void classifier(arch_net *net, flow x) {
  enum { CLASSES = 1000 };
  const int64_t dims[2] = { CLASSES, x.channels };
  const float square = 0.25f; /* of a mean over an image: less than that of the pixels */
  qe_tensor_t *weight = arch_normal(net, 2, dims, 2.0f / sqrtf((float)x.channels * square));
  qe_tensor_t *bias = arch_uniform(net, CLASSES, -0.1f, 0.1f);
  qe_value_t v = qe_flatten(net->m, "flatten", qe_global_avg_pool(net->m, "pool", x.v), 1);
  qe_output(net->m, "logits", qe_linear(net->m, "classifier", v, weight, bias));
  qe_tensor_release(&weight);
  qe_tensor_release(&bias);
}

/* ---- ResNet ---- */

static const float BRANCH_GAIN = 0.4f; /* of a residual branch, as training leaves it: small against the trunk */

/* One residual block; bottleneck: 1x1, 3x3, 1x1 to four times the width, else 3x3, 3x3. */
static flow residual(arch_net *net, const char *name, flow x, int64_t width, int64_t stride, bool bottleneck) {
  const int64_t channels = bottleneck ? 4 * width : width;
  char *part[4] = { cli_format("%s.1", name), cli_format("%s.2", name), cli_format("%s.3", name),
                    cli_format("%s.down", name) };
  flow y = conv(net, part[0], x, width, bottleneck ? 1 : 3, bottleneck ? 1 : stride, 1, 1.0f, RELU);
  if (bottleneck) y = conv(net, part[1], y, width, 3, stride, 1, 1.0f, RELU);
  y = conv(net, part[2], y, channels, bottleneck ? 1 : 3, 1, 1, BRANCH_GAIN, LINEAR);
  if (stride != 1 || x.channels != channels) x = conv(net, part[3], x, channels, 1, stride, 1, 1.0f, LINEAR);
  for (int i = 0; i < 4; i++) free(part[i]);
  char *add = cli_format("%s.add", name), *act = cli_format("%s.act", name);
  y.v = qe_relu(net->m, act, qe_add(net->m, add, y.v, x.v));
  y.square = SQUARE_OF_RELU * (x.square + y.square);
  free(add);
  free(act);
  return y;
}

static void resnet(arch_net *net, const int blocks[4], bool bottleneck) {
  flow x = conv(net, "stem", image(net), 64, 7, 2, 1, 1.0f, RELU);
  const qe_pool_options_t pool = { .kernel = { 3, 3 }, .stride = { 2, 2 }, .padding = { 1, 1 } };
  x.v = qe_max_pool2d(net->m, "stem.pool", x.v, &pool);
  x.square = SQUARE_OF_POOLED;
  for (int stage = 0; stage < 4; stage++) {
    for (int i = 0; i < blocks[stage]; i++) {
      char *name = cli_format("layer%d.%d", stage + 1, i);
      x = residual(net, name, x, INT64_C(64) << stage, stage > 0 && i == 0 ? 2 : 1, bottleneck);
      free(name);
    }
  }
  classifier(net, x);
}

void arch_resnet18(arch_net *net) {
  static const int blocks[4] = { 2, 2, 2, 2 };
  resnet(net, blocks, false);
}

void arch_resnet50(arch_net *net) {
  static const int blocks[4] = { 3, 4, 6, 3 };
  resnet(net, blocks, true);
}

/* ---- MobileNet-v2 ---- */

static flow inverted_residual(arch_net *net, const char *name, flow x, int64_t expand, int64_t channels,
                              int64_t stride) {
  const int64_t wide = x.channels * expand;
  char *part[4] = { cli_format("%s.expand", name), cli_format("%s.depthwise", name), cli_format("%s.project", name),
                    cli_format("%s.add", name) };
  const bool shortcut = stride == 1 && x.channels == channels;
  flow y = expand > 1 ? conv(net, part[0], x, wide, 1, 1, 1, 1.0f, RELU6) : x;
  y = conv(net, part[1], y, wide, 3, stride, wide, 1.0f, RELU6);
  y = conv(net, part[2], y, channels, 1, 1, 1, shortcut ? BRANCH_GAIN : 1.0f, LINEAR);
  if (shortcut) {
    y.v = qe_add(net->m, part[3], y.v, x.v);
    y.square += x.square;
  }
  for (int i = 0; i < 4; i++) free(part[i]);
  return y;
}

void arch_mobilenet_v2(arch_net *net) {
  static const struct {
    int64_t expand, channels;
    int count;
    int64_t stride;
  } stages[] = { { 1, 16, 1, 1 },  { 6, 24, 2, 2 },  { 6, 32, 3, 2 }, { 6, 64, 4, 2 },
                 { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 } };
  flow x = conv(net, "stem", image(net), 32, 3, 2, 1, 1.0f, RELU6);
  int block = 0;
  for (size_t s = 0; s < sizeof stages / sizeof stages[0]; s++) {
    for (int i = 0; i < stages[s].count; i++) {
      char *name = cli_format("block%d", ++block);
      x = inverted_residual(net, name, x, stages[s].expand, stages[s].channels, i == 0 ? stages[s].stride : 1);
      free(name);
    }
  }
  classifier(net, conv(net, "head", x, 1280, 1, 1, 1, 1.0f, RELU6));
}
