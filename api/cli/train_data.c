/* The data of `qengine train`: samples for the model's inputs, and labels. */
#include <stdlib.h>
#include <string.h>

#include "train.h"

static int open_labels(const cli_train_args *a, const char *what, const cli_list *files, cli_train_set *set) {
  const bool numbers = a->train.loss == QE_LOSS_MSE;
  const qe_status_t status = qe_dataset_open((uint32_t)files->count, files->items, NULL, &set->labels);
  if (status != QE_OK) return cli_fail(status, "--%slabels %s", what, files->items[0]);
  const qe_dtype_t dtype = qe_dataset_dtype(set->labels);
  if (numbers ? dtype != QE_FLOAT32 : !cli_is_integer(dtype))
    return cli_error(CLI_FAILED, "--%slabels %s: labels are %s, but %s are wanted", what, files->items[0], qe_dtype_name(dtype),
                     numbers ? "float32 numbers (--loss mse)" : "integers");
  if (set->n_inputs == 0) return CLI_OK;
  const int64_t labels = qe_dataset_count(set->labels), samples = qe_dataset_count(set->data[0]);
  if (labels == samples) return CLI_OK;
  return cli_error(CLI_FAILED, "--%slabels %s: %lld labels for %lld samples", what, files->items[0], (long long)labels,
                   (long long)samples);
}

static int open_input(const cli_train_args *a, const qe_model_t *model, const char *what, uint32_t index, const cli_list *paths,
                      cli_train_set *set) {
  qe_value_info_t info;
  qe_status_t status = qe_model_input(model, index, &info);
  if (status != QE_OK) return cli_fail(status, "%s", a->model);
  const qe_dataset_options_t o = { .struct_size = sizeof o, .normalize = a->normalize && info.dtype == QE_FLOAT32,
                                   .mean = a->mean, .std = a->std };
  qe_dataset_t **data = &set->data[set->n_inputs];
  status = qe_dataset_open((uint32_t)paths->count, paths->items, &o, data);
  if (status != QE_OK) return cli_fail(status, "--%sdata %s", what, paths->items[0]);
  set->inputs[set->n_inputs++] = (qe_train_input_t){ info.name, *data };
  if (info.dtype != QE_FLOAT32 || !cli_is_integer(qe_dataset_dtype(*data))) return CLI_OK;
  return cli_error(CLI_FAILED, "--%sdata %s: samples are %s, but the input '%s' of %s is float32; --normalize MEAN,STD turns integer images into float32",
                   what, paths->items[0], qe_dtype_name(qe_dataset_dtype(*data)), info.name, a->model);
}

/* The first `count` samples instead of all. */
static int cut_dataset(int64_t count, qe_dataset_t **data) {
  qe_tensor_t *t = NULL;
  qe_dataset_t *part = NULL;
  if (count > qe_dataset_count(*data))
    return cli_error(CLI_FAILED, "--samples %lld: there are only %lld samples", (long long)count, (long long)qe_dataset_count(*data));
  qe_status_t status = qe_dataset_batch(*data, 0, count, &t);
  if (status == QE_OK) status = qe_dataset_from_tensor(t, NULL, &part);
  qe_tensor_release(&t);
  if (status != QE_OK) return cli_fail(status, "--samples %lld", (long long)count);
  qe_dataset_destroy(data);
  *data = part;
  return CLI_OK;
}

static int cut(int64_t count, cli_train_set *set) {
  int code = cut_dataset(count, &set->labels);
  for (uint32_t i = 0; i < set->n_inputs && !code; i++) {
    code = cut_dataset(count, &set->data[i]);
    set->inputs[i].data = set->data[i];
  }
  return code;
}

int cli_train_set_open(const cli_train_args *a, const qe_model_t *model, const char *what, const cli_list *data,
                       const cli_list *labels, cli_train_set *out) {
  memset(out, 0, sizeof *out);
  const uint32_t n = qe_model_input_count(model);
  char *option = cli_format("--%sdata", what);
  cli_list *paths = cli_calloc((size_t)n + 1, sizeof *paths);
  out->inputs = cli_calloc((size_t)n + 1, sizeof *out->inputs);
  out->data = cli_calloc((size_t)n + 1, sizeof(qe_dataset_t *));
  int code = cli_feed_bind(model, a->model, option, data, paths);
  for (uint32_t i = 0; i < n && !code; i++)
    if (paths[i].count) code = open_input(a, model, what, i, &paths[i], out);
  if (!code) code = open_labels(a, what, labels, out);
  if (!code && a->samples && !what[0]) code = cut(a->samples, out);
  for (uint32_t i = 0; i < n; i++) free(paths[i].items);
  free(paths);
  free(option);
  if (code) cli_train_set_close(out);
  else out->view = (qe_train_data_t){ out->n_inputs, out->inputs, out->labels };
  return code;
}

void cli_train_set_close(cli_train_set *set) {
  for (uint32_t i = 0; i < set->n_inputs; i++) qe_dataset_destroy(&set->data[i]);
  free(set->data);
  free(set->inputs);
  qe_dataset_destroy(&set->labels);
  memset(set, 0, sizeof *set);
}
