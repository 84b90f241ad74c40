/* See feed.h. */
#include "feed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_BATCH = 32 };

const char *cli_model_input_name(const void *model, size_t index) {
  qe_value_info_t info;
  return qe_model_input(model, (uint32_t)index, &info) == QE_OK ? info.name : NULL;
}

int32_t cli_model_find_input(const qe_model_t *model, const char *name, size_t length) {
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    const char *candidate = cli_model_input_name(model, i);
    if (candidate && strlen(candidate) == length && strncmp(candidate, name, length) == 0) return (int32_t)i;
  }
  return -1;
}

/* ---- which file feeds which input ---- */

/* Splits "NAME=FILE"; *input is -1 and *path the whole text when there is no name. */
static int split(const qe_model_t *model, const char *model_path, const char *option, const char *text, int32_t *input,
                 const char **path) {
  *input = -1;
  *path = text;
  const char *equals = strchr(text, '=');
  if (!equals || access(text, F_OK) == 0) return CLI_OK;
  *input = cli_model_find_input(model, text, (size_t)(equals - text));
  *path = equals + 1;
  if (*input >= 0) return CLI_OK;
  char *name = cli_format("%.*s", (int)(equals - text), text);
  const char *near = cli_nearest(name, qe_model_input_count(model), cli_model_input_name, model);
  if (!near) near = cli_model_input_name(model, 0);
  const int code = cli_error(CLI_FAILED, "%s: %s has no input named '%s'%s%s%s", option, model_path, name,
                             near ? "; there is '" : "", near ? near : "", near ? "'" : "");
  free(name);
  return code;
}

int cli_feed_bind(const qe_model_t *model, const char *model_path, const char *option, const cli_list *files, cli_list *paths) {
  const uint32_t n = qe_model_input_count(model);
  uint32_t unnamed = 0;
  for (size_t i = 0; i < files->count; i++) {
    int32_t input;
    const char *path;
    const int code = split(model, model_path, option, files->items[i], &input, &path);
    if (code) return code;
    if (input < 0) input = n == 1 ? 0 : (int32_t)unnamed++;
    if ((uint32_t)input >= n)
      return cli_error(CLI_FAILED, "%s: %s has %u inputs, but more files without a name were given; say NAME=FILE",
                       option, model_path, n);
    cli_list *list = &paths[input];
    list->items = cli_realloc(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = path;
  }
  return CLI_OK;
}

static int check_bound(const qe_model_t *model, const char *model_path, const char *option, const cli_list *paths) {
  for (uint32_t i = 0; i < qe_model_input_count(model); i++)
    if (paths[i].count == 0)
      return cli_error(CLI_FAILED, "%s: no data for the input '%s' of %s; add %s %s=FILE", option,
                       cli_model_input_name(model, i), model_path, option, cli_model_input_name(model, i));
  return CLI_OK;
}

/* ---- does the data fit ---- */

bool cli_is_integer(qe_dtype_t dtype) {
  return dtype == QE_UINT8 || dtype == QE_INT8 || dtype == QE_UINT16 || dtype == QE_INT16 || dtype == QE_INT32 ||
         dtype == QE_INT64 || dtype == QE_UINT32 || dtype == QE_UINT64;
}

static int misfit(const char *model_path, const qe_value_info_t *info, const char *file, const qe_dataset_t *data,
                  const char *hint) {
  char *wanted = cli_type_text(info->dtype, info->rank, info->dims, info->symbols);
  char *found =
      cli_type_text(qe_dataset_dtype(data), (int32_t)qe_dataset_sample_rank(data), qe_dataset_sample_dims(data), NULL);
  const int code = cli_error(CLI_FAILED, "%s: samples are %s, but the input '%s' of %s is %s%s", file, found,
                             info->name, model_path, wanted, hint);
  free(wanted);
  free(found);
  return code;
}

static int check_fit(const char *model_path, const qe_value_info_t *info, const char *file, qe_dataset_t *data) {
  if (info->rank > 0) {
    const qe_status_t status = qe_dataset_fit(data, (uint32_t)info->rank - 1, info->dims + 1);
    if (status == QE_ERROR_SHAPE)
      return misfit(model_path, info, file, data, " (its first dimension counts the samples)");
    if (status != QE_OK) return cli_fail(status, "%s for the input '%s' of %s", file, info->name, model_path);
  }
  if (info->dtype != QE_DTYPE_NONE && qe_dataset_dtype(data) != info->dtype) {
    const bool image = info->dtype == QE_FLOAT32 && cli_is_integer(qe_dataset_dtype(data));
    return misfit(model_path, info, file, data,
                  image ? "; --normalize MEAN,STD turns integer images into float32" : "");
  }
  return CLI_OK;
}

static int open_input(const qe_model_t *model, const char *model_path, const cli_feed_options *options, uint32_t index,
                      const cli_list *paths, cli_feed_input *out) {
  qe_value_info_t info;
  qe_status_t status = qe_model_input(model, index, &info);
  if (status != QE_OK) return cli_fail(status, "%s", model_path);
  out->name = cli_format("%s", info.name);
  qe_dataset_options_t o = { 0 };
  o.struct_size = sizeof o;
  o.normalize = options->normalize && info.dtype == QE_FLOAT32;
  o.mean = options->mean;
  o.std = options->std;
  status = qe_dataset_open((uint32_t)paths->count, paths->items, &o, &out->data);
  if (status != QE_OK) return cli_fail(status, "%s %s", options->option, paths->items[0]);
  return check_fit(model_path, &info, paths->items[0], out->data);
}

/* ---- how it is cut ---- */

/* The batch that the model's inputs insist on; 0: any. */
static int64_t fixed_batch(const qe_model_t *model) {
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    qe_value_info_t info;
    if (qe_model_input(model, i, &info) == QE_OK && info.rank > 0 && info.dims[0] > 0) return info.dims[0];
  }
  return 0;
}

int cli_check_batch(const qe_model_t *model, const char *model_path, int64_t batch, int64_t *fixed) {
  *fixed = fixed_batch(model);
  if (!*fixed || !batch || batch == *fixed) return CLI_OK;
  return cli_error(CLI_FAILED, "--batch %lld: the inputs of %s have a fixed batch of %lld", (long long)batch,
                   model_path, (long long)*fixed);
}

static int choose_batches(const qe_model_t *model, const char *model_path, const cli_feed_options *options,
                          cli_feed *feed) {
  feed->samples = qe_dataset_count(feed->inputs[0].data);
  for (uint32_t i = 1; i < feed->n_inputs; i++)
    feed->whole = feed->whole || qe_dataset_count(feed->inputs[i].data) != feed->samples;
  if (feed->whole) {
    if (options->samples || options->batch)
      return cli_error(CLI_FAILED,
                       "%s: the first dimensions of the inputs of %s differ, so the data is one whole; leave --batch "
                       "and --samples out",
                       options->option, model_path);
    feed->batch = feed->samples;
    feed->batches = 1;
    return CLI_OK;
  }
  if (options->samples > feed->samples)
    return cli_error(CLI_FAILED, "--samples %lld: there are only %lld samples", (long long)options->samples,
                     (long long)feed->samples);
  if (options->samples) feed->samples = options->samples;
  int64_t fixed;
  const int code = cli_check_batch(model, model_path, options->batch, &fixed);
  if (code) return code;
  feed->batch = fixed ? fixed : options->batch ? options->batch : DEFAULT_BATCH;
  if (!options->samples && options->few) {
    const int64_t enough = fixed ? (options->few + fixed - 1) / fixed * fixed : options->few;
    if (enough < feed->samples) feed->samples = enough;
  }
  if (fixed && feed->samples % fixed != 0)
    return cli_error(CLI_FAILED,
                     "%s: %lld samples are not a multiple of %lld, the fixed batch of %s; use --samples %lld",
                     options->option, (long long)feed->samples, (long long)fixed, model_path,
                     (long long)(feed->samples / fixed * fixed));
  if (feed->samples > 0 && feed->batch > feed->samples) feed->batch = feed->samples;
  feed->batches = (feed->samples + feed->batch - 1) / feed->batch;
  return CLI_OK;
}

int cli_feed_open(const qe_model_t *model, const char *model_path, const cli_list *files,
                  const cli_feed_options *options, cli_feed *out) {
  memset(out, 0, sizeof *out);
  const uint32_t n = qe_model_input_count(model);
  if (n == 0) return cli_error(CLI_FAILED, "%s has no inputs to feed", model_path);
  cli_list *paths = cli_calloc(n, sizeof *paths);
  out->inputs = cli_calloc(n, sizeof *out->inputs);
  out->n_inputs = n;
  int code = cli_feed_bind(model, model_path, options->option, files, paths);
  if (!code) code = check_bound(model, model_path, options->option, paths);
  for (uint32_t i = 0; i < n && !code; i++)
    code = open_input(model, model_path, options, i, &paths[i], &out->inputs[i]);
  if (!code) code = choose_batches(model, model_path, options, out);
  if (!code && out->samples == 0) code = cli_error(CLI_FAILED, "%s: the data has no samples", options->option);
  for (uint32_t i = 0; i < n; i++) free(paths[i].items);
  free(paths);
  if (code) cli_feed_close(out);
  return code;
}

int64_t cli_feed_batch_samples(const cli_feed *feed, int64_t index) {
  const int64_t left = feed->samples - index * feed->batch;
  return left < feed->batch ? left : feed->batch;
}

int cli_feed_batch(const cli_feed *feed, int64_t index, qe_named_tensor_t **out) {
  qe_named_tensor_t *tensors = cli_calloc(feed->n_inputs, sizeof *tensors);
  *out = NULL;
  for (uint32_t i = 0; i < feed->n_inputs; i++) {
    const cli_feed_input *input = &feed->inputs[i];
    const int64_t count = feed->whole ? qe_dataset_count(input->data) : cli_feed_batch_samples(feed, index);
    tensors[i].name = input->name;
    const qe_status_t status = qe_dataset_batch(input->data, index * feed->batch, count, &tensors[i].tensor);
    if (status != QE_OK) {
      cli_feed_release(feed, &tensors);
      return cli_fail(status, "data of the input '%s'", input->name);
    }
  }
  *out = tensors;
  return CLI_OK;
}

void cli_feed_release(const cli_feed *feed, qe_named_tensor_t **tensors) {
  if (!*tensors) return;
  for (uint32_t i = 0; i < feed->n_inputs; i++) qe_tensor_release(&(*tensors)[i].tensor);
  free(*tensors);
  *tensors = NULL;
}

void cli_feed_close(cli_feed *feed) {
  for (uint32_t i = 0; i < feed->n_inputs; i++) {
    free(feed->inputs[i].name);
    qe_dataset_destroy(&feed->inputs[i].data);
  }
  free(feed->inputs);
  memset(feed, 0, sizeof *feed);
}
