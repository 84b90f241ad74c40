/* `qengine conform`: is an engine right, how right, and what breaks it. */
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "json.h"

enum {
  KEY_SUITE = 0x100, KEY_OP, KEY_KERNEL, KEY_CASE, KEY_CASES, KEY_AGAINST, KEY_SEED, KEY_JOBS, KEY_TIMEOUT, KEY_PERF,
  KEY_WAIVERS, KEY_JUNIT, KEY_JSON_LINES, KEY_HTML, KEY_CERTIFICATE, KEY_LIST, KEY_MINIMIZE, KEY_ISA_MASKS,
  KEY_VERIFY, KEY_MODEL, KEY_DATA, KEY_REPLAY, KEY_FORCE,
  KEY_BATCH, KEY_SAMPLES
};

static const struct argp_option options[] = {
  { "suite", KEY_SUITE, "NAME", 0, "smoke, mustpass or full (default: mustpass)", 0 },
  { "op", KEY_OP, "GLOB", 0, "only kernels of these ops", 0 },
  { "kernel", KEY_KERNEL, "GLOB", 0, "only kernels of these names, '*__avx2' for example", 0 },
  { "case", KEY_CASE, "CASE", 0, "this case instead of a suite; may be given several times", 0 },
  { "cases", KEY_CASES, "FILE", 0, "the cases in a file, one a line, instead of a suite; - reads standard input", 0 },
  { "replay", KEY_REPLAY, "N=FILE", 0,
    "with --case: the elements of input N (from 0) from this .npy or .npz instead of the pattern; may be repeated", 0 },
  { "against", KEY_AGAINST, "ENGINE", 0, "compare with this engine (default: reference)", 0 },
  { "seed", KEY_SEED, "N", 0, "seed of the data (default: 1)", 0 },
  { "jobs", KEY_JOBS, "N", 0, "worker processes (default: one for each CPU)", 0 },
  { "timeout", KEY_TIMEOUT, "SECONDS", 0, "for one case (default: 30)", 0 },
  { "perf", KEY_PERF, NULL, 0, "time the kernels that passed", 0 },
  { "waivers", KEY_WAIVERS, "FILE", 0, "known failures, as JSON, each with reason, link and expiry", 0 },
  { "junit", KEY_JUNIT, "FILE", 0, "write a JUnit XML report", 0 },
  { "json-lines", KEY_JSON_LINES, "FILE", 0,
    "write a JSON Lines report, one case a line and the summary last; '--json FILE' means the same", 0 },
  { "html", KEY_HTML, "FILE", 0, "write a report as one HTML page", 0 },
  { "certificate", KEY_CERTIFICATE, "FILE", 0, "write a certificate when the engine conforms", 0 },
  { "verify", KEY_VERIFY, "CERTIFICATE", 0,
    "check a certificate against the plugin, running the must-pass list again", 0 },
  { "list", KEY_LIST, NULL, 0,
    "print the cases (then kernel, and whether it is a must-pass case) without running them", 0 },
  { "minimize", KEY_MINIMIZE, NULL, 0, "look for the smallest case that still fails, for each failing kernel", 0 },
  { "isa-masks", KEY_ISA_MASKS, "A,B", 0,
    "run everything once for each of these values of QENGINE_CPU_MASK (a + stands for a comma inside one)", 0 },
  { "model", KEY_MODEL, "FILE", 0, "compare every value of this model between the two engines instead", 0 },
  { "data", KEY_DATA, "[NAME=]FILE", 0, "inputs for --model", 0 },
  { "batch", KEY_BATCH, "N", 0, "samples of --data in a run (default: 32, or what the model asks for)", 0 },
  { "samples", KEY_SAMPLES, "N", 0, "only the first N samples of --data (default: all)", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite reports", 0 },
  { 0 },
};

static uint64_t seed_value(const char *text) {
  char *end = NULL;
  const unsigned long long value = strtoull(text, &end, 0);
  if (end == text || *end || text[0] == '-') exit(cli_usage("--seed: '%s' is not a whole number", text));
  return value;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
  static const char *const suites[] = {"smoke", "mustpass", "full", NULL};
  conform_args *a = state->input;
  switch (key) {
    case KEY_SUITE: a->options.suite = (qe_conform_suite_t)cli_choice_value("--suite", arg, suites); return 0;
    case KEY_OP: a->options.op = arg; return 0;
    case KEY_KERNEL: a->options.kernel = arg; return 0;
    case KEY_CASE:
      a->cases.items = cli_realloc(a->cases.items, a->cases.count + 1, sizeof *a->cases.items);
      a->cases.items[a->cases.count++] = arg;
      return 0;
    case KEY_CASES: a->case_file = arg; return 0;
    case KEY_AGAINST: a->options.against = arg; return 0;
    case KEY_SEED: a->options.seed = seed_value(arg); return 0;
    case KEY_JOBS: a->options.jobs = (uint32_t)cli_int_value("--jobs", arg, 1, 256); return 0;
    case KEY_TIMEOUT:
      a->options.timeout = cli_real_value("--timeout", arg);
      if (a->options.timeout <= 0.0 || a->options.timeout > 86400.0)
        exit(cli_usage("--timeout: '%s' is not a number of seconds above 0", arg));
      return 0;
    case KEY_PERF: a->options.perf = 1; return 0;
    case KEY_WAIVERS: a->options.waivers = arg; return 0;
    case KEY_JUNIT: a->junit = arg; return 0;
    case KEY_JSON_LINES: a->json_lines = arg; return 0;
    case KEY_HTML: a->html = arg; return 0;
    case KEY_CERTIFICATE: a->certificate = arg; return 0;
    case KEY_VERIFY: a->verify = arg; return 0;
    case KEY_LIST: a->list = true; return 0;
    case KEY_MINIMIZE: a->options.minimize = 1; return 0;
    case KEY_ISA_MASKS: a->options.isa_masks = arg; return 0;
    case KEY_MODEL: a->model = arg; return 0;
    case KEY_DATA: cli_list_add(&a->data, arg); return 0;
    case KEY_BATCH: a->batch = cli_int_value("--batch", arg, 1, INT32_MAX); return 0;
    case KEY_SAMPLES: a->samples = cli_int_value("--samples", arg, 1, INT32_MAX); return 0;
    case KEY_REPLAY: cli_list_add(&a->replay, arg); return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
  }
}

/*
 * "--json FILE" beside the common "--json": the next word is a file when the engine came before it, or when it is named
 * like one. Rewrites the words to the option's own name; free() the result's memory.
 */
static char **name_json_file(int argc, char **argv, char **memory) {
  char **words = cli_calloc((size_t)argc + 1, sizeof *words);
  bool engine_seen = false;
  int n = 0;
  *memory = NULL;
  for (int i = 0; i < argc; i++) {
    const char *next = i + 1 < argc ? argv[i + 1] : "-";
    const size_t length = strlen(next);
    const bool named = (length > 5 && strcmp(next + length - 5, ".json") == 0) ||
                       (length > 6 && strcmp(next + length - 6, ".jsonl") == 0);
    if (i > 0 && !*memory && strncmp(argv[i], "--json=", 7) == 0) {
      words[n++] = *memory = cli_format("--json-lines=%s", argv[i] + 7);
    } else if (i > 0 && !*memory && strcmp(argv[i], "--json") == 0 && next[0] != '-' && (named || engine_seen)) {
      words[n++] = *memory = cli_format("--json-lines=%s", next);
      i++;
    } else {
      words[n++] = argv[i];
      engine_seen = engine_seen || (i == 1 && argv[i][0] != '-');
    }
  }
  words[n] = NULL;
  return words;
}

int conform_fail(qe_status_t status, const char *what) {
  if (status == QE_ERROR_INTERRUPTED) return cli_stop_interrupted();
  cli_fail(status, "%s", what);
  switch (status) {
    case QE_ERROR_ENGINE: return CONFORM_NOT_LOADED;
    case QE_ERROR_INVALID_ARGUMENT:
    case QE_ERROR_FORMAT:
    case QE_ERROR_NOT_FOUND:
    case QE_ERROR_SHAPE:
    case QE_ERROR_UNSUPPORTED:
    case QE_ERROR_DTYPE: return CONFORM_USAGE;
    case QE_OK:
    case QE_ERROR_OUT_OF_MEMORY:
    case QE_ERROR_IO:
    case QE_ERROR_EXISTS:
    case QE_ERROR_PLACEMENT:
    case QE_ERROR_NUMERIC:
    case QE_ERROR_STATE:
    case QE_ERROR_INTERRUPTED:
    case QE_ERROR_INTERNAL:
    default: return CONFORM_INTERNAL;
  }
}

int conform_on_progress(void *arg, int64_t done, int64_t total, int64_t bad) {
  cli_progress *p = arg;
  (void)bad;
  if (total > 0) {
    p->total = total;
    cli_progress_update(p, done);
  }
  return cli_interrupted();
}

int conform_read_cases(const char *path, cli_list *cases, char **text) {
  FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
  if (!f) return cli_error(CONFORM_USAGE, "--cases %s cannot be read", path);
  size_t size = 0, capacity = 0;
  do {
    capacity += 65536;
    *text = cli_realloc(*text, capacity, 1);
    size += fread(*text + size, 1, capacity - size - 1, f);
  } while (!feof(f) && !ferror(f));
  (*text)[size] = '\0';
  if (f != stdin) fclose(f);
  /* The first word of each line: what --list prints can be read back. */
  char *state = NULL;
  for (char *line = strtok_r(*text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
    line += strspn(line, " \t\r");
    line[strcspn(line, " \t\r#")] = '\0';
    if (!line[0]) continue;
    cases->items = cli_realloc(cases->items, cases->count + 1, sizeof *cases->items);
    cases->items[cases->count++] = line;
  }
  return cases->count ? CLI_OK : cli_error(CONFORM_USAGE, "--cases %s has no case", path);
}

typedef qe_status_t (*writer)(const qe_conform_report_t *report, char **text);

static int write_report(const conform_args *a, const qe_conform_report_t *report, const char *path, writer write) {
  char *text = NULL;
  if (!path) return CONFORM_OK;
  const qe_status_t status = write(report, &text);
  int code = status == QE_OK ? CONFORM_OK : conform_fail(status, path);
  if (!code && strcmp(path, "-") == 0)
    fputs(text, stdout);
  else if (!code && cli_write_file(path, text, strlen(text), a->force))
    code = CONFORM_INTERNAL;
  qe_string_free(text);
  return code;
}

static int write_reports(const conform_args *a, const qe_conform_report_t *report) {
  int code = write_report(a, report, a->junit, qe_conform_junit);
  if (!code) code = write_report(a, report, a->json_lines, qe_conform_json_lines);
  if (!code) code = write_report(a, report, a->html, qe_conform_html);
  if (!code && a->certificate) {
    if (qe_conform_report_info(report)->conforms)
      code = write_report(a, report, a->certificate, qe_conform_certificate);
    else
      cli_warn("no certificate was written: the engine does not conform");
  }
  return code;
}

static int print_report(const conform_args *a, const qe_conform_report_t *report) {
  if (!cli.json) {
    conform_print(a, report);
    return CONFORM_OK;
  }
  return write_report(a, report, "-", qe_conform_json);
}

static int run_suite(conform_args *a) {
  cli_progress progress;
  qe_conform_report_t *report = NULL;
  cli_progress_start(&progress, "conform", "cases", 0);
  a->options.progress = conform_on_progress;
  a->options.progress_arg = &progress;
  const qe_status_t status = qe_conform_run(a->engine, &a->options, &report);
  cli_progress_finish(&progress);
  int code = status == QE_OK ? write_reports(a, report) : conform_fail(status, a->engine);
  if (!code && !(a->json_lines && strcmp(a->json_lines, "-") == 0)) code = print_report(a, report);
  if (!code) code = qe_conform_report_info(report)->conforms ? CONFORM_OK : CONFORM_FAILS;
  qe_conform_report_destroy(&report);
  return code;
}

static int run_verify(conform_args *a) {
  cli_progress progress;
  qe_conform_report_t *report = NULL;
  int valid = 0;
  cli_progress_start(&progress, "verify", "cases", 0);
  a->options.progress = conform_on_progress;
  a->options.progress_arg = &progress;
  const qe_status_t status = qe_conform_verify(a->verify, a->engine, &a->options, &valid, &report);
  cli_progress_finish(&progress);
  if (status != QE_OK) return conform_fail(status, a->verify);
  char *why = cli_format("%s", valid ? "" : qe_last_error());
  if (cli.json) {
    json_t *object = cli_json_begin();
    cli_json_set(object, "certificate", cli_json_text(a->verify));
    cli_json_set(object, "plugin", cli_json_text(a->engine));
    cli_json_set(object, "valid", json_boolean(valid));
    cli_json_set(object, "verdict", cli_json_text(valid ? "conforms" : "does not conform"));
    cli_json_set(object, "why", cli_json_text(why));
    cli_json_print(object);
  } else {
    if (report && !valid) conform_print(a, report);
    printf("%s: %s", a->verify, valid ? "valid, and the must-pass list passes again" : "not valid: ");
    cli_put_clean(stdout, why);
    putchar('\n');
  }
  free(why);
  qe_conform_report_destroy(&report);
  return valid ? CONFORM_OK : CONFORM_FAILS;
}

static int list_one(void *arg, const char *kernel, const char *text, int must) {
  json_t *cases = arg;
  if (cases) {
    json_t *row = json_object();
    cli_json_set(row, "case", cli_json_text(text));
    cli_json_set(row, "kernel", cli_json_text(kernel));
    cli_json_set(row, "must", json_boolean(must));
    cli_json_append(cases, row);
  } else {
    printf("%s\t%s%s\n", text, kernel, must ? "\tmust" : "");
  }
  return cli_interrupted();
}

static int run_list(const conform_args *a) {
  json_t *cases = cli.json ? json_array() : NULL;
  const qe_status_t status = qe_conform_list(a->engine, &a->options, list_one, cases);
  if (status == QE_OK && cases) {
    json_t *object = cli_json_begin();
    cli_json_set(object, "engine", cli_json_text(a->engine));
    cli_json_set(object, "cases", json_incref(cases));
    cli_json_print(object);
  }
  json_decref(cases);
  if (cli_interrupted()) return cli_stop_interrupted();
  return status == QE_OK ? CONFORM_OK : conform_fail(status, a->engine);
}

static int check_outputs(const conform_args *a) {
  const char *const paths[] = {a->junit, a->json_lines, a->html, a->certificate};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    if (paths[i] && strcmp(paths[i], "-") != 0 && cli_output_check(paths[i], a->force)) return CONFORM_USAGE;
  if (a->certificate && (a->options.op || a->options.kernel || a->options.n_cases))
    return cli_usage("--certificate needs a whole suite, without --op, --kernel, --case and --cases");
  return CONFORM_OK;
}

/* N=FILE of each --replay, with a look at the files so that a wrong name is told before anything runs. */
static int read_replays(conform_args *a, qe_conform_replay_t **out) {
  if (!a->replay.count) return CONFORM_OK;
  if (a->case_file || !a->cases.count || a->verify || a->model || a->list)
    return cli_usage("--replay goes with --case, and not with --cases, --list, --verify and --model");
  if (a->options.minimize || a->options.perf) return cli_usage("--replay does not go with --minimize and --perf");
  qe_conform_replay_t *replays = *out = cli_calloc(a->replay.count, sizeof *replays);
  for (size_t i = 0; i < a->replay.count; i++) {
    const char *text = a->replay.items[i];
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 4 || text[digits] != '=' || !text[digits + 1])
      return cli_usage("--replay: '%s' is not N=FILE, the index of an input and a .npy or .npz file", text);
    replays[i] = (qe_conform_replay_t){(uint32_t)strtoul(text, NULL, 10), text + digits + 1};
    qe_tensor_t *t = NULL;
    const qe_status_t status = qe_tensor_load(replays[i].path, NULL, &t);
    qe_tensor_release(&t);
    if (status == QE_OK) continue;
    cli_fail(status, "--replay %s", text);
    return CONFORM_USAGE;
  }
  a->options.n_replays = (uint32_t)a->replay.count;
  a->options.replays = replays;
  return CONFORM_OK;
}

static int dispatch(conform_args *a) {
  if (a->verify && (a->options.op || a->options.kernel || a->cases.count || a->case_file || a->options.isa_masks))
    return cli_usage("--verify runs the whole must-pass list, without --op, --kernel, --case, --cases and --isa-masks");
  if (a->verify) return run_verify(a);
  if (a->model) return conform_run_model(a);
  if (a->data.count) return cli_usage("--data is for --model");
  if (a->batch || a->samples) return cli_usage("--batch and --samples are for --model");
  if (a->list) return run_list(a);
  const int code = check_outputs(a);
  return code ? code : run_suite(a);
}

static int run(const cli_command *self, int argc, char **argv) {
  conform_args a = {
      .options = {.struct_size = sizeof a.options, .suite = QE_CONFORM_MUSTPASS, .seed = 1}
  };
  char *memory, *case_text = NULL;
  size_t count;
  char **words = name_json_file(argc, argv, &memory);
  int n = 0;
  while (words[n]) n++;
  const char **args = cli_parse(self, parse, &a, n, words, 1, 1, &count);
  a.engine = args[0];
  int code = a.case_file ? conform_read_cases(a.case_file, &a.cases, &case_text) : CONFORM_OK;
  a.options.n_cases = (uint32_t)a.cases.count;
  a.options.cases = a.cases.items;
  qe_conform_replay_t *replays = NULL;
  if (!code) code = read_replays(&a, &replays);
  if (!code) code = dispatch(&a);
  free(replays);
  free(args);
  free(words);
  free(memory);
  free(case_text);
  free(a.cases.items);
  free(a.data.items);
  free(a.replay.items);
  return code;
}

const cli_command cli_command_conform = {
    .name = "conform",
    .args = "ENGINE|PLUGIN.so",
    .summary = "test whether an engine is right, how right, and what breaks it",
    .description =
        "Runs conformance cases against every kernel of an engine, named or as a plugin's file, in worker processes: a "
        "crash or a hang is the result of one case, and the run goes on. Each kernel's results are compared with the "
        "reference's, at the exactness that it claims, and watched for what a kernel must not do.\n\n"
        "Verdicts: PASS, FAIL, CRASH, TIMEOUT, REFUSED (an error that had to come), UNSUPPORTED, MISTRUSTED (data that "
        "says "
        "little), WAIVED. Levels, claimed and observed: E0 same bytes as the reference, E1 off by one on ties only, E2 "
        "within one quantum on 0.1 % of the elements, E3 float within the declared bound, E4 statistical.\n\n"
        "Exit status here: 0 conforms, 1 does not, 2 wrong command line or input, 3 internal error, 4 the plugin did "
        "not "
        "load, 130 interrupted (no report is written).",
    .examples = "qengine conform ./libvendor.so\nqengine conform ./libvendor.so --suite full --html report.html "
                "--junit report.xml\n"
                "qengine conform ./libvendor.so --op 'Conv*' --minimize\nqengine conform ./libvendor.so --certificate "
                "vendor.json\n"
                "qengine conform --verify vendor.json ./libvendor.so\nqengine conform ./libvendor.so --model m.onnx "
                "--data x.npy",
    .options = options,
    .run = run,
};
