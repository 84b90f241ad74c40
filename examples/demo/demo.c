/*
 * The demo: a small float CNN is calibrated, converted to int8 and compared with itself, in C alone. Pictures come
 * from shapes.c, the float model (trained on the same kind of pictures) from shapes.onnx.
 *
 * usage: demo MODEL.onnx OUTPUT_DIR [TEST_IMAGES]
 */
#include <qengine.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "shapes.h"

enum { CALIBRATION = 512, BATCH = 32, PIXELS = SHAPE_SIZE * SHAPE_SIZE };

#define CHECK(call)                                                \
  do {                                                             \
    if ((call) != QE_OK) {                                         \
      fprintf(stderr, "%s\n%s\n", #call, qe_last_error());         \
      exit(1);                                                     \
    }                                                              \
  } while (0)

/* Pictures [first, first + count) of a series as the model wants them: (x / 255 - 0.5) / 0.5. */
static qe_tensor_t *pictures(uint64_t seed, int first, int count, int *labels) {
  qe_tensor_t *t;
  uint8_t image[PIXELS];
  CHECK(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){count, 1, SHAPE_SIZE, SHAPE_SIZE}, &t));
  float *x = qe_tensor_data(t);
  for (int i = 0; i < count; i++) {
    labels[i] = shape_draw(seed, (uint64_t)(first + i), image);
    for (int k = 0; k < PIXELS; k++) x[i * PIXELS + k] = ((float)image[k] / 255.0f - 0.5f) / 0.5f;
  }
  return t;
}

typedef struct score {
  double top1, ms;
  long bytes;
  uint64_t arena;
} score;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static score evaluate(const char *path, int images) {
  qe_model_t *model;
  qe_session_t *session;
  struct stat st;
  int labels[BATCH], right = 0;
  score s = {0};
  CHECK(qe_model_load(path, &model));
  CHECK(qe_session_create(model, NULL, &session));
  double spent = 0.0;
  for (int first = 0; first < images; first += BATCH) {
    const int count = images - first < BATCH ? images - first : BATCH;
    qe_named_tensor_t in = {NULL, pictures(3, first, count, labels)}, out = {NULL, NULL};
    const double start = now_ms();
    CHECK(qe_session_run(session, 1, &in, 1, &out));
    spent += now_ms() - start;
    const float *y = qe_tensor_const_data(out.tensor);
    for (int i = 0; i < count; i++) {
      int best = 0;
      for (int c = 1; c < SHAPE_CLASSES; c++) best = y[i * SHAPE_CLASSES + c] > y[i * SHAPE_CLASSES + best] ? c : best;
      right += best == labels[i];
    }
    qe_tensor_release(&in.tensor);
    qe_tensor_release(&out.tensor);
  }
  qe_session_stats_t stats = {.struct_size = sizeof stats};
  CHECK(qe_session_get_stats(session, &stats));
  s.top1 = 100.0 * right / images;
  s.ms = spent / images;
  s.bytes = stat(path, &st) == 0 ? (long)st.st_size : 0;
  s.arena = stats.arena_bytes;
  qe_session_destroy(&session);
  qe_model_destroy(&model);
  return s;
}

static void quantize(const char *from, const char *to) {
  qe_model_t *model, *int8;
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *prepared;
  int labels[BATCH];
  CHECK(qe_model_load(from, &model));
  CHECK(qe_fuse(model));
  CHECK(qe_qconfig_mapping_preset("default", &mapping));
  CHECK(qe_prepare(model, mapping, NULL, &prepared));
  for (int first = 0; first < CALIBRATION; first += BATCH) {
    qe_named_tensor_t in = {NULL, pictures(2, first, BATCH, labels)};
    CHECK(qe_calibrate(prepared, 1, &in));
    qe_tensor_release(&in.tensor);
  }
  CHECK(qe_convert(prepared, &int8, NULL));
  CHECK(qe_model_save(int8, to, QE_FORMAT_QDQ, 1));
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&int8);
  qe_model_destroy(&model);
}

int main(int argc, char **argv) {
  char path[4096];
  const char *engine;
  if (argc < 3) {
    fprintf(stderr, "usage: demo MODEL.onnx OUTPUT_DIR [TEST_IMAGES]\n");
    return 2;
  }
  const int images = argc > 3 ? atoi(argv[3]) : 4000;
  if (images <= 0 || images > 1000000) {
    fprintf(stderr, "demo: TEST_IMAGES must be 1..1000000\n");
    return 2;
  }
  snprintf(path, sizeof path, "%s/shapes_int8.onnx", argv[2]);
  CHECK(qe_get_engine(&engine));
  printf("Ten shapes, %d calibration and %d test pictures drawn by seeded code; engine %s\n\n", CALIBRATION, images, engine);
  fflush(stdout);
  quantize(argv[1], path);
  const score f = evaluate(argv[1], images), q = evaluate(path, images);
  printf("          top-1      size         ms per picture   activations (batch %d)\n", BATCH);
  printf("float32   %6.2f %%   %7ld B   %8.3f         %9llu B\n", f.top1, f.bytes, f.ms, (unsigned long long)f.arena);
  printf("int8      %6.2f %%   %7ld B   %8.3f         %9llu B\n", q.top1, q.bytes, q.ms, (unsigned long long)q.arena);
  printf("          %+6.2f     %6.2fx     %7.2fx            %8.2fx\n\n", q.top1 - f.top1, (double)f.bytes / (double)q.bytes, f.ms / q.ms,
         (double)f.arena / (double)q.arena);
  printf("The int8 model: %s (ONNX, QDQ). Try: qengine explain %s\n", path, path);
  return 0;
}
