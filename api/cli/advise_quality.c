/* What quantizing costs: the outputs' signal to noise, all layers quantized and each alone. See advise.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"

static const char *const presets[ADVISE_FLOWS] = { NULL, "default", "dynamic" };

int advise_make(const advice *a, const qe_qconfig_mapping_t *mapping, bool by_dynamic_flow, size_t batches,
                qe_model_t **out) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  *out = NULL;
  if (!by_dynamic_flow) return cli_static_flow(model, mapping, &a->data, batches, true, a->path, out);
  const qe_status_t status = qe_quantize_dynamic(model, mapping, out, NULL);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->path);
}

/* ---- outputs ---- */

enum { MOST_OUTPUTS = 16 };

static qe_status_t run_model(qe_session_t *session, uint32_t n_in, const qe_named_tensor_t *in, uint32_t n_out,
                             qe_named_tensor_t *out) {
  memset(out, 0, n_out * sizeof *out);
  return qe_session_run(session, n_in, in, n_out, out);
}

static void compare(cli_difference *d, qe_tensor_t *x, qe_tensor_t *y) {
  qe_tensor_t *f = NULL, *q = NULL;
  if (cli_as_float(x, &f) == QE_OK && cli_as_float(y, &q) == QE_OK && qe_tensor_count(f) == qe_tensor_count(q))
    cli_difference_add(d, qe_tensor_count(f), qe_tensor_const_data(f), qe_tensor_const_data(q));
  qe_tensor_release(&f);
  qe_tensor_release(&q);
}

/* The worst of the outputs; those that are no floats do not count. */
static double worst(const cli_difference *d, uint32_t n) {
  double least = CLI_SQNR_MOST;
  for (uint32_t i = 0; i < n; i++) {
    if (!d[i].count && !d[i].invalid) continue;
    const double sqnr = cli_difference_sqnr(&d[i]);
    if (!(sqnr >= least)) least = sqnr;
  }
  return least;
}

int advise_sqnr(const advice *a, const qe_model_t *model, size_t batches, double *sqnr) {
  const qe_model_t *float_model = a->flows[ADVISE_FLOAT].model;
  const uint32_t n_in = qe_model_input_count(model), outputs = qe_model_output_count(model);
  const uint32_t n_out = outputs < MOST_OUTPUTS ? outputs : MOST_OUTPUTS;
  cli_difference d[MOST_OUTPUTS] = { { 0 } };
  qe_session_t *x = a->cases[ADVISE_FLOAT].session, *y = NULL;
  qe_session_options_t o = cli_session_options();
  o.strict = 0;
  qe_status_t status = qe_session_create(model, &o, &y);
  if (n_in != qe_model_input_count(float_model) || outputs != qe_model_output_count(float_model))
    status = QE_ERROR_INTERNAL;
  for (size_t b = 0; status == QE_OK && b < batches && !cli_interrupted(); b++) {
    qe_named_tensor_t f[MOST_OUTPUTS], q[MOST_OUTPUTS];
    status = run_model(x, n_in, a->data.items[b], n_out, f);
    if (status != QE_OK) break;
    status = run_model(y, n_in, a->data.items[b], n_out, q);
    for (uint32_t i = 0; i < n_out; i++) {
      if (status == QE_OK) compare(&d[i], f[i].tensor, q[i].tensor);
      if (status == QE_OK) qe_tensor_release(&q[i].tensor);
      qe_tensor_release(&f[i].tensor);
    }
  }
  qe_session_destroy(&y);
  *sqnr = worst(d, n_out);
  if (status != QE_OK) return cli_fail(status, "%s", a->path);
  return cli_interrupted() ? cli_stop_interrupted() : CLI_OK;
}

/* ---- layers alone ---- */

static int measure_alone(const advice *a, advise_layer *l, int flow) {
  qe_qconfig_t q;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_model_t *model = NULL;
  memset(&q, 0, sizeof q);
  q.struct_size = sizeof q;
  qe_status_t status = qe_default_qconfig(presets[flow], &q);
  if (status == QE_OK) status = qe_qconfig_mapping_create(NULL, &mapping);
  if (status == QE_OK) status = qe_qconfig_mapping_set_name(mapping, l->node, &q);
  int code = status == QE_OK ? CLI_OK : cli_fail(status, "%s: layer %s", a->path, l->node);
  if (!code) code = advise_make(a, mapping, flow == ADVISE_DYNAMIC, 1, &model);
  if (!code) code = advise_sqnr(a, model, 1, &l->sqnr[flow]);
  qe_model_destroy(&model);
  qe_qconfig_mapping_destroy(&mapping);
  return code;
}

static bool is_covered(const advise_layer *l) {
  return l->covered[ADVISE_STATIC] || l->covered[ADVISE_DYNAMIC];
}

/* Multiply-adds first, then the order that they run in: the same layers whatever the times. */
static int by_work(const void *x, const void *y) {
  const advise_layer *a = *(advise_layer *const *)x, *b = *(advise_layer *const *)y;
  if (a->macs != b->macs) return (a->macs < b->macs) - (a->macs > b->macs);
  return (a->index > b->index) - (a->index < b->index);
}

static int measure_layers(advice *a) {
  advise_layer **order = cli_calloc(a->n_layers, sizeof *order);
  size_t n = 0;
  int code = CLI_OK;
  for (size_t i = 0; i < a->n_layers; i++)
    if (is_covered(&a->layers[i])) order[n++] = &a->layers[i];
  if (n) qsort(order, n, sizeof *order, by_work);
  if (n > (size_t)a->most_layers) n = (size_t)a->most_layers;
  cli_progress progress;
  cli_progress_start(&progress, "each layer alone", "layers", (int64_t)n);
  for (size_t i = 0; i < n && !code; i++) {
    for (int flow = ADVISE_STATIC; flow < ADVISE_FLOWS && !code; flow++)
      if (order[i]->covered[flow]) code = measure_alone(a, order[i], flow);
    cli_progress_update(&progress, (int64_t)i + 1);
  }
  cli_progress_finish(&progress);
  a->n_sensitivity = n;
  free(order);
  return code;
}

int advise_measure_quality(advice *a) {
  int code = CLI_OK;
  a->flows[ADVISE_FLOAT].sqnr = CLI_SQNR_MOST;
  cli_messages_hold(true); /* placement was told of when the flows were timed */
  for (int flow = ADVISE_STATIC; flow < ADVISE_FLOWS && !code; flow++)
    code = advise_sqnr(a, a->flows[flow].model, a->data.count, &a->flows[flow].sqnr);
  if (!code) code = measure_layers(a);
  cli_messages_hold(false);
  return code;
}
