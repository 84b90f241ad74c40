/* `qengine bench`: how fast models run, side by side. */
#include <stdlib.h>
#include <string.h>

#include "arch.h"
#include "bench.h"
#include "feed.h"
#include "ptq.h"

enum {
  KEY_ARCH = 0x100, KEY_FLOW, KEY_ENGINES, KEY_BATCH, KEY_LENGTH, KEY_HIDDEN, KEY_SEED, KEY_REPEAT, KEY_MIN_TIME,
  KEY_PROFILE, KEY_PEAK, KEY_QCONFIG, KEY_SAVE, KEY_FORCE
};

static const struct argp_option options[] = {
#define ARCH(name, summary, ids, length, hidden) "; " #name ": " summary
  { "arch", KEY_ARCH, "NAME", 0,
    "builds a network with seeded random weights instead of reading a model"
#include "arch.def"
    , 0 },
#undef ARCH
  { "flow", KEY_FLOW, "FLOW", 0,
    "with --arch: float, or static (default): float and, calibrated on seeded random data, quantized", 0 },
  { "engines", KEY_ENGINES, "A,B", 0, "every model on each of these engines", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples per run (default: what a model's inputs are fixed to, else 1)", 0 },
  { "length", KEY_LENGTH, "N", 0, "tokens of bert_base (128), steps of lstm (35)", 0 },
  { "hidden", KEY_HIDDEN, "N", 0, "units of lstm (650)", 0 },
  { "seed", KEY_SEED, "N", 0, "of weights and data (default: 1)", 0 },
  { "repeat", KEY_REPEAT, "N", 0, "runs of each row; 0: none, for --save (default: by --min-time)", 0 },
  { "min-time", KEY_MIN_TIME, "SECONDS", 0, "time spent on each row, at least five runs (default: 1)", 0 },
  { "profile", KEY_PROFILE, NULL, 0, "the time of every step and every kernel too (as -v does)", 0 },
  { "peak", KEY_PEAK, NULL, 0, "only what one core can multiply and add at most, loop by loop", 0 },
  { "qconfig", KEY_QCONFIG, "PRESET|FILE.json", 0, "what --flow static quantizes how (default: the preset 'default')",
    0 },
  { "save", KEY_SAVE, "FILE", 0, "writes the architecture as ONNX: quantized (QDQ) with --flow static, else float", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite FILE", 0 },
  { 0 },
};

enum { FLOW_FLOAT, FLOW_STATIC, FLOW_DYNAMIC };
static const char *const flow_names[] = { "float", "static", "dynamic", NULL };

enum { MOST_CASES = 64, CALIBRATION_BATCHES = 4 };

typedef struct bench_args {
  const char *qconfig, *save, *engines;
  const arch *arch;
  arch_options options; /* batch 0: not given */
  bench_settings settings;
  int flow;
  bool flow_given, force, peak;
  qe_model_t **models; /* that the cases run */
  size_t n_models;
  bench_case cases[MOST_CASES];
  size_t n_cases;
} bench_args;

static const char *arch_name(const void *table, size_t index) {
  return ((const arch *)table)[index].name;
}

static const arch *arch_value(const char *text) {
  const arch *found = arch_find(text);
  size_t n = 0;
  while (arch_table[n].name) n++;
  if (found) return found;
  const char *near = cli_nearest(text, n, arch_name, arch_table);
  if (near) exit(cli_usage("--arch: there is no architecture '%s'; did you mean '%s'?", text, near));
  exit(cli_usage("--arch: there is no architecture '%s'; --help names them", text));
}

static error_t parse(int key, char *arg, struct argp_state *state) {
  bench_args *a = state->input;
  switch (key) {
    case KEY_ARCH: a->arch = arch_value(arg); return 0;
    case KEY_FLOW:
      a->flow = cli_choice_value("--flow", arg, flow_names);
      a->flow_given = true;
      return 0;
    case KEY_ENGINES: a->engines = arg; return 0;
    case KEY_BATCH: a->options.batch = cli_int_value("--batch", arg, 1, 1 << 16); return 0;
    case KEY_LENGTH: a->options.length = cli_int_value("--length", arg, 1, 1 << 16); return 0;
    case KEY_HIDDEN: a->options.hidden = cli_int_value("--hidden", arg, 1, 1 << 14); return 0;
    case KEY_SEED: a->options.seed = (uint64_t)cli_int_value("--seed", arg, 0, INT64_MAX); return 0;
    case KEY_REPEAT: a->settings.repeat = cli_int_value("--repeat", arg, 0, 1 << 20); return 0;
    case KEY_MIN_TIME:
      a->settings.min_time = cli_real_value("--min-time", arg);
      if (a->settings.min_time <= 0.0) exit(cli_usage("--min-time: %s is not above 0", arg));
      return 0;
    case KEY_PROFILE: a->settings.profile = true; return 0;
    case KEY_PEAK: a->peak = true; return 0;
    case KEY_QCONFIG: a->qconfig = arg; return 0;
    case KEY_SAVE: a->save = arg; return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

/* ---- models ---- */

/* Seeded random numbers for every input. `batch` is of inputs that leave it open. */
static int fill_inputs(const bench_args *a, const qe_model_t *graph, int64_t batch, uint64_t seed,
                       qe_named_tensor_t **out) {
  uint64_t state = seed;
  const int code = cli_zero_inputs(graph, batch, NULL, out);
  for (uint32_t i = 0; !code && i < qe_model_input_count(graph); i++)
    arch_fill_input(&state, (*out)[i].tensor, a->arch ? a->arch->ids : 0);
  return code;
}

/* Adds the model to the cases, once for each engine, and takes it over. */
static int add_cases(bench_args *a, qe_model_t *graph, const char *model, const char *flow, int64_t batch,
                     double load_ms) {
  a->models = cli_realloc(a->models, a->n_models + 1, sizeof *a->models);
  a->models[a->n_models++] = graph;
  for (const char *engine = a->engines ? a->engines : ""; engine;) {
    const size_t length = strcspn(engine, ",");
    if (a->n_cases == MOST_CASES) return cli_usage("more than %d models and engines", MOST_CASES);
    bench_case *c = &a->cases[a->n_cases++];
    *c = (bench_case){ .graph = graph, .model = model, .flow = flow, .batch = batch, .load_ms = load_ms };
    c->name = flow ? cli_format("%s/%s", model, flow) : cli_format("%s", model);
    if (length) c->engine = cli_format("%.*s", (int)length, engine);
    const int code = fill_inputs(a, graph, batch, a->options.seed + 1, &c->inputs);
    if (code) return code;
    engine = engine[length] ? engine + length + 1 : NULL;
  }
  return CLI_OK;
}

static int quantize(const bench_args *a, const qe_model_t *model, qe_model_t **out) {
  cli_ptq ptq = { 0 };
  int code = cli_load_mapping(a->qconfig, &ptq.mapping);
  if (code) return code;
  qe_session_options_t o = cli_session_options();
  o.strict = 0;
  qe_status_t status = qe_prepare(model, ptq.mapping, &o, &ptq.prepared);
  cli_progress progress;
  cli_progress_start(&progress, "calibrating", "batches", CALIBRATION_BATCHES);
  for (int i = 0; status == QE_OK && i < CALIBRATION_BATCHES && !cli_interrupted(); i++) {
    qe_named_tensor_t *inputs = NULL;
    code = fill_inputs(a, model, a->options.batch, a->options.seed + 2 + (uint64_t)i, &inputs);
    if (code) break;
    status = qe_calibrate(ptq.prepared, qe_model_input_count(model), inputs);
    cli_zero_release(model, &inputs);
    cli_progress_update(&progress, i + 1);
  }
  cli_progress_finish(&progress);
  if (!code && cli_interrupted()) code = cli_stop_interrupted();
  if (!code && status == QE_OK) status = qe_convert(ptq.prepared, out, NULL);
  if (!code && status != QE_OK) code = cli_fail(status, "--arch %s", a->arch->name);
  cli_ptq_close(&ptq);
  return code;
}

static int save(const bench_args *a, const qe_model_t *model) {
  if (!a->save) return CLI_OK;
  const qe_status_t status = qe_model_save(model, a->save, QE_FORMAT_QDQ, a->force);
  return status == QE_OK ? CLI_OK : cli_fail(status, "--save %s", a->save);
}

static int add_arch(bench_args *a) {
  qe_model_t *model = NULL, *quantized = NULL;
  const double start = cli_now();
  if (!a->options.batch) a->options.batch = 1;
  int code = arch_build(a->arch, &a->options, &model);
  if (!code) { /* float is measured folded too */
    const qe_status_t status = qe_fuse(model);
    if (status != QE_OK) code = cli_fail(status, "--arch %s", a->arch->name);
  }
  if (!code && a->flow == FLOW_STATIC) code = quantize(a, model, &quantized);
  const double ms = (cli_now() - start) * 1e3;
  if (!code) code = save(a, quantized ? quantized : model);
  if (code || a->settings.repeat == 0) {
    qe_model_destroy(&model);
    qe_model_destroy(&quantized);
    return code;
  }
  code = add_cases(a, model, a->arch->name, flow_names[FLOW_FLOAT], a->options.batch, ms);
  if (!code && quantized) return add_cases(a, quantized, a->arch->name, flow_names[FLOW_STATIC], a->options.batch, ms);
  qe_model_destroy(&quantized);
  return code;
}

static int add_file(bench_args *a, const char *path) {
  qe_model_t *model = NULL;
  const double start = cli_now();
  int64_t batch;
  int code = cli_load_model(path, &model);
  if (code) return code;
  const double ms = (cli_now() - start) * 1e3;
  code = cli_check_batch(model, path, a->options.batch, &batch);
  if (code) {
    qe_model_destroy(&model);
    return code;
  }
  if (!batch) batch = a->options.batch ? a->options.batch : 1;
  return add_cases(a, model, path, NULL, batch, ms);
}

static int bench(bench_args *a, const char **files, size_t count) {
  int code = a->arch ? add_arch(a) : CLI_OK;
  for (size_t i = 0; i < count && !code; i++) code = add_file(a, files[i]);
  for (size_t i = 0; i < a->n_cases && !code; i++) code = bench_open(&a->cases[i]);
  if (!code) code = bench_time(a->cases, a->n_cases, &a->settings);
  for (size_t i = 0; i < a->n_cases && !code && a->settings.profile; i++)
    code = bench_profile(&a->cases[i], &a->settings);
  if (!code && (a->n_cases || a->peak)) bench_measure_peaks(&a->settings.peaks);
  if (!code && (a->n_cases || a->peak)) bench_report(a->cases, a->n_cases, &a->settings);
  for (size_t i = 0; i < a->n_cases; i++) bench_close(&a->cases[i]);
  for (size_t i = 0; i < a->n_models; i++) qe_model_destroy(&a->models[i]);
  free(a->models);
  free(a->settings.peaks.loops);
  return code;
}

/* The first option given that would change nothing, or NULL; what it goes with. */
static const char *idle_option(const bench_args *a, const char **goes_with) {
  *goes_with = "--arch; a file is timed as it is";
  if (!a->arch && a->flow_given) return "--flow";
  if (!a->arch && a->save) return "--save";
  if (!a->arch && a->qconfig) return "--qconfig";
  *goes_with = "architectures of tokens or time steps";
  if (a->options.length && !(a->arch && a->arch->length)) return "--length";
  *goes_with = "architectures with recurrent layers";
  if (a->options.hidden && !(a->arch && a->arch->hidden)) return "--hidden";
  *goes_with = "--flow static";
  if (a->qconfig && a->flow == FLOW_FLOAT) return "--qconfig";
  *goes_with = "--save FILE";
  if (a->force && !a->save) return "--force";
  return NULL;
}

static int run(const cli_command *self, int argc, char **argv) {
  bench_args a = { .options.seed = 1, .settings = { .repeat = -1, .min_time = 1.0 }, .flow = FLOW_STATIC };
  size_t count;
  const char *idle, *goes_with;
  const char **files = cli_parse(self, parse, &a, argc, argv, 0, MOST_CASES, &count);
  int code = CLI_OK;
  if (cli.verbose > 0) a.settings.profile = true;
  if (a.peak && (a.arch || count)) code = cli_usage("--peak goes without models");
  else if (!a.peak && !a.arch && count == 0) code = cli_usage("MODEL or --arch NAME is missing");
  else if (a.arch && count > 0) code = cli_usage("give models or --arch, not both");
  else if ((idle = idle_option(&a, &goes_with))) code = cli_usage("%s goes with %s", idle, goes_with);
  else if (a.flow == FLOW_DYNAMIC)
    code = cli_error(CLI_UNSUPPORTED, "--flow dynamic: this build has the static flow only; use --flow static");
  else if (a.settings.repeat == 0 && !a.save) code = cli_usage("--repeat 0 times nothing; it goes with --save FILE");
  if (!code && a.save) code = cli_output_check(a.save, a.force);
  if (!code) code = cli_apply_engine();
  if (!code) code = bench(&a, files, count);
  free(files);
  return code;
}

const cli_command cli_command_bench = {
  .name = "bench",
  .args = "[MODEL...]",
  .summary = "measure how fast models run, side by side",
  .description =
      "Times MODELs, or a well-known architecture built with seeded random weights, on random data. All rows take turns "
      "in one process, so that a busy machine disturbs them alike; the smallest time is the one to compare. Planning, "
      "packing of weights and the first run are not in it, but in the JSON output (load_ms, plan_ms, "
      "first_run_ms). The peak of a core is measured with loops that stay in registers; what a row reaches of it counts "
      "quantized steps against the fastest loop on 8-bit integers and the others against that on float32.\n\n"
      "The JSON output has the shape of google-benchmark's: `context` and `benchmarks` with name, iterations, real_time "
      "and cpu_time (the smallest of the runs), time_unit, items_per_second; and median, p90, macs, gmacs_per_second, "
      "peak_share and, with --profile, steps.",
  .examples = "qengine bench --arch resnet50 --threads 1 --profile\n"
              "qengine bench float.onnx int8.onnx --engines fbgemm_x86,reference --batch 8\n"
              "qengine bench --arch mobilenet_v2 --repeat 0 --save mobilenet_int8.onnx\n"
              "qengine bench --peak",
  .options = options,
  .run = run,
};
