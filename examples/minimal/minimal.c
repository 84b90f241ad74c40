/*
 * The smallest program: runs a quantized model once and prints the class of every sample. Built statically with one engine
 * and nothing else (presets minimal and arm64-minimal; docs/guide.md, "Small builds") it needs the C library alone. A
 * device without files has the model as an array and calls qe_model_load_buffer.
 *
 * usage: minimal MODEL.onnx INPUT.npy
 */
#include <qengine.h>

#include <stdio.h>

/* Index of the largest of n scores. */
static int64_t best_of(const float *scores, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++) {
    if (scores[i] > scores[best]) best = i;
  }
  return best;
}

static qe_status_t run(const char *model_path, const char *input_path) {
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  qe_named_tensor_t input = {NULL, NULL}, output = {NULL, NULL};
  qe_status_t status = qe_model_load(model_path, &model);
  if (status == QE_OK) status = qe_tensor_load(input_path, NULL, &input.tensor);
  if (status == QE_OK) status = qe_session_create(model, NULL, &session);
  if (status == QE_OK) status = qe_session_run(session, 1, &input, 1, &output);
  if (status == QE_OK && qe_tensor_dtype(output.tensor) == QE_FLOAT32 && qe_tensor_rank(output.tensor) == 2) {
    const int64_t samples = qe_tensor_dims(output.tensor)[0], classes = qe_tensor_dims(output.tensor)[1];
    const float *scores = qe_tensor_const_data(output.tensor);
    for (int64_t i = 0; i < samples && classes > 0; i++, scores += classes) {
      const int64_t best = best_of(scores, classes);
      printf("sample %lld: class %lld, score %.9g\n", (long long)i, (long long)best, (double)scores[best]);
    }
  }
  if (status != QE_OK) fprintf(stderr, "%s\n", qe_last_error());
  qe_tensor_release(&output.tensor);
  qe_tensor_release(&input.tensor);
  qe_session_destroy(&session);
  qe_model_destroy(&model);
  return status;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: minimal MODEL.onnx INPUT.npy\n");
    return 2;
  }
  return run(argv[1], argv[2]) == QE_OK ? 0 : 1;
}
