/* What `qengine advise` prints. See advise.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"
#include "json.h"
#include "table.h"

static const char *const bounds[] = { "compute", "weights", "activations" };
static const char *const flow_names[ADVISE_FLOWS] = { "float", "static", "dynamic" };

static const char *bound_of(const advise_layer *l) {
  return bounds[l->bound];
}

/* ---- text ---- */

static void cell_db(cli_table *t, double db) {
  if (isnan(db))
    cli_table_cell(t, "-");
  else if (db >= CLI_SQNR_MOST)
    cli_table_cell(t, "exact");
  else
    cli_table_cell(t, "%.1f", db);
}

static void cell_ms(cli_table *t, const advise_layer *l, int flow) {
  if (l->covered[flow] || flow == ADVISE_FLOAT)
    cli_table_cell(t, "%.4f", l->ms[flow]);
  else
    cli_table_cell(t, "-");
}

/* Layers that no flow quantizes and that take little are added up. */
static bool is_shown(const advise_layer *l) {
  return cli.verbose > 0 || l->covered[ADVISE_STATIC] || l->covered[ADVISE_DYNAMIC] || l->share >= 0.05;
}

static void print_layers(const advice *a) {
  cli_table *t = cli_table_new(
      "layer|op|>share %|>MAC/byte|bound by|>float ms|>static ms|>dynamic ms|>static dB|>dynamic dB|choice");
  double rest_share = 0.0;
  size_t rest = 0;
  for (size_t i = 0; i < a->n_layers; i++) {
    const advise_layer *l = &a->layers[i];
    if (!is_shown(l)) {
      rest_share += l->share;
      rest++;
      continue;
    }
    cli_table_cell(t, "%s", l->node);
    cli_table_cell(t, "%s", l->op);
    cli_table_cell(t, "%.1f", 100.0 * l->share);
    if (l->macs)
      cli_table_cell(t, "%.2f", l->intensity);
    else
      cli_table_cell(t, "-");
    cli_table_cell(t, "%s", bound_of(l));
    for (int f = 0; f < ADVISE_FLOWS; f++) cell_ms(t, l, f);
    for (int f = ADVISE_STATIC; f < ADVISE_FLOWS; f++) cell_db(t, l->sqnr[f]);
    cli_table_cell(t, "%s%s", flow_names[l->choice], l->sensitive ? ", sensitive" : "");
  }
  cli_table_print(t);
  cli_table_free(t);
  if (rest) printf("(%zu others, %.1f %% of the float time, stay float; -v shows them)\n", rest, 100.0 * rest_share);
}

static void print_flows(const advice *a) {
  cli_table *t = cli_table_new("flow|>ms|>speed|>covers %|>outputs dB|>weights");
  for (int f = 0; f < ADVISE_FLOWS; f++) {
    char bytes[32];
    cli_table_cell(t, "%s", flow_names[f]);
    cli_table_cell(t, "%.3f", a->flows[f].ms);
    cli_table_cell(t, "%.2fx", a->flows[f].gain);
    cli_table_cell(t, "%.1f", 100.0 * a->flows[f].coverage);
    cell_db(t, a->flows[f].sqnr);
    cli_table_cell(t, "%s", cli_bytes_text((uint64_t)qe_model_parameter_bytes(a->flows[f].model), bytes));
  }
  putchar('\n');
  cli_table_print(t);
  cli_table_free(t);
}

static void print_text(const advice *a) {
  print_layers(a);
  print_flows(a);
  printf("\ndata:       ");
  if (a->calib.count)
    printf("%lld samples in %zu batches\n", (long long)a->samples, a->data.count);
  else
    puts("seeded random numbers; ranges and dB are not those of your data, give --calib");
  printf("timed:      batch %lld, engine %s, %u threads\n", (long long)a->batch,
         a->cases[ADVISE_STATIC].stats.engine ? a->cases[ADVISE_STATIC].stats.engine : "none",
         a->cases[ADVISE_STATIC].stats.threads);
  printf("advice:     %s\n", advise_verdict_name(a->verdict));
  for (size_t i = 0; i < a->n_reasons; i++) printf("            - %s\n", a->reasons[i]);
  if (a->write) {
    printf("written:    ");
    cli_put_clean(stdout, a->write);
    putchar('\n');
  }
  if (a->verdict == ADVISE_STAY_FLOAT || a->verdict == ADVISE_TRAIN) return;
  printf("next:       qengine quantize ");
  cli_put_clean(stdout, a->path);
  printf(" -o int8.onnx --flow %s%s --qconfig ", a->by_dynamic_flow ? "dynamic" : "static",
         a->by_dynamic_flow ? "" : " --calib DATA");
  cli_put_clean(stdout, a->write                   ? a->write
                        : a->verdict == ADVISE_MIX ? "FILE of --write-qconfig"
                        : a->by_dynamic_flow       ? "dynamic"
                                                   : "default");
  putchar('\n');
}

/* ---- JSON ---- */

static json_t *triple(const double values[ADVISE_FLOWS], int first) {
  json_t *o = json_object();
  for (int f = first; f < ADVISE_FLOWS; f++) cli_json_set(o, flow_names[f], cli_json_real(values[f]));
  return o;
}

static json_t *layer_json(const advise_layer *l) {
  json_t *o = json_object(), *covered = json_object();
  cli_json_set(o, "node", cli_json_text(l->node));
  cli_json_set(o, "op", cli_json_text(l->op));
  cli_json_set(o, "macs", cli_json_int(l->macs));
  cli_json_set(o, "weight_bytes", cli_json_int(l->weight_bytes));
  cli_json_set(o, "activation_bytes", cli_json_int(l->activation_bytes));
  cli_json_set(o, "macs_per_byte", cli_json_real(l->intensity));
  cli_json_set(o, "bound_by", cli_json_text(bound_of(l)));
  cli_json_set(o, "float_share", cli_json_real(l->share));
  cli_json_set(o, "ms", triple(l->ms, ADVISE_FLOAT));
  for (int f = ADVISE_STATIC; f < ADVISE_FLOWS; f++) cli_json_set(covered, flow_names[f], json_boolean(l->covered[f]));
  cli_json_set(o, "covered", covered);
  cli_json_set(o, "sqnr_db", triple(l->sqnr, ADVISE_STATIC));
  cli_json_set(o, "sensitive", json_boolean(l->sensitive));
  cli_json_set(o, "choice", cli_json_text(flow_names[l->choice]));
  return o;
}

static json_t *flow_json(const advice *a, int f) {
  json_t *o = json_object();
  cli_json_set(o, "flow", cli_json_text(flow_names[f]));
  cli_json_set(o, "ms", cli_json_real(a->flows[f].ms));
  cli_json_set(o, "gain", cli_json_real(a->flows[f].gain));
  cli_json_set(o, "coverage", cli_json_real(a->flows[f].coverage));
  cli_json_set(o, "output_sqnr_db", cli_json_real(a->flows[f].sqnr));
  cli_json_set(o, "parameter_bytes", cli_json_int(qe_model_parameter_bytes(a->flows[f].model)));
  return o;
}

static void print_json(const advice *a, const char *qconfig) {
  json_t *o = cli_json_begin(), *reasons = json_array(), *flows = json_array(), *layers = json_array();
  cli_json_set(o, "model", cli_json_text(a->path));
  cli_json_set(o, "engine", cli_json_text(a->cases[ADVISE_STATIC].stats.engine));
  cli_json_set(o, "threads", cli_json_int(a->cases[ADVISE_STATIC].stats.threads));
  cli_json_set(o, "batch", cli_json_int(a->batch));
  cli_json_set(o, "data", cli_json_text(a->calib.count ? "files" : "random"));
  cli_json_set(o, "samples", cli_json_int(a->samples));
  cli_json_set(o, "min_sqnr_db", cli_json_real(a->min_sqnr));
  cli_json_set(o, "recommendation", cli_json_text(advise_verdict_name(a->verdict)));
  cli_json_set(o, "suits", cli_json_text(advise_verdict_name(a->suits)));
  for (size_t i = 0; i < a->n_reasons; i++) cli_json_append(reasons, cli_json_text(a->reasons[i]));
  cli_json_set(o, "reasons", reasons);
  const bool none = a->verdict == ADVISE_STAY_FLOAT;
  cli_json_set(o, "flow", none ? json_null() : cli_json_text(a->by_dynamic_flow ? "dynamic" : "static"));
  cli_json_set(o, "gain", cli_json_real(a->gain));
  cli_json_set(o, "output_sqnr_db", cli_json_real(a->sqnr));
  cli_json_set(o, "parameter_bytes", cli_json_int(a->parameter_bytes));
  for (int f = 0; f < ADVISE_FLOWS; f++) cli_json_append(flows, flow_json(a, f));
  cli_json_set(o, "flows", flows);
  for (size_t i = 0; i < a->n_layers; i++) cli_json_append(layers, layer_json(&a->layers[i]));
  cli_json_set(o, "layers", layers);
  cli_json_set(o, "layers_alone", cli_json_int((int64_t)a->n_sensitivity));
  cli_json_set(o, "qconfig", json_loads(qconfig, 0, NULL));
  cli_json_set(o, "warnings", cli_json_warnings());
  cli_json_print(o);
}

int advise_report(const advice *a) {
  char *qconfig = NULL;
  const qe_status_t status = qe_qconfig_mapping_dump(a->mapping, &qconfig);
  int code = status == QE_OK ? CLI_OK : cli_fail(status, "the recommended qconfig");
  if (!code && a->write) code = cli_write_file(a->write, qconfig, strlen(qconfig), a->force);
  if (!code && cli.json)
    print_json(a, qconfig);
  else if (!code)
    print_text(a);
  qe_string_free(qconfig);
  return code;
}
