/* `qengine advise`: which flow suits a model. */
#include <stdlib.h>
#include <string.h>

#include "advise.h"
#include "ptq.h"

enum {
  KEY_CALIB = 0x100,
  KEY_NORMALIZE,
  KEY_SAMPLES,
  KEY_BATCH,
  KEY_SHAPE,
  KEY_LAYERS,
  KEY_MIN_SQNR,
  KEY_MIN_TIME,
  KEY_SEED,
  KEY_WRITE,
  KEY_FORCE
};

enum { DEFAULT_SAMPLES = 64, DEFAULT_LAYERS = 32 };

static const struct argp_option options[] = {
  { "calib", KEY_CALIB, "[NAME=]FILE", 0,
    "calibration data: npy, npz, idx (.gz too) or TensorProto .pb; several files may follow (default: random numbers)",
    0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "use the first N samples of the data (default: 64)", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples in the run that is timed (default: 1, or the model's fixed batch)", 0 },
  { "shape", KEY_SHAPE, "NAME=1,3,224,224", 0, "without --calib: shape of an input; may be repeated", 0 },
  { "layers", KEY_LAYERS, "N", 0,
    "layers that are quantized alone to see what they cost, those with most multiply-adds (default: 32)", 0 },
  { "min-sqnr", KEY_MIN_SQNR, "DB", 0, "signal-to-quantization-noise ratio that outputs must have (default: 20)", 0 },
  { "min-time", KEY_MIN_TIME, "SECONDS", 0, "time spent on each flow, at least five runs (default: 0.5)", 0 },
  { "seed", KEY_SEED, "N", 0, "of random data (default: 1)", 0 },
  { "write-qconfig", KEY_WRITE, "FILE", 0, "writes the recommended qconfig, for `qengine quantize --qconfig`", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite FILE", 0 },
  { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state) {
  advice *a = state->input;
  switch (key) {
    case KEY_CALIB: cli_list_add(&a->calib, arg); return 0;
    case KEY_NORMALIZE:
      a->feed.normalize = true;
      cli_normalize_value(arg, &a->feed.mean, &a->feed.std);
      return 0;
    case KEY_SAMPLES: a->feed.samples = cli_int_value("--samples", arg, 1, INT64_MAX); return 0;
    case KEY_BATCH: a->batch = cli_int_value("--batch", arg, 1, 1 << 16); return 0;
    case KEY_SHAPE: cli_list_add(&a->shapes, arg); return 0;
    case KEY_LAYERS: a->most_layers = cli_int_value("--layers", arg, 0, 1 << 20); return 0;
    case KEY_MIN_SQNR: a->min_sqnr = cli_real_value("--min-sqnr", arg); return 0;
    case KEY_MIN_TIME:
      a->min_time = cli_real_value("--min-time", arg);
      if (a->min_time <= 0.0) exit(cli_usage("--min-time: %s is not above 0", arg));
      return 0;
    case KEY_SEED: a->seed = (uint64_t)cli_int_value("--seed", arg, 0, INT64_MAX); return 0;
    case KEY_WRITE: a->write = arg; return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

/* By the static flow or by the dynamic one. */
static bool is_quantized(const qe_node_info_t *node) {
  return node->quantized || strncmp(node->op, "DynamicQuantize", 15) == 0 ||
         strncmp(node->op, "MatMulInteger", 13) == 0;
}

static int load(advice *a) {
  qe_model_t **model = &a->flows[ADVISE_FLOAT].model;
  int code = cli_load_model(a->path, model);
  for (uint32_t n = 0; !code && n < qe_model_node_count(*model); n++) {
    qe_node_info_t info;
    if (qe_model_node(*model, n, &info) == QE_OK && is_quantized(&info))
      code = cli_error(CLI_FAILED, "%s: node '%s' (%s) is quantized already; advise wants the float model", a->path,
                       info.name, info.op);
  }
  if (code) return code;
  const qe_status_t status = qe_fuse(*model);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->path);
}

static int make_flows(advice *a) {
  static const char *const presets[] = { NULL, "default", "dynamic" };
  int code = CLI_OK;
  for (int flow = ADVISE_STATIC; flow < ADVISE_FLOWS && !code; flow++) {
    qe_qconfig_mapping_t *mapping = NULL;
    code = cli_load_mapping(presets[flow], &mapping);
    if (!code) code = advise_make(a, mapping, flow == ADVISE_DYNAMIC, a->data.count, &a->flows[flow].model);
    qe_qconfig_mapping_destroy(&mapping);
  }
  return code;
}

static void clear(advice *a) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  for (int f = 0; f < ADVISE_FLOWS; f++)
    if (a->cases[f].graph) bench_close(&a->cases[f]);
  if (model) {
    cli_batches_free(model, &a->data);
    cli_zero_release(model, &a->timed);
  }
  for (int f = 0; f < ADVISE_FLOWS; f++) qe_model_destroy(&a->flows[f].model);
  qe_qconfig_mapping_destroy(&a->mapping);
  for (size_t i = 0; i < a->n_reasons; i++) free(a->reasons[i]);
  for (size_t i = 0; i < a->n_shape_texts; i++) free(a->shape_texts[i]);
  free(a->shape_texts);
  free(a->layers);
}

static int advise(advice *a) {
  int code = load(a);
  if (!code) code = advise_load_data(a);
  if (!code) code = make_flows(a);
  if (!code) code = advise_measure_time(a);
  if (!code) code = advise_measure_bytes(a);
  if (!code) code = advise_measure_quality(a);
  if (!code) code = advise_choose(a);
  if (!code) code = advise_report(a);
  clear(a);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  advice a = { .feed = { .option = "--calib", .few = DEFAULT_SAMPLES },
               .batch = 1,
               .most_layers = DEFAULT_LAYERS,
               .seed = 1,
               .min_sqnr = ADVISE_MIN_SQNR,
               .min_time = 0.5 };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 1, 1, &count);
  a.path = texts[0];
  int code = CLI_OK;
  if (a.calib.count && a.shapes.count)
    code = cli_usage("--shape goes without --calib; data has its own shapes");
  else if (!a.calib.count && (a.feed.normalize || a.feed.samples))
    code = cli_usage("%s goes with --calib", a.feed.normalize ? "--normalize" : "--samples");
  else if (a.force && !a.write)
    code = cli_usage("--force goes with --write-qconfig");
  if (!code && a.write) code = cli_output_check(a.write, a.force);
  if (!code) code = cli_apply_engine();
  if (!code) code = advise(&a);
  free(a.calib.items);
  free(a.shapes.items);
  free(texts);
  return code;
}

const cli_command cli_command_advise = {
  .name = "advise",
  .args = "MODEL",
  .summary = "say which flow suits a model, and why",
  .description =
      "Measures MODEL, a float ONNX model, layer by layer: its multiply-adds for each byte of weights and activations, "
      "its share of the time, its time in the static and in the dynamic flow, and what quantizing it alone costs at "
      "the "
      "outputs. Recommends the dynamic flow, the static flow, a mixture by layer, training with quantization (qat), or "
      "to "
      "stay with float, and says why. --write-qconfig writes what to give to `qengine quantize`.\n\n"
      "Everything but times is the same in every run. Without --calib the data is random, which times well enough; "
      "what "
      "quantization costs is then only a hint.",
  .examples = "qengine advise model.onnx --calib images.npy\n"
              "qengine advise lstm.onnx --json\n"
              "qengine advise model.onnx --calib images.npy --write-qconfig q.json",
  .options = options,
  .run = run,
};
