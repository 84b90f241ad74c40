/* The data of `qengine train`: samples for the model's inputs, and labels. */
#include <stdlib.h>
#include <string.h>

#include "train.h"

static bool is_label(qe_dtype_t dtype, qe_loss_t loss) {
  if (loss == QE_LOSS_MSE) return dtype == QE_FLOAT32;
  switch (dtype) {
    case QE_UINT8: case QE_INT8: case QE_UINT16: case QE_INT16: case QE_INT32: case QE_UINT32: case QE_INT64: return true;
    default: return false;
  }
}

static int open_labels(const cli_train_args *a, const char *what, const cli_list *files, cli_train_set *set) {
  const qe_status_t status = qe_dataset_open((uint32_t)files->count, files->items, NULL, &set->labels);
  if (status != QE_OK) return cli_fail(status, "--%slabels %s", what, files->items[0]);
  if (!is_label(qe_dataset_dtype(set->labels), a->train.loss))
    return cli_error(CLI_FAILED, "--%slabels %s: labels are %s, but %s are wanted", what, files->items[0],
                     qe_dtype_name(qe_dataset_dtype(set->labels)),
                     a->train.loss == QE_LOSS_MSE ? "float32 numbers (--loss mse)" : "integers");
  const int64_t labels = qe_dataset_count(set->labels), samples = qe_dataset_count(set->feed.inputs[0].data);
  if (labels == samples) return CLI_OK;
  return cli_error(CLI_FAILED, "--%slabels %s: %lld labels for %lld samples", what, files->items[0], (long long)labels,
                   (long long)samples);
}

/* The first `count` samples as a dataset of their own. */
static qe_status_t cut_dataset(const qe_dataset_t *from, int64_t count, qe_dataset_t **out) {
  qe_tensor_t *t = NULL;
  qe_status_t status = qe_dataset_batch(from, 0, count, &t);
  if (status == QE_OK) status = qe_dataset_from_tensor(t, NULL, out);
  qe_tensor_release(&t);
  return status;
}

static int cut(cli_train_set *set) {
  const int64_t count = set->feed.samples;
  set->cut = cli_calloc(set->feed.n_inputs, sizeof(qe_dataset_t *));
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < set->feed.n_inputs && status == QE_OK; i++) {
    status = cut_dataset(set->feed.inputs[i].data, count, &set->cut[i]);
    set->inputs[i].data = set->cut[i];
  }
  qe_dataset_t *labels = NULL;
  if (status == QE_OK) status = cut_dataset(set->labels, count, &labels);
  if (status != QE_OK) return cli_fail(status, "--samples %lld", (long long)count);
  qe_dataset_destroy(&set->labels);
  set->labels = labels;
  return CLI_OK;
}

int cli_train_set_open(const cli_train_args *a, const qe_model_t *model, const char *what, const cli_list *data,
                       const cli_list *labels, cli_train_set *out) {
  memset(out, 0, sizeof *out);
  char *option = cli_format("--%sdata", what);
  cli_feed_options o = a->feed;
  o.option = option;
  o.any_integers = true;
  o.batch = a->given_batch ? a->train.batch : 0;
  if (what[0]) o.samples = 0;
  int code = cli_feed_open(model, a->model, data, &o, &out->feed);
  free(option);
  if (code) return code;
  if (out->feed.whole) code = cli_error(CLI_FAILED, "--%sdata: the inputs' data has different numbers of samples", what);
  if (!code) code = open_labels(a, what, labels, out);
  if (!code) {
    out->inputs = cli_calloc(out->feed.n_inputs, sizeof *out->inputs);
    for (uint32_t i = 0; i < out->feed.n_inputs; i++)
      out->inputs[i] = (qe_train_input_t){ out->feed.inputs[i].name, out->feed.inputs[i].data };
    if (out->feed.samples < qe_dataset_count(out->labels)) code = cut(out);
  }
  if (!code) out->data = (qe_train_data_t){ out->feed.n_inputs, out->inputs, out->labels };
  else cli_train_set_close(out);
  return code;
}

void cli_train_set_close(cli_train_set *set) {
  for (uint32_t i = 0; set->cut && i < set->feed.n_inputs; i++) qe_dataset_destroy(&set->cut[i]);
  free(set->cut);
  free(set->inputs);
  qe_dataset_destroy(&set->labels);
  cli_feed_close(&set->feed);
  memset(set, 0, sizeof *set);
}
