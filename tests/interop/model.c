/*
 * Writes a float model with every kind of quantized node (convolutions plain, grouped, depthwise, transposed; linear; add, mul,
 * concat; pools; activations; data movement), its input, the demo's network (untrained) and an input for it, and a model of
 * two recurrent layers with its input.
 *
 * usage: interop_model MODEL.onnx INPUT.npy DEMO.onnx DEMO_INPUT.npy [RECURRENT.onnx RECURRENT_INPUT.npy]
 */
#include <qengine.h>

#include <stdio.h>
#include <stdlib.h>

#include "network.h"

#define CHECK(call)                                    \
  do {                                                 \
    if ((call) != QE_OK) {                             \
      fprintf(stderr, "%s\n", qe_last_error());        \
      exit(1);                                         \
    }                                                  \
  } while (0)

/* Everything that made() gave, released at the end. */
static qe_tensor_t *owned[32];
static int n_owned;

static qe_tensor_t *made(uint32_t rank, const int64_t *dims, float scale, uint64_t seed) {
  qe_tensor_t *t;
  CHECK(qe_tensor_create(QE_FLOAT32, rank, dims, &t));
  float *x = qe_tensor_data(t);
  for (int64_t i = 0; i < qe_tensor_count(t); i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    x[i] = scale * ((float)(seed >> 40) / 8388608.0f - 1.0f);
  }
  owned[n_owned++] = t;
  return t;
}

#define W(seed, scale, ...) made(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__}, scale, seed)

/* x [20 steps, batch 4, 24] -> LSTM of 32 in both directions -> GRU of 32 -> y */
static void write_recurrent(const char *model, const char *input) {
  qe_model_t *m;
  CHECK(qe_model_create("recurrent", &m));
  qe_value_t in[4] = {qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){20, 4, 24}), qe_constant(m, "w1", W(21, 0.3f, 2, 128, 24)),
                      qe_constant(m, "r1", W(22, 0.3f, 2, 128, 32)), qe_constant(m, "b1", W(23, 0.1f, 2, 256))};
  qe_value_t y = qe_op(m, "LSTM", "lstm", 4, in, "{\"direction\": \"bidirectional\", \"hidden_size\": 32}");
  y = qe_transpose(m, "join", y, 4, (int64_t[]){0, 2, 1, 3});
  in[0] = qe_reshape(m, "joined", y, 3, (int64_t[]){20, 4, 64});
  in[1] = qe_constant(m, "w2", W(24, 0.2f, 1, 96, 64));
  in[2] = qe_constant(m, "r2", W(25, 0.3f, 1, 96, 32));
  in[3] = qe_constant(m, "b2", W(26, 0.1f, 1, 192));
  qe_output(m, "y", qe_op(m, "GRU", "gru", 4, in, "{\"hidden_size\": 32}"));
  CHECK(qe_model_finish(m));
  CHECK(qe_model_save(m, model, QE_FORMAT_QDQ, 1));
  CHECK(qe_tensor_save_npy(W(27, 1.0f, 20, 4, 24), input, 1));
  qe_model_destroy(&m);
}

int main(int argc, char **argv) {
  qe_model_t *m;
  if (argc != 5 && argc != 7) {
    fprintf(stderr, "usage: interop_model MODEL.onnx INPUT.npy DEMO.onnx DEMO_INPUT.npy [RECURRENT.onnx RECURRENT_INPUT.npy]\n");
    return 2;
  }
  if (argc == 7) write_recurrent(argv[5], argv[6]);
  CHECK(qe_model_create("kinds", &m));
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 16, 16});
  x = qe_relu(m, "relu1", qe_conv2d(m, "conv1", x, W(1, 0.5f, 8, 3, 3, 3), W(2, 0.2f, 8), &(qe_conv_options_t){.padding = {1, 1}}));
  const qe_value_t skip = x;
  x = qe_relu6(m, "relu6", qe_conv2d(m, "dw", x, W(3, 0.5f, 8, 1, 3, 3), W(4, 0.2f, 8), &(qe_conv_options_t){.padding = {1, 1}, .groups = 8}));
  x = qe_conv2d(m, "grouped", x, W(5, 0.5f, 8, 2, 3, 3), W(6, 0.2f, 8), &(qe_conv_options_t){.padding = {2, 2}, .dilation = {2, 2}, .groups = 4});
  x = qe_add(m, "add", x, skip);
  x = qe_max_pool2d(m, "max", x, &(qe_pool_options_t){.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
  const qe_value_t sigmoid = qe_op(m, "Sigmoid", "sigmoid", 1, &x, NULL), leaky = qe_op(m, "LeakyRelu", "leaky", 1, &x, "{\"alpha\": 0.1}");
  x = qe_mul(m, "mul", sigmoid, leaky);
  const qe_value_t up = qe_conv_transpose(m, "up", x, W(7, 0.5f, 8, 4, 2, 2), W(8, 0.2f, 4), &(qe_conv_options_t){.stride = {2, 2}});
  const qe_value_t avg = qe_avg_pool2d(m, "avg", up, &(qe_pool_options_t){.kernel = {2, 2}});
  x = qe_concat(m, "cat", 2, (qe_value_t[]){avg, x}, 1);
  x = qe_transpose(m, "back", qe_transpose(m, "perm", x, 4, (int64_t[]){0, 2, 3, 1}), 4, (int64_t[]){0, 3, 1, 2});
  x = qe_flatten(m, "flatten", qe_global_avg_pool(m, "gap", x), 1);
  x = qe_relu(m, "relu2", qe_linear(m, "fc1", x, W(9, 0.5f, 16, 12), W(10, 0.2f, 16)));
  qe_output(m, "y", qe_linear(m, "fc2", x, W(11, 0.5f, 5, 16), NULL));
  CHECK(qe_model_finish(m));
  CHECK(qe_model_save(m, argv[1], QE_FORMAT_QDQ, 1));
  CHECK(qe_tensor_save_npy(W(12, 1.0f, 32, 3, 16, 16), argv[2], 1));
  qe_model_destroy(&m);
  CHECK(network_create(7, &m));
  CHECK(qe_model_save(m, argv[3], QE_FORMAT_QDQ, 1));
  CHECK(qe_tensor_save_npy(W(13, 1.0f, 64, 1, 24, 24), argv[4], 1));
  qe_model_destroy(&m);
  while (n_owned > 0) qe_tensor_release(&owned[--n_owned]);
  return 0;
}
