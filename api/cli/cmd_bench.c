/* `qengine bench`: how fast models run, side by side. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

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
  { "flow", KEY_FLOW, "A,B", 0,
    "float, static, dynamic: the model in float and in each flow named; static is calibrated on seeded random data "
    "(default: static with --arch; a file is timed as it is)", 0 },
  { "engines", KEY_ENGINES, "A,B", 0, "every model on each of these engines", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples per run (default: what a model's inputs are fixed to, else 1)", 0 },
  { "length", KEY_LENGTH, "N", 0, "tokens of bert_base (128), steps of lstm (35), lstm_650 and lstm_1500 (32)", 0 },
  { "hidden", KEY_HIDDEN, "N", 0, "units of lstm (650)", 0 },
  { "seed", KEY_SEED, "N", 0, "of weights and data (default: 1)", 0 },
  { "repeat", KEY_REPEAT, "N", 0, "runs of each row; 0: none, for --save (default: by --min-time)", 0 },
  { "min-time", KEY_MIN_TIME, "SECONDS", 0, "time spent on each row, at least five runs (default: 1)", 0 },
  { "profile", KEY_PROFILE, NULL, 0, "the time of every step and every kernel too (as -v does)", 0 },
  { "peak", KEY_PEAK, NULL, 0, "only what one core can multiply and add at most, loop by loop", 0 },
  { "qconfig", KEY_QCONFIG, "PRESET|FILE.json", 0,
    "what the flow quantizes how (default: the preset 'default', with --flow dynamic 'dynamic')", 0 },
  { "save", KEY_SAVE, "FILE", 0, "writes the architecture as ONNX, quantized unless --flow is float", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite FILE", 0 },
  { 0 },
};

typedef struct bench_args {
  bench_wanted wanted;
  bench_settings settings;
  bench_rows rows;
  bool peak;
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

/* "static,dynamic": bits of bench_wanted.flows. */
static unsigned flows_value(const char *text) {
  static const char *const names[] = { "float", "static", "dynamic", NULL };
  unsigned flows = 1u << BENCH_FLOAT;
  for (const char *at = text; at;) {
    const size_t length = strcspn(at, ",");
    char *name = cli_format("%.*s", (int)length, at);
    flows |= 1u << cli_choice_value("--flow", name, names);
    free(name);
    at = at[length] ? at + length + 1 : NULL;
  }
  return flows;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
  bench_args *a = state->input;
  bench_wanted *w = &a->wanted;
  switch (key) {
    case KEY_ARCH: w->arch = arch_value(arg); return 0;
    case KEY_FLOW: w->flows = flows_value(arg); return 0;
    case KEY_ENGINES: w->engines = arg; return 0;
    case KEY_BATCH: w->options.batch = cli_int_value("--batch", arg, 1, 1 << 16); return 0;
    case KEY_LENGTH: w->options.length = cli_int_value("--length", arg, 1, 1 << 16); return 0;
    case KEY_HIDDEN: w->options.hidden = cli_int_value("--hidden", arg, 1, 1 << 14); return 0;
    case KEY_SEED: w->options.seed = (uint64_t)cli_int_value("--seed", arg, 0, INT64_MAX); return 0;
    case KEY_REPEAT: a->settings.repeat = cli_int_value("--repeat", arg, 0, 1 << 20); return 0;
    case KEY_MIN_TIME:
      a->settings.min_time = cli_real_value("--min-time", arg);
      if (a->settings.min_time <= 0.0) exit(cli_usage("--min-time: %s is not above 0", arg));
      return 0;
    case KEY_PROFILE: a->settings.profile = true; return 0;
    case KEY_PEAK: a->peak = true; return 0;
    case KEY_QCONFIG: w->qconfig = arg; return 0;
    case KEY_SAVE: w->save = arg; return 0;
    case KEY_FORCE: w->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

static int bench(bench_args *a, const char **files, size_t count) {
  bench_rows *r = &a->rows;
  int code = a->wanted.arch ? bench_add_arch(&a->wanted, r) : CLI_OK;
  for (size_t i = 0; i < count && !code; i++) code = bench_add_file(&a->wanted, r, files[i]);
  for (size_t i = 0; i < r->n_cases && !code; i++) code = bench_open(&r->cases[i]);
  if (!code) code = bench_time(r->cases, r->n_cases, &a->settings);
  for (size_t i = 0; i < r->n_cases && !code && a->settings.profile; i++)
    code = bench_profile(&r->cases[i], &a->settings);
  if (!code && (r->n_cases || a->peak)) bench_measure_peaks(&a->settings.peaks);
  if (!code && (r->n_cases || a->peak)) bench_report(r->cases, r->n_cases, &a->settings);
  bench_rows_close(r);
  free(a->settings.peaks.loops);
  return code;
}

/* The first option given that would change nothing, or NULL; what it goes with. */
static const char *idle_option(const bench_wanted *w, const char **goes_with) {
  *goes_with = "--arch; a file is there already";
  if (!w->arch && w->save) return "--save";
  *goes_with = "architectures of tokens or time steps";
  if (w->options.length && !(w->arch && w->arch->length)) return "--length";
  *goes_with = "architectures with recurrent layers";
  if (w->options.hidden && !(w->arch && w->arch->hidden)) return "--hidden";
  *goes_with = "one quantized flow: --flow static or --flow dynamic";
  if (w->qconfig && w->flows != (1u << BENCH_FLOAT | 1u << BENCH_STATIC) &&
      w->flows != (1u << BENCH_FLOAT | 1u << BENCH_DYNAMIC))
    return "--qconfig";
  *goes_with = "one flow";
  if (w->save && (w->flows & 1u << BENCH_STATIC) && (w->flows & 1u << BENCH_DYNAMIC)) return "--save";
  *goes_with = "--save FILE";
  if (w->force && !w->save) return "--force";
  return NULL;
}

static int run(const cli_command *self, int argc, char **argv) {
  bench_args a = { .wanted.options.seed = 1, .settings = { .repeat = -1, .min_time = 1.0 } };
  bench_wanted *w = &a.wanted;
  size_t count;
  const char *idle, *goes_with;
  const char **files = cli_parse(self, parse, &a, argc, argv, 0, BENCH_MOST_CASES, &count);
  int code = CLI_OK;
  if (cli.verbose > 0) a.settings.profile = true;
  if (w->arch && !w->flows) w->flows = 1u << BENCH_FLOAT | 1u << BENCH_STATIC;
  w->untimed = a.settings.repeat == 0;
  if (a.peak && (w->arch || count)) code = cli_usage("--peak goes without models");
  else if (a.peak && w->flows) code = cli_usage("--flow goes with models");
  else if (!a.peak && !w->arch && count == 0) code = cli_usage("MODEL or --arch NAME is missing");
  else if (w->arch && count > 0) code = cli_usage("give models or --arch, not both");
  else if ((idle = idle_option(w, &goes_with))) code = cli_usage("%s goes with %s", idle, goes_with);
  else if (w->untimed && !w->save) code = cli_usage("--repeat 0 times nothing; it goes with --save FILE");
  if (!code && w->save) code = cli_output_check(w->save, w->force);
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
              "qengine bench --arch bert_base --flow dynamic\n"
              "qengine bench float.onnx int8.onnx --engines fbgemm_x86,reference --batch 8\n"
              "qengine bench --arch mobilenet_v2 --repeat 0 --save mobilenet_int8.onnx\n"
              "qengine bench --peak",
  .options = options,
  .run = run,
};
