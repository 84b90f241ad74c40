/*
 * Training in a program's own loop: a small network learns to tell which quarter of a picture is bright, in float, then
 * with fake quantization, and is converted to int8 on the way. qe_trainer_fit does the same over datasets, with
 * validation and checkpoints; see examples/demo.
 */
#include <qengine.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 8, BATCH = 32, STEPS = 200 };

#define CHECK(call)                                        \
  do {                                                     \
    if ((call) != QE_OK) {                                 \
      fprintf(stderr, "%s\n%s\n", #call, qe_last_error()); \
      exit(1);                                             \
    }                                                      \
  } while (0)

static float noise(uint32_t *state) { return (float)((*state = *state * 1664525u + 1013904223u) >> 8) / 16777216.0f; }

/* Pictures of noise with one bright quarter, which is the label. */
static void draw(uint32_t *state, float *x, int64_t *labels) {
  for (int i = 0; i < BATCH; i++) {
    labels[i] = (int)(noise(state) * 4.0f);
    for (int k = 0; k < SIDE * SIDE; k++) {
      const int quarter = 2 * (k / SIDE / (SIDE / 2)) + k % SIDE / (SIDE / 2);
      x[i * SIDE * SIDE + k] = noise(state) + (quarter == labels[i] ? 0.4f : 0.0f);
    }
  }
}

static qe_model_t *network(void) {
  qe_model_t *m;
  CHECK(qe_model_create("quarters", &m));
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 1, SIDE, SIDE});
  /* weights as inputs of known shape: qe_model_initialize makes them constants */
  const qe_value_t w1 = qe_input(m, "conv.weight", QE_FLOAT32, 4, (int64_t[]){8, 1, 3, 3});
  const qe_value_t w2 = qe_input(m, "fc.weight", QE_FLOAT32, 2, (int64_t[]){4, 8 * 9}), b2 = qe_input(m, "fc.bias", QE_FLOAT32, 1, (int64_t[]){4});
  x = qe_op(m, "Conv", "conv", 2, (qe_value_t[]){x, w1}, "{\"strides\": [2, 2]}");
  x = qe_flatten(m, "flatten", qe_relu(m, "relu", x), 1);
  qe_output(m, "logits", qe_op(m, "Gemm", "fc", 3, (qe_value_t[]){x, w2, b2}, "{\"transB\": 1}"));
  CHECK(qe_model_finish(m));
  CHECK(qe_model_initialize(m, 1, 0, NULL));
  return m;
}

/* The loop: one optimizer step for each batch. */
static void train(qe_trainer_t *trainer, const char *what, uint32_t seed) {
  qe_tensor_t *x, *labels;
  qe_train_metrics_t m = {0};
  CHECK(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){BATCH, 1, SIDE, SIDE}, &x));
  CHECK(qe_tensor_create(QE_INT64, 1, (int64_t[]){BATCH}, &labels));
  double right = 0.0;
  for (int i = 0; i < STEPS; i++) {
    draw(&seed, qe_tensor_data(x), qe_tensor_data(labels));
    CHECK(qe_trainer_step(trainer, 1, &(qe_named_tensor_t){"x", x}, labels, &m));
    right = 0.9 * right + 0.1 * m.top1;
  }
  printf("%s: %d steps, loss %.4f, top-1 of late batches %.1f %%\n", what, STEPS, m.loss, 100.0 * right);
  qe_tensor_release(&x);
  qe_tensor_release(&labels);
}

int main(void) {
  qe_model_t *model = network(), *trained, *int8;
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *prepared;
  qe_trainer_t *trainer;
  qe_train_options_t o;
  qe_train_options_default(&o);
  o.lr = 0.05f;
  CHECK(qe_trainer_create(model, &o, &trainer));
  train(trainer, "float32", 1);
  CHECK(qe_trainer_model(trainer, &trained));
  qe_trainer_destroy(&trainer);

  o.lr = 0.005f;
  CHECK(qe_qconfig_mapping_preset("default_qat", &mapping));
  CHECK(qe_prepare_qat(trained, mapping, NULL, &prepared));
  CHECK(qe_trainer_create_qat(prepared, &o, &trainer));
  train(trainer, "int8", 2);
  CHECK(qe_convert(prepared, &int8, NULL)); /* training could go on */
  printf("int8 model: %u nodes, %lld bytes of parameters (float32: %lld)\n", qe_model_node_count(int8),
         (long long)qe_model_parameter_bytes(int8), (long long)qe_model_parameter_bytes(trained));

  qe_trainer_destroy(&trainer);
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&int8);
  qe_model_destroy(&trained);
  qe_model_destroy(&model);
  return 0;
}
