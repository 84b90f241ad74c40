/*
 * The demo: a small network is built, trained, quantized and trained again under the rounding of int8, in C alone, with
 * pictures that seeded code draws. What it prints is the same on every machine, times left out.
 *
 * usage: demo OUTPUT_DIR [PICTURES EPOCHS]
 */
#include <qengine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "network.h"
#include "shapes.h"

enum { CALIBRATION = 512, TEST = 2000, BATCH = 32, PIXELS = SHAPE_SIZE * SHAPE_SIZE };

#define CHECK(call)                                        \
  do {                                                     \
    if ((call) != QE_OK) {                                 \
      fprintf(stderr, "%s\n%s\n", #call, qe_last_error()); \
      exit(1);                                             \
    }                                                      \
  } while (0)

/* Four bits and one scale for each weight: more than rounding after training can bear. */
static const char FOUR_BITS[] = "{\"preset\": \"qnnpack%s\", \"global\": {\"preset\": \"qnnpack%s\", \"weight\": {\"observer\": \"min_max\","
                                " \"dtype\": \"int8\", \"qscheme\": \"per_tensor_symmetric\", \"quant_min\": -7, \"quant_max\": 7}}}";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- pictures ---- */

typedef struct pictures {
  qe_tensor_t *images, *labels;
  qe_dataset_t *x, *y;
  qe_train_input_t input;
  qe_train_data_t data;
} pictures;

/* `count` pictures of a series as the network wants them: (grey / 255 - 0.5) / 0.5. */
static void pictures_draw(uint64_t seed, int count, pictures *p) {
  uint8_t image[PIXELS];
  CHECK(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){count, 1, SHAPE_SIZE, SHAPE_SIZE}, &p->images));
  CHECK(qe_tensor_create(QE_INT64, 1, (int64_t[]){count}, &p->labels));
  float *x = qe_tensor_data(p->images);
  for (int i = 0; i < count; i++) {
    ((int64_t *)qe_tensor_data(p->labels))[i] = shape_draw(seed, (uint64_t)i, image);
    for (int k = 0; k < PIXELS; k++) x[i * PIXELS + k] = ((float)image[k] / 255.0f - 0.5f) / 0.5f;
  }
  CHECK(qe_dataset_from_tensor(p->images, NULL, &p->x));
  CHECK(qe_dataset_from_tensor(p->labels, NULL, &p->y));
  p->input = (qe_train_input_t){NULL, p->x};
  p->data = (qe_train_data_t){1, &p->input, p->y};
}

static void pictures_free(pictures *p) {
  qe_dataset_destroy(&p->x);
  qe_dataset_destroy(&p->y);
  qe_tensor_release(&p->images);
  qe_tensor_release(&p->labels);
}

/* ---- training ---- */

static qe_status_t on_epoch(void *arg, qe_trainer_t *trainer, const qe_train_metrics_t *train, const qe_train_metrics_t *test) {
  (void)trainer;
  printf("  %s, epoch %u: loss %.4f, top-1 %.2f %%, on the test pictures %.2f %%  (%.1f s)\n", (const char *)arg, train->epoch,
         train->loss, 100.0 * train->top1, 100.0 * test->top1, train->seconds);
  return QE_OK;
}

static void fit(qe_trainer_t *trainer, const char *what, const pictures *train, const pictures *test) {
  const qe_train_callbacks_t callbacks = {.arg = (void *)(uintptr_t)what, .epoch = on_epoch};
  CHECK(qe_trainer_fit(trainer, &train->data, &test->data, &callbacks));
  fflush(stdout);
}

static void train_float(qe_model_t **model, uint32_t epochs, const pictures *train, const pictures *test) {
  qe_trainer_t *trainer;
  qe_train_options_t o;
  qe_train_options_default(&o);
  o.epochs = epochs;
  o.lr = 0.1f;
  o.weight_decay = 1e-4f;
  o.nesterov = 1;
  o.schedule = QE_LR_COSINE;
  o.warmup_steps = 20;
  CHECK(qe_trainer_create(*model, &o, &trainer));
  fit(trainer, "float32", train, test);
  qe_model_destroy(model);
  CHECK(qe_trainer_model(trainer, model));
  qe_trainer_destroy(&trainer);
}

static qe_qconfig_mapping_t *mapping_for(int four_bits, int qat) {
  qe_qconfig_mapping_t *mapping;
  char json[sizeof FOUR_BITS + 16];
  const char *suffix = qat ? "_qat" : "";
  snprintf(json, sizeof json, FOUR_BITS, suffix, suffix);
  if (four_bits) CHECK(qe_qconfig_mapping_parse(json, strlen(json), &mapping));
  else CHECK(qe_qconfig_mapping_preset(qat ? "default_qat" : "default", &mapping));
  return mapping;
}

/* Fine-tunes a trained float model under the rounding of int8. */
static qe_model_t *train_int8(const qe_model_t *model, int four_bits, uint32_t epochs, const pictures *train, const pictures *test) {
  qe_qconfig_mapping_t *mapping = mapping_for(four_bits, 1);
  qe_prepared_t *prepared;
  qe_trainer_t *trainer;
  qe_model_t *int8;
  qe_train_options_t o;
  qe_train_options_default(&o);
  o.epochs = epochs;
  o.lr = four_bits ? 0.01f : 0.002f;
  o.schedule = QE_LR_COSINE;
  CHECK(qe_prepare_qat(model, mapping, NULL, &prepared));
  CHECK(qe_trainer_create_qat(prepared, &o, &trainer));
  fit(trainer, four_bits ? "4 bits" : "int8", train, test);
  CHECK(qe_convert(prepared, &int8, NULL));
  qe_trainer_destroy(&trainer);
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&mapping);
  return int8;
}

/* Post-training: the model as it is, calibrated with some of the pictures. */
static qe_model_t *quantize(const qe_model_t *trained, int four_bits, const pictures *train) {
  qe_qconfig_mapping_t *mapping = mapping_for(four_bits, 0);
  qe_prepared_t *prepared;
  qe_model_t *model, *int8;
  CHECK(qe_model_clone(trained, &model));
  CHECK(qe_fuse(model));
  CHECK(qe_prepare(model, mapping, NULL, &prepared));
  for (int first = 0; first < CALIBRATION; first += BATCH) {
    qe_named_tensor_t in = {NULL, NULL};
    CHECK(qe_dataset_batch(train->x, first, BATCH, &in.tensor));
    CHECK(qe_calibrate(prepared, 1, &in));
    qe_tensor_release(&in.tensor);
  }
  CHECK(qe_convert(prepared, &int8, NULL));
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&model);
  return int8;
}

/* ---- the table ---- */

static double milliseconds(const qe_model_t *model, const pictures *test) {
  qe_session_t *session;
  double spent = 0.0;
  CHECK(qe_session_create(model, NULL, &session));
  for (int first = -BATCH; first + BATCH <= TEST; first += BATCH) { /* the first run plans and does not count */
    qe_named_tensor_t in = {NULL, NULL}, out = {NULL, NULL};
    CHECK(qe_dataset_batch(test->x, first < 0 ? 0 : first, BATCH, &in.tensor));
    const double start = now();
    CHECK(qe_session_run(session, 1, &in, 1, &out));
    if (first >= 0) spent += now() - start;
    qe_tensor_release(&in.tensor);
    qe_tensor_release(&out.tensor);
  }
  qe_session_destroy(&session);
  return spent * 1e3 / (TEST / BATCH * BATCH);
}

/* Saves, scores and releases a model. */
static void row(const char *text, const char *folder, const char *file, qe_model_t *model, const pictures *test) {
  char path[4096];
  struct stat st;
  qe_train_metrics_t m;
  qe_train_options_t o;
  qe_train_options_default(&o);
  snprintf(path, sizeof path, "%s/%s", folder, file);
  CHECK(qe_evaluate(model, &o, &test->data, &m));
  CHECK(qe_model_save(model, path, QE_FORMAT_QDQ, 1));
  printf("%-34s %6.2f %%  %7ld B  %8.3f ms   %s\n", text, 100.0 * m.top1, stat(path, &st) == 0 ? (long)st.st_size : 0,
         milliseconds(model, test), file);
  qe_model_destroy(&model);
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 4) {
    fprintf(stderr, "usage: demo OUTPUT_DIR [PICTURES EPOCHS]\n");
    return 2;
  }
  const int count = argc > 2 ? atoi(argv[2]) : 16000, epochs = argc > 2 ? atoi(argv[3]) : 4;
  if (count < CALIBRATION || count > 1000000 || epochs < 1 || epochs > 1000) {
    fprintf(stderr, "demo: PICTURES must be %d..1000000, EPOCHS 1..1000\n", CALIBRATION);
    return 2;
  }
  const char *engine, *folder = argv[1];
  pictures train, test;
  qe_model_t *model;
  const double start = now();
  CHECK(qe_get_engine(&engine));
  printf("Ten shapes, %d training and %d test pictures drawn by seeded code; engine %s\n", count, TEST, engine);
  fflush(stdout);
  pictures_draw(1, count, &train);
  pictures_draw(3, TEST, &test);
  CHECK(network_create(7, &model));
  train_float(&model, (uint32_t)epochs, &train, &test);
  qe_model_t *int8 = quantize(model, 0, &train), *four = quantize(model, 1, &train);
  qe_model_t *int8_qat = train_int8(model, 0, 1, &train, &test), *four_qat = train_int8(model, 1, 1, &train, &test);
  printf("\n%-34s %8s  %9s  %11s\n", "", "top-1", "size", "per picture");
  row("float32", folder, "shapes.onnx", model, &test);
  row("int8, quantized after training", folder, "shapes_static.onnx", int8, &test);
  row("int8, trained for it", folder, "shapes_qat.onnx", int8_qat, &test);
  row("4-bit weights, after training", folder, "shapes_4bit_static.onnx", four, &test);
  row("4-bit weights, trained for it", folder, "shapes_4bit_qat.onnx", four_qat, &test);
  printf("\n%.1f s. The models (ONNX, QDQ) are in %s. Try: qengine explain %s/shapes_qat.onnx\n", now() - start, folder, folder);
  pictures_free(&train);
  pictures_free(&test);
  return 0;
}
