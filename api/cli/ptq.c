/* See ptq.h. */
#include "ptq.h"

#include <string.h>
#include <sys/stat.h>

int cli_load_model(const char *path, qe_model_t **out) {
  const qe_status_t status = qe_model_load(path, out);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", path);
}

static const char *preset_name(const void *arg, size_t index) {
  return ((const char *const *)arg)[index];
}

int cli_load_mapping(const char *qconfig, qe_qconfig_mapping_t **out) {
  *out = NULL;
  const char *name = qconfig ? qconfig : "default";
  const char *const *presets = qe_qconfig_preset_names();
  size_t n = 0;
  bool is_preset = false;
  for (; presets[n]; n++) is_preset = is_preset || strcmp(presets[n], name) == 0;
  const size_t length = strlen(name);
  struct stat info; /* a folder is no qconfig, but may have its engine's name */
  const bool is_file = strchr(name, '/') || (length > 5 && strcmp(name + length - 5, ".json") == 0) ||
                       (stat(name, &info) == 0 && !S_ISDIR(info.st_mode));
  if (!is_preset && is_file) {
    const qe_status_t status = qe_qconfig_mapping_load(name, out);
    return status == QE_OK ? CLI_OK : cli_fail(status, "--qconfig %s", name);
  }
  const qe_status_t status =
      qe_qconfig_mapping_preset(name, out); /* engines bring presets that the list may not name */
  if (status == QE_OK) return CLI_OK;
  if (status != QE_ERROR_NOT_FOUND) return cli_fail(status, "--qconfig %s", name);
  const char *near = cli_nearest(name, n, preset_name, presets);
  if (near) return cli_usage("--qconfig: '%s' is neither a preset nor a file; did you mean '%s'?", name, near);
  return cli_usage("--qconfig: '%s' is neither a preset nor a file (%s)", name, qe_last_error());
}

int cli_ptq_open(const char *model_path, const char *qconfig, bool no_equalization, cli_ptq *out) {
  memset(out, 0, sizeof *out);
  int code = cli_load_mapping(qconfig, &out->mapping);
  if (!code && no_equalization) qe_qconfig_mapping_set_equalize(out->mapping, 0);
  if (!code) code = cli_load_model(model_path, &out->model);
  if (!code) {
    qe_session_options_t options = cli_session_options();
    options.strict = 0; /* placement is judged on the quantized model; calibration itself is float */
    qe_status_t status = qe_fuse(out->model);
    if (status == QE_OK) status = qe_prepare(out->model, out->mapping, &options, &out->prepared);
    if (status != QE_OK) code = cli_fail(status, "%s", model_path);
  }
  if (code) cli_ptq_close(out);
  return code;
}

/* The observers of all processes, in each. */
static int share(cli_ptq *ptq, const cli_feed *feed) {
  const qe_status_t status = qe_prepared_share(ptq->prepared);
  if (status != QE_OK) return cli_fail(status, "statistics of %u processes", qe_process_count());
  ptq->samples = feed->samples;
  ptq->batches = feed->batches;
  return CLI_OK;
}

int cli_ptq_calibrate(cli_ptq *ptq, const cli_feed *feed, int64_t shard, int64_t shards) {
  cli_progress progress;
  const bool together = qe_process_count() > 1;
  if (together) {
    shard = qe_process_rank();
    shards = qe_process_count();
  }
  cli_progress_start(&progress, "calibrating", "samples", feed->samples / shards);
  int code = CLI_OK;
  for (int64_t i = shard; i < feed->batches && !code; i += shards) {
    if (cli_interrupted()) {
      cli_progress_finish(&progress);
      return cli_stop_interrupted();
    }
    qe_named_tensor_t *tensors = NULL;
    code = cli_feed_batch(feed, i, &tensors);
    if (code) break;
    const qe_status_t status = qe_calibrate(ptq->prepared, feed->n_inputs, tensors);
    if (status != QE_OK) code = cli_fail(status, "calibration, batch %lld", (long long)i);
    cli_feed_release(feed, &tensors);
    ptq->samples += cli_feed_batch_samples(feed, i);
    ptq->batches++;
    cli_progress_update(&progress, ptq->samples);
  }
  cli_progress_finish(&progress);
  if (!code && cli_interrupted()) code = cli_stop_interrupted();
  return code || !together ? code : share(ptq, feed);
}

void cli_ptq_close(cli_ptq *ptq) {
  qe_prepared_destroy(&ptq->prepared);
  qe_qconfig_mapping_destroy(&ptq->mapping);
  qe_model_destroy(&ptq->model);
}
