/* `qengine quantize`: the post-training flows, from a float ONNX model to a quantized one. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "placement.h"
#include "ptq.h"
#include "table.h"

enum {
  KEY_FLOW = 0x100,
  KEY_CALIB,
  KEY_NORMALIZE,
  KEY_BATCH,
  KEY_SAMPLES,
  KEY_QCONFIG,
  KEY_FORMAT,
  KEY_STATS,
  KEY_NO_EQUAL,
  KEY_FORCE
};

static const struct argp_option options[] = {
  { "output", 'o', "OUT", 0, "the quantized model (required)", 0 },
  { "flow", KEY_FLOW, "static|dynamic", 0,
    "static: activations get their parameters from calibration data (default); dynamic: as they arrive, no data needed", 0 },
  { "calib", KEY_CALIB, "[NAME=]FILE", 0,
    "calibration data: npy, npz, idx (.gz too) or TensorProto .pb; several files may follow", 0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples per calibration run (default: 32, or the model's fixed batch)", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "calibrate with the first N samples (default: all)", 0 },
  { "qconfig", KEY_QCONFIG, "PRESET|FILE.json", 0, "what to quantize how (default: the preset 'default', with --flow dynamic 'dynamic')", 0 },
  { "format", KEY_FORMAT, "qdq|qoperator", 0,
    "how ONNX writes it: QuantizeLinear/DequantizeLinear pairs (default) or QLinear operators", 0 },
  { "stats", KEY_STATS, "FILE", 0, "statistics of `qengine calibrate` instead of --calib; several are merged", 0 },
  { "no-equalization", KEY_NO_EQUAL, NULL, 0, "do not scale channels before calibration, whatever the qconfig says", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite OUT", 0 },
  { 0 },
};

typedef struct quantize_args {
  const char *model, *output, *qconfig;
  int flow, format;
  cli_list calib, stats;
  cli_feed_options feed;
  bool no_equalization, force;
} quantize_args;

enum { NOTE_SHOWN = 50 }; /* without -v */
enum { FLOW_STATIC, FLOW_DYNAMIC };
static const char *const flow_names[] = { "static", "dynamic", NULL };
static const char *const format_names[] = { "qdq", "qoperator", NULL };

static error_t parse(int key, char *arg, struct argp_state *state) {
  quantize_args *a = state->input;
  switch (key) {
    case 'o': a->output = arg; return 0;
    case KEY_FLOW: a->flow = cli_choice_value("--flow", arg, flow_names); return 0;
    case KEY_CALIB: cli_list_add(&a->calib, arg); return 0;
    case KEY_NORMALIZE:
      a->feed.normalize = true;
      cli_normalize_value(arg, &a->feed.mean, &a->feed.std);
      return 0;
    case KEY_BATCH: a->feed.batch = cli_int_value("--batch", arg, 1, 1 << 20); return 0;
    case KEY_SAMPLES: a->feed.samples = cli_int_value("--samples", arg, 1, INT64_MAX); return 0;
    case KEY_QCONFIG: a->qconfig = arg; return 0;
    case KEY_FORMAT: a->format = cli_choice_value("--format", arg, format_names); return 0;
    case KEY_STATS: cli_list_add(&a->stats, arg); return 0;
    case KEY_NO_EQUAL: a->no_equalization = true; return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static int feed_observers(const quantize_args *a, cli_ptq *ptq) {
  for (size_t i = 0; i < a->stats.count; i++) {
    const qe_status_t status = i == 0 ? qe_prepared_load_stats(ptq->prepared, a->stats.items[i])
                                      : qe_prepared_merge_stats(ptq->prepared, a->stats.items[i]);
    if (status != QE_OK) return cli_fail(status, "--stats %s", a->stats.items[i]);
  }
  if (a->calib.count == 0) {
    ptq->batches = (int64_t)qe_prepared_batches(ptq->prepared);
    if (ptq->batches > 0) return CLI_OK;
    return cli_error(CLI_FAILED, "--stats %s: no data went into it; name the statistics of shards that had samples",
                     a->stats.items[0]);
  }
  cli_feed feed;
  int code = cli_feed_open(ptq->model, a->model, &a->calib, &a->feed, &feed);
  if (code) return code;
  code = cli_ptq_calibrate(ptq, &feed, 0, 1);
  cli_feed_close(&feed);
  return code;
}

/* What a flow made. */
typedef struct outcome {
  qe_model_t *model;
  qe_report_t *report;
  char *mapping; /* JSON */
  int64_t samples, batches;
} outcome;

static void outcome_clear(outcome *o) {
  qe_report_destroy(&o->report);
  qe_model_destroy(&o->model);
  qe_string_free(o->mapping);
}

static const char *qconfig_name(const quantize_args *a) {
  return a->qconfig ? a->qconfig : a->flow == FLOW_DYNAMIC ? "dynamic" : "default";
}

static int quantize_static(const quantize_args *a, outcome *out) {
  cli_ptq ptq;
  int code = cli_ptq_open(a->model, qconfig_name(a), a->no_equalization, &ptq);
  if (code) return code;
  code = feed_observers(a, &ptq);
  if (!code) {
    qe_status_t status = qe_convert(ptq.prepared, &out->model, &out->report);
    if (status == QE_OK) status = qe_qconfig_mapping_dump(ptq.mapping, &out->mapping);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  out->samples = ptq.samples;
  out->batches = ptq.batches;
  cli_ptq_close(&ptq);
  return code;
}

static int quantize_dynamic(const quantize_args *a, outcome *out) {
  qe_qconfig_mapping_t *mapping = NULL;
  qe_model_t *model = NULL;
  int code = cli_load_mapping(qconfig_name(a), &mapping);
  if (!code) code = cli_load_model(a->model, &model);
  if (!code) {
    qe_status_t status = qe_quantize_dynamic(model, mapping, &out->model, &out->report);
    if (status == QE_OK) status = qe_qconfig_mapping_dump(mapping, &out->mapping);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  qe_model_destroy(&model);
  qe_qconfig_mapping_destroy(&mapping);
  return code;
}

static int record(const quantize_args *a, outcome *o) {
  qe_status_t status = qe_model_set_metadata(o->model, "qengine.qconfig", o->mapping);
  if (status == QE_OK) status = qe_model_set_metadata(o->model, "qengine.version", qe_version());
  if (status == QE_OK) status = qe_model_set_metadata(o->model, "qengine.flow", flow_names[a->flow]);
  return status == QE_OK ? CLI_OK : cli_fail(status, "metadata of the quantized model");
}

static void print_json(const quantize_args *a, const outcome *made, const cli_placement *placed, uint64_t before, uint64_t after) {
  const qe_report_t *report = made->report;
  json_t *object = cli_json_begin();
  cli_json_set(object, "model", cli_json_text(a->model));
  cli_json_set(object, "output", cli_json_text(a->output));
  cli_json_set(object, "flow", cli_json_text(flow_names[a->flow]));
  cli_json_set(object, "qconfig", cli_json_text(qconfig_name(a)));
  cli_json_set(object, "format", cli_json_text(format_names[a->format]));
  json_t *layers = json_array();
  for (uint32_t i = 0; i < qe_report_count(report); i++) {
    const qe_report_row_t *row = qe_report_at(report, i);
    json_t *layer = json_object();
    cli_json_set(layer, "node", cli_json_text(row->node));
    cli_json_set(layer, "op", cli_json_text(row->op));
    cli_json_set(layer, "quantized", json_boolean(row->quantized));
    cli_json_set(layer, "reason", cli_json_text(row->reason));
    cli_json_set(layer, "weight_sqnr_db", cli_json_real(row->weight_sqnr_db));
    cli_json_set(layer, "weight", cli_json_text(row->weight_scheme));
    cli_json_set(layer, "activation", cli_json_text(row->activation_scheme));
    cli_json_append(layers, layer);
  }
  cli_json_set(object, "layers", layers);
  cli_json_set(object, "bytes_before", cli_json_int((int64_t)before));
  cli_json_set(object, "bytes_after", cli_json_int((int64_t)after));
  cli_json_set(object, "ratio", cli_json_real(after ? (double)before / (double)after : NAN));
  if (a->flow == FLOW_STATIC) {
    json_t *calibration = json_object();
    cli_json_set(calibration, "samples", cli_json_int(made->samples));
    cli_json_set(calibration, "batches", cli_json_int(made->batches));
    cli_json_set(object, "calibration", calibration);
  }
  cli_json_set(object, "engine", cli_json_text(placed->known ? placed->engine : NULL));
  if (placed->known) {
    json_t *summary = json_object();
    cli_json_set(summary, "steps", cli_json_int(placed->steps));
    cli_json_set(summary, "quantized", cli_json_int(placed->quantized));
    cli_json_set(summary, "fallback", cli_json_int(placed->fallback));
    cli_json_set(object, "placement", summary);
  }
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}

static void print_text(const quantize_args *a, const outcome *made, const cli_placement *placed, uint64_t before, uint64_t after) {
  const qe_report_t *report = made->report;
  cli_table *table = cli_table_new("node|op|runs as|>weight SQNR dB|weight|activation|note");
  uint32_t quantized = 0;
  for (uint32_t i = 0; i < qe_report_count(report); i++) {
    const qe_report_row_t *row = qe_report_at(report, i);
    quantized += row->quantized != 0;
    cli_table_cell(table, "%s", row->node);
    cli_table_cell(table, "%s", row->op);
    cli_table_cell(table, "%s", !row->quantized ? "float" : strcmp(row->activation_scheme, "-") == 0 ? "weight only" : "int8");
    if (isfinite(row->weight_sqnr_db)) cli_table_cell(table, "%.1f", row->weight_sqnr_db);
    else cli_table_cell(table, "%s", isnan(row->weight_sqnr_db) ? "-" : "exact");
    cli_table_cell(table, "%s", row->weight_scheme);
    cli_table_cell(table, "%s", row->activation_scheme);
    const bool cut = cli.verbose <= 0 && strlen(row->reason) > NOTE_SHOWN;
    cli_table_cell(table, "%.*s%s", cut ? NOTE_SHOWN : INT_MAX, row->reason, cut ? "..." : "");
  }
  cli_table_print(table);
  cli_table_free(table);
  char b[32], c[32];
  putchar('\n');
  if (made->samples)
    printf("calibration: %lld samples in %lld batches\n", (long long)made->samples, (long long)made->batches);
  else if (a->flow == FLOW_STATIC)
    printf("calibration: %lld batches from %s\n", (long long)made->batches, a->stats.items[0]);
  printf("nodes:       %u of %u quantized\n", quantized, qe_report_count(report));
  if (placed->known)
    printf("placement:   engine %s, %u steps, %u quantized, %u fell back to another engine\n", placed->engine,
           placed->steps, placed->quantized, placed->fallback);
  printf("size:        %s -> %s (%.2fx smaller)\n", cli_bytes_text(before, b), cli_bytes_text(after, c),
         after ? (double)before / (double)after : 0.0);
  printf("written:     ");
  cli_put_clean(stdout, a->output);
  putchar('\n');
}

static int quantize(const quantize_args *a) {
  outcome made = { 0 };
  cli_placement placed = { 0 };
  int code = (a->flow == FLOW_DYNAMIC ? quantize_dynamic : quantize_static)(a, &made);
  if (!code) code = record(a, &made);
  if (!code) code = cli_placement_of(made.model, &placed);
  if (!code && cli_interrupted()) code = cli_stop_interrupted();
  if (!code) {
    const uint64_t before = cli_model_file_bytes(a->model);
    const qe_status_t status = qe_model_save(made.model, a->output, (qe_format_t)a->format, a->force);
    if (status != QE_OK) code = cli_fail(status, "%s", a->output);
    else (cli.json ? print_json : print_text)(a, &made, &placed, before, cli_model_file_bytes(a->output));
  }
  outcome_clear(&made);
  return code;
}

/* Data and options of the other flow would be ignored silently. */
static int check_flow(const quantize_args *a) {
  if (a->flow == FLOW_STATIC) {
    if (!a->calib.count && !a->stats.count)
      return cli_usage("the static flow needs calibration data: --calib FILE, or --stats FILE");
    return a->calib.count && a->stats.count ? cli_usage("give --calib or --stats, not both") : CLI_OK;
  }
  if (a->calib.count || a->stats.count)
    return cli_usage("the dynamic flow uses no calibration data; leave out %s, or use --flow static",
                     a->calib.count ? "--calib" : "--stats");
  return a->no_equalization ? cli_usage("--no-equalization belongs to the static flow; the dynamic flow never equalizes") : CLI_OK;
}

static int run(const cli_command *self, int argc, char **argv) {
  quantize_args a = { .feed.option = "--calib" };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 1, 1, &count);
  a.model = texts[0];
  int code = CLI_OK;
  if (!a.output) code = cli_usage("-o OUT is missing");
  else code = check_flow(&a);
  if (!code) code = cli_output_check(a.output, a.force);
  if (!code) code = cli_apply_engine();
  if (!code) code = quantize(&a);
  free(a.calib.items);
  free(a.stats.items);
  free(texts);
  return code;
}

const cli_command cli_command_quantize = {
  .name = "quantize",
  .args = "MODEL",
  .summary = "make a quantized model from a float one",
  .description =
      "Quantizes MODEL, a float ONNX model, and writes OUT, a quantized ONNX model that any runtime understands.\n\n"
      "The static flow runs calibration data through the model to learn the range of every activation. The dynamic "
      "flow needs no data: weights of linear and recurrent layers become int8, their inputs are quantized as they "
      "arrive (LSTM, GRU, transformers). The layers, their weights' signal-to-quantization-noise ratio, what stayed "
      "float and why, the placement and the sizes are shown.",
  .examples = "qengine quantize model.onnx -o int8.onnx --calib images.npy\n"
              "qengine quantize model.onnx -o int8.onnx --calib images.gz --normalize 0.5,0.5\n"
              "qengine quantize model.onnx -o int8.onnx --stats a.stats --format qoperator\n"
              "qengine quantize lstm.onnx -o int8.onnx --flow dynamic",
  .options = options,
  .run = run,
};
