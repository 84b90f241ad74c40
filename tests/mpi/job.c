/*
 * One job of the test:
 *   mpi_job train float|qat CHECKPOINT [STEP RANK]   three epochs in four shards; process RANK kills itself after STEP
 *   mpi_job calibrate STATISTICS [SHARD SHARDS]      every SHARDS-th batch; by default a shard for each process
 *   mpi_job merge STATISTICS PART...                 the files of shards, one after the other
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qengine.h"

enum { SAMPLES = 50, PIXELS = 3 * 8 * 8, CLASSES = 4 };

static void check(qe_status_t status, const char *what) {
  if (status == QE_OK) return;
  fprintf(stderr, "process %u: %s: %s\n", qe_process_rank(), what, qe_last_error());
  exit(1);
}

static qe_tensor_t *numbers(uint32_t rank, const int64_t *dims, float scale, uint64_t seed) {
  qe_tensor_t *t;
  check(qe_tensor_create(QE_FLOAT32, rank, dims, &t), "tensor");
  float *x = qe_tensor_data(t);
  for (int64_t i = 0; i < qe_tensor_count(t); i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    x[i] = scale * ((float)(seed >> 40) * 0x1p-23f - 1.0f);
  }
  return t;
}

/* x [batch,3,8,8] -> conv, BatchNorm, relu -> conv, relu -> global average -> fc */
static qe_model_t *network(void) {
  qe_model_t *m;
  qe_tensor_t *w[9];
  check(qe_model_create("network", &m), "model");
  w[0] = numbers(4, (int64_t[]){8, 3, 3, 3}, 0.4f, 1);
  w[1] = numbers(1, (int64_t[]){8}, 0.1f, 2);
  w[2] = numbers(1, (int64_t[]){8}, 0.1f, 3);
  w[3] = numbers(1, (int64_t[]){8}, 0.1f, 4);
  w[4] = numbers(1, (int64_t[]){8}, 0.1f, 5);
  w[5] = numbers(4, (int64_t[]){8, 8, 3, 3}, 0.3f, 6);
  w[6] = numbers(1, (int64_t[]){8}, 0.1f, 7);
  w[7] = numbers(2, (int64_t[]){CLASSES, 8}, 0.4f, 8);
  w[8] = numbers(1, (int64_t[]){CLASSES}, 0.1f, 9);
  for (int i = 0; i < 8; i++) { /* scales and variances are positive */
    ((float *)qe_tensor_data(w[1]))[i] += 1.0f;
    ((float *)qe_tensor_data(w[4]))[i] += 1.0f;
  }
  const qe_conv_options_t pad = {.padding = {1, 1}};
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 8, 8});
  x = qe_conv2d(m, "conv1", x, w[0], NULL, &pad);
  x = qe_relu(m, "relu1", qe_batch_norm(m, "bn", x, w[1], w[2], w[3], w[4], 1e-5f));
  x = qe_relu(m, "relu2", qe_conv2d(m, "conv2", x, w[5], w[6], &pad));
  x = qe_flatten(m, "flatten", qe_global_avg_pool(m, "gap", x), 1);
  qe_output(m, "y", qe_linear(m, "fc", x, w[7], w[8]));
  check(qe_model_finish(m), "model");
  for (int i = 0; i < 9; i++) qe_tensor_release(&w[i]);
  return m;
}

/* The class is which quarter of the image is brighter. */
static void samples(qe_tensor_t **x, qe_tensor_t **labels) {
  uint8_t label[SAMPLES];
  *x = numbers(4, (int64_t[]){SAMPLES, 3, 8, 8}, 0.5f, 10);
  for (int i = 0; i < SAMPLES; i++) {
    float *p = (float *)qe_tensor_data(*x) + i * PIXELS;
    label[i] = (uint8_t)(i * 7 % CLASSES);
    for (int k = 0; k < PIXELS; k++) p[k] += k / 16 % 4 == label[i] ? 1.0f : 0.0f;
  }
  check(qe_tensor_from_data(QE_UINT8, 1, (int64_t[]){SAMPLES}, label, labels), "labels");
}

static uint64_t kill_after;

static qe_status_t on_step(void *arg, const qe_train_metrics_t *m, uint64_t total) {
  (void)arg;
  (void)total;
  if (m->step == kill_after) raise(SIGKILL);
  return QE_OK;
}

static void train(const qe_model_t *m, int qat, const char *checkpoint) {
  qe_tensor_t *x, *y;
  qe_train_input_t in = {"x", NULL};
  qe_train_data_t data = {1, &in, NULL};
  qe_dataset_t *images, *labels;
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *prepared = NULL;
  qe_trainer_t *t;
  qe_train_metrics_t r;
  qe_train_options_t o;
  samples(&x, &y);
  check(qe_dataset_from_tensor(x, NULL, &images), "images");
  check(qe_dataset_from_tensor(y, NULL, &labels), "labels");
  in.data = images;
  data.labels = labels;
  qe_train_options_default(&o);
  o.threads = 1;
  o.shards = 4;
  o.batch = 16;
  o.epochs = 3;
  o.lr = 0.05f;
  o.checkpoint = checkpoint;
  o.checkpoint_steps = 2;
  o.resume = 1;
  check(qe_qconfig_mapping_preset("default_qat", &mapping), "preset");
  if (qat) check(qe_prepare_qat(m, mapping, NULL, &prepared), "prepare");
  check(qat ? qe_trainer_create_qat(prepared, &o, &t) : qe_trainer_create(m, &o, &t), "trainer");
  const qe_train_callbacks_t callbacks = {.step = on_step};
  check(qe_trainer_fit(t, &data, &data, &callbacks), "fit");
  check(qe_trainer_evaluate(t, &data, &r), "evaluate");
  if (qe_process_rank() == 0) printf("loss %a, top-1 %a of %lld\n", r.loss, r.top1, (long long)r.count);
  qe_trainer_destroy(&t);
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&mapping);
  qe_dataset_destroy(&images);
  qe_dataset_destroy(&labels);
  qe_tensor_release(&x);
  qe_tensor_release(&y);
}

static void calibrate(const qe_model_t *m, const char *path, int64_t shard, int64_t shards) {
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *p;
  check(qe_qconfig_mapping_preset("default", &mapping), "preset");
  check(qe_prepare(m, mapping, NULL, &p), "prepare");
  for (int64_t b = shard; b < 7; b += shards) {
    qe_named_tensor_t in = {"x", numbers(4, (int64_t[]){3, 3, 8, 8}, 1.0f, 100 + (uint64_t)b)};
    check(qe_calibrate(p, 1, &in), "calibrate");
    qe_tensor_release(&in.tensor);
  }
  check(qe_prepared_share(p), "share");
  if (qe_process_rank() == 0) check(qe_prepared_save_stats(p, path, 1), "save");
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
}

static void merge(const char *path, int n, char **parts) {
  check(qe_stats_merge(parts[0], parts[1], path, 1), "merge");
  for (int i = 2; i < n; i++) check(qe_stats_merge(path, parts[i], path, 1), "merge");
}

int main(int argc, char **argv) {
  qe_model_t *m = network();
  if (argc >= 4 && strcmp(argv[1], "train") == 0) {
    if (argc == 6 && (uint32_t)atoi(argv[5]) == qe_process_rank()) kill_after = (uint64_t)atoi(argv[4]);
    train(m, strcmp(argv[2], "qat") == 0, argv[3]);
  } else if (argc >= 5 && strcmp(argv[1], "merge") == 0) {
    merge(argv[2], argc - 3, argv + 3);
  } else if (argc == 3 || argc == 5) {
    calibrate(m, argv[2], argc == 5 ? atoi(argv[3]) : (int64_t)qe_process_rank(), argc == 5 ? atoi(argv[4]) : (int64_t)qe_process_count());
  } else {
    return 2;
  }
  qe_model_destroy(&m);
  return 0;
}
