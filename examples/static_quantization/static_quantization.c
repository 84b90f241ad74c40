/*
 * torch's static quantization example, in C: set a qconfig, prepare, calibrate, convert. The model is built here; its
 * weights and the calibration data are made up.
 */
#include <qengine.h>

#include <stdio.h>
#include <stdlib.h>

static qe_tensor_t *tensor(uint32_t rank, const int64_t *dims, float scale) {
  qe_tensor_t *t = NULL;
  static uint32_t seed = 1;
  if (qe_tensor_create(QE_FLOAT32, rank, dims, &t) != QE_OK) exit(1);
  float *x = qe_tensor_data(t);
  for (int64_t i = 0; i < qe_tensor_count(t); i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = scale * ((float)(seed >> 8) / 8388608.0f - 1.0f);
  }
  return t;
}

static qe_model_t *build(void) {
  qe_model_t *m = NULL;
  if (qe_model_create("m", &m) != QE_OK) return NULL;
  qe_tensor_t *w = tensor(4, (int64_t[]){8, 3, 3, 3}, 0.4f), *fc = tensor(2, (int64_t[]){10, 8}, 0.5f);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 16, 16});
  x = qe_conv2d(m, "conv", x, w, NULL, &(qe_conv_options_t){.padding = {1, 1}});
  x = qe_relu(m, "relu", x);
  x = qe_global_avg_pool(m, "pool", x);
  x = qe_flatten(m, "flatten", x, 1);
  x = qe_linear(m, "fc", x, fc, NULL);
  qe_output(m, "y", x);
  qe_tensor_release(&w);
  qe_tensor_release(&fc);
  if (qe_model_finish(m) != QE_OK) qe_model_destroy(&m);
  return m;
}

int main(void) {
  qe_model_t *model_fp32 = build(), *model_int8 = NULL;
  qe_qconfig_mapping_t *qconfig = NULL;
  qe_prepared_t *prepared = NULL;
  if (!model_fp32) goto failed;

  /* the flow */
  if (qe_qconfig_mapping_preset("fbgemm", &qconfig) != QE_OK) goto failed;
  if (qe_fuse(model_fp32) != QE_OK) goto failed;
  if (qe_prepare(model_fp32, qconfig, NULL, &prepared) != QE_OK) goto failed;
  for (int batch = 0; batch < 8; batch++) {
    qe_named_tensor_t x = {"x", tensor(4, (int64_t[]){4, 3, 16, 16}, 1.0f)};
    if (qe_calibrate(prepared, 1, &x) != QE_OK) goto failed;
    qe_tensor_release(&x.tensor);
  }
  if (qe_convert(prepared, &model_int8, NULL) != QE_OK) goto failed;

  qe_session_t *session = NULL;
  qe_named_tensor_t x = {"x", tensor(4, (int64_t[]){1, 3, 16, 16}, 1.0f)}, y = {"y", NULL};
  if (qe_session_create(model_int8, NULL, &session) != QE_OK || qe_session_run(session, 1, &x, 1, &y) != QE_OK) goto failed;
  for (int i = 0; i < 10; i++) printf("%s%.3f", i ? " " : "int8 logits: ", (double)((const float *)qe_tensor_const_data(y.tensor))[i]);
  printf("\n");

  qe_session_destroy(&session);
  qe_tensor_release(&x.tensor);
  qe_tensor_release(&y.tensor);
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&qconfig);
  qe_model_destroy(&model_int8);
  qe_model_destroy(&model_fp32);
  return 0;
failed:
  fprintf(stderr, "%s\n", qe_last_error());
  return 1;
}
