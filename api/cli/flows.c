/* See flows.h. */
#include "flows.h"

#include <stdlib.h>
#include <string.h>

#include "arch.h"
#include "feed.h"

/* Rows of the constant table that a node looks up with this value as its index; 0: it does not. */
static int64_t table_rows(const qe_model_t *model, uint32_t node, int32_t value) {
  qe_node_info_t info;
  qe_value_info_t table;
  if (qe_model_node(model, node, &info) != QE_OK) return 0;
  if (strcmp(info.op, "Gather") != 0 && strcmp(info.op, "Embedding") != 0) return 0;
  const int32_t data = qe_model_node_input(model, node, 0);
  if (qe_model_node_input(model, node, 1) != value || data < 0) return 0;
  if (qe_model_value(model, (uint32_t)data, &table) != QE_OK) return 0;
  return table.constant && table.rank >= 2 ? table.dims[0] : 0;
}

int64_t cli_input_ids(const qe_model_t *model, const char *input, int64_t ids) {
  for (uint32_t v = 0; !ids && v < qe_model_value_count(model); v++) {
    qe_value_info_t info;
    if (qe_model_value(model, v, &info) != QE_OK || !info.name || strcmp(info.name, input) != 0) continue;
    for (uint32_t n = 0; !ids && n < qe_model_node_count(model); n++) ids = table_rows(model, n, (int32_t)v);
  }
  return ids;
}

int cli_random_inputs(const qe_model_t *model, int64_t batch, const cli_list *shapes, int64_t ids, uint64_t seed,
                      qe_named_tensor_t **out) {
  uint64_t state = seed;
  const int code = cli_zero_inputs(model, batch, shapes, out);
  for (uint32_t i = 0; !code && i < qe_model_input_count(model); i++)
    arch_fill_input(&state, (*out)[i].tensor, cli_input_ids(model, (*out)[i].name, ids));
  return code;
}

int cli_random_batches(const qe_model_t *model, int64_t batch, const cli_list *shapes, int64_t ids, uint64_t seed,
                       size_t count, cli_batches *out) {
  int code = CLI_OK;
  out->items = cli_calloc(count, sizeof *out->items);
  for (; out->count < count && !code; out->count += !code)
    code = cli_random_inputs(model, batch, shapes, ids, seed + out->count, &out->items[out->count]);
  return code;
}

void cli_batches_free(const qe_model_t *model, cli_batches *batches) {
  for (size_t i = 0; i < batches->count; i++) cli_zero_release(model, &batches->items[i]);
  free(batches->items);
  *batches = (cli_batches){ 0 };
}

int cli_static_flow(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const cli_batches *data,
                    size_t count, bool silent, const char *what, qe_model_t **out) {
  qe_prepared_t *prepared = NULL;
  qe_session_options_t o = cli_session_options();
  o.strict = 0; /* calibration itself is float */
  qe_status_t status = qe_prepare(model, mapping, &o, &prepared);
  cli_progress progress;
  cli_progress_start(&progress, "calibrating", "batches", (int64_t)count);
  progress.silent = progress.silent || silent;
  for (size_t i = 0; status == QE_OK && i < count && !cli_interrupted(); i++) {
    status = qe_calibrate(prepared, qe_model_input_count(model), data->items[i]);
    cli_progress_update(&progress, (int64_t)i + 1);
  }
  cli_progress_finish(&progress);
  if (status == QE_OK && !cli_interrupted()) status = qe_convert(prepared, out, NULL);
  qe_prepared_destroy(&prepared);
  if (status != QE_OK) return cli_fail(status, "%s", what);
  return cli_interrupted() ? cli_stop_interrupted() : CLI_OK;
}
