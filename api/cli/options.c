/* The command line: argp for each subcommand, with the common options added and typos answered with a suggestion. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

enum { KEY_ENGINE = 0x1000, KEY_THREADS, KEY_STRICT, KEY_JSON, KEY_COLOR, KEY_VERSION };

const struct argp_option cli_common_options[] = {
  { "engine", KEY_ENGINE, "NAME", 0, "engine for quantized ops (default: QUANTIZED_ENGINE, else the best usable one)",
    1 },
  { "threads", KEY_THREADS, "N", 0, "threads to compute with (default: QENGINE_THREADS, else all cores)", 1 },
  { "strict", KEY_STRICT, NULL, 0, "a quantized op that the engine does not provide is an error (exit code 4)", 1 },
  { "json", KEY_JSON, NULL, 0, "one JSON object on standard output", 1 },
  { "quiet", 'q', NULL, 0, "errors only", 1 },
  { "verbose", 'v', NULL, 0, "more detail; twice for debugging", 1 },
  { "color", KEY_COLOR, "WHEN", 0, "auto, always or never (default: auto, which heeds NO_COLOR)", 1 },
  { "help", 'h', NULL, 0, "this text", 1 },
  { "version", KEY_VERSION, NULL, 0, "the version", 1 },
  { 0 },
};

/* ---- what one parse collects ---- */

typedef struct positional {
  const char *text;
  cli_list *list; /* the list it may belong to, or NULL */
} positional;

static struct {
  positional *items;
  size_t count;
  cli_list *last_list;
  const char *last_value; /* where the last list value was in argv */
  const char *color;
} parsed;

void cli_list_add(cli_list *list, const char *value) {
  list->items = cli_realloc(list->items, list->count + 1, sizeof *list->items);
  list->items[list->count++] = value;
  parsed.last_list = list;
  parsed.last_value = value;
}

/* Is the argument before this one the last list value ("--calib X" or "--calib=X")? */
static bool follows_list(const struct argp_state *state) {
  const int before = state->next - 2;
  if (!parsed.last_list || before < 1) return false;
  const char *word = state->argv[before];
  return parsed.last_value >= word && parsed.last_value <= word + strlen(word);
}

static error_t parse_common(int key, char *arg, struct argp_state *state) {
  switch (key) {
    case KEY_ENGINE: cli.engine = arg; return 0;
    case KEY_THREADS: cli.threads = (uint32_t)cli_int_value("--threads", arg, 1, 4096); return 0;
    case KEY_STRICT: cli.strict = true; return 0;
    case KEY_JSON: cli.json = true; return 0;
    case 'q': cli.verbose = -1; return 0;
    case 'v': cli.verbose = cli.verbose < 0 ? 1 : cli.verbose + 1; return 0;
    case KEY_COLOR: parsed.color = arg; return 0;
    case 'h':
      argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK);
      exit(cli_finish_stdout(CLI_OK));
    case KEY_VERSION: printf("qengine %s\n", qe_version()); exit(cli_finish_stdout(CLI_OK));
    case ARGP_KEY_ARG: {
      const bool in_list = follows_list(state);
      parsed.items = cli_realloc(parsed.items, parsed.count + 1, sizeof *parsed.items);
      parsed.items[parsed.count++] = (positional){ arg, in_list ? parsed.last_list : NULL };
      if (in_list) parsed.last_value = arg;
      return 0;
    }
    default: return ARGP_ERR_UNKNOWN;
  }
}

/* ---- a look ahead for options that do not exist, so that they get a suggestion ---- */

static const struct argp_option *option_at(const cli_command *command, size_t index) {
  for (const struct argp_option *o = command->options; o && (o->name || o->key); o++)
    if (index-- == 0) return o;
  for (const struct argp_option *o = cli_common_options; o->name; o++)
    if (index-- == 0) return o;
  return NULL;
}

static const char *option_name(const void *arg, size_t index) {
  const struct argp_option *o = option_at(arg, index);
  return o && !(o->flags & OPTION_HIDDEN) ? o->name : NULL;
}

static size_t option_count(const cli_command *command) {
  size_t n = 0;
  while (option_at(command, n)) n++;
  return n;
}

/* The option that "--name" (length given) means, as getopt sees it: exact, or the only one it begins. */
static const struct argp_option *find_long(const cli_command *command, const char *name, size_t length) {
  const struct argp_option *found = NULL;
  bool ambiguous = false;
  for (size_t i = 0; i < option_count(command); i++) {
    const struct argp_option *o = option_at(command, i);
    if (!o->name || strncmp(o->name, name, length) != 0) continue;
    if (strlen(o->name) == length) return o;
    if (found) ambiguous = true;
    found = o;
  }
  if (!ambiguous) return found;
  exit(cli_usage("option '--%.*s' could mean several options; write it out", (int)length, name));
}

static const struct argp_option *find_short(const cli_command *command, char letter) {
  for (size_t i = 0; i < option_count(command); i++) {
    const struct argp_option *o = option_at(command, i);
    if (o->key == letter) return o;
  }
  return NULL;
}

static void check_options(const cli_command *command, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--") == 0) return;
    if (strncmp(word, "--", 2) == 0) {
      const size_t length = strcspn(word + 2, "=");
      const struct argp_option *o = find_long(command, word + 2, length);
      if (!o) {
        char name[64]; /* longer ones have no near match anyway */
        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), word + 2);
        const char *near = cli_nearest(name, option_count(command), option_name, command);
        if (near) exit(cli_usage("unknown option '--%s'; did you mean '--%s'?", name, near));
        exit(cli_usage("unknown option '--%s'", name));
      }
      if (!o->arg && word[2 + length]) exit(cli_usage("option '--%s' takes no value", o->name));
      if (o->arg && !word[2 + length] && ++i >= argc)
        exit(cli_usage("option '--%s' needs a value: %s", o->name, o->arg));
    } else if (word[0] == '-' && word[1]) {
      for (const char *letter = word + 1; *letter; letter++) {
        const struct argp_option *o = find_short(command, *letter);
        if (!o) exit(cli_usage("unknown option '-%c'", *letter));
        if (!o->arg) continue;
        if (!letter[1] && ++i >= argc) exit(cli_usage("option '-%c' needs a value: %s", *letter, o->arg));
        break;
      }
    }
  }
}

static bool wants_color(int file) {
  const char *when = parsed.color ? parsed.color : "auto";
  static const char *const names[] = { "auto", "always", "never", NULL };
  const int choice = cli_choice_value("--color", when, names);
  if (choice != 0) return choice == 1;
  const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
  return isatty(file) && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}

/* Splits what was collected into positionals and list values. */
static const char **settle(const cli_command *command, size_t least, size_t most, size_t *count) {
  size_t outside = 0;
  for (size_t i = 0; i < parsed.count; i++) outside += parsed.items[i].list == NULL;
  size_t missing = outside < least ? least - outside : 0;
  for (size_t i = parsed.count; i-- > 0 && missing > 0;) {
    if (!parsed.items[i].list) continue;
    parsed.items[i].list = NULL; /* "--calib X MODEL" */
    missing--;
    outside++;
  }
  if (outside < least) exit(cli_usage("%s is missing", command->args));
  const char **texts = cli_calloc(outside, sizeof *texts);
  *count = 0;
  for (size_t i = 0; i < parsed.count; i++) {
    const positional *p = &parsed.items[i];
    if (p->list) {
      p->list->items = cli_realloc(p->list->items, p->list->count + 1, sizeof *p->list->items);
      p->list->items[p->list->count++] = p->text;
    } else if (*count == most) {
      exit(cli_usage("unexpected argument '%s'", p->text));
    } else {
      texts[(*count)++] = p->text;
    }
  }
  free(parsed.items);
  memset(&parsed, 0, sizeof parsed);
  return texts;
}

const char **cli_parse(const cli_command *command, argp_parser_t parser, void *input, int argc, char **argv,
                       size_t least, size_t most, size_t *count) {
  const struct argp common = { cli_common_options, parse_common, NULL, NULL, NULL, NULL, NULL };
  const struct argp_child children[] = { { &common, 0, "Common options:", 100 }, { 0 } };
  char *doc = cli_format("%s\v%s%s%s", command->description, command->examples ? "Examples:\n" : "",
                         command->examples ? command->examples : "", command->examples ? "" : "See qengine(1).");
  const struct argp argp = { command->options, parser, command->args, doc, children, NULL, NULL };
  memset(&parsed, 0, sizeof parsed);
  argp_err_exit_status = CLI_USAGE;
  check_options(command, argc, argv);
  const error_t error = argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_IN_ORDER, NULL, input);
  free(doc);
  if (error) exit(cli_usage("%s", strerror(error)));
  cli.color_out = wants_color(STDOUT_FILENO);
  cli.color_err = wants_color(STDERR_FILENO);
  const char **texts = settle(command, least, most, count);
  cli_messages_init();
  return texts;
}

/* ---- values ---- */

int64_t cli_int_value(const char *option, const char *text, int64_t least, int64_t most) {
  char *end = NULL;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno || value < least || value > most)
    exit(
        cli_usage("%s: '%s' is not a whole number from %lld to %lld", option, text, (long long)least, (long long)most));
  return value;
}

double cli_real_value(const char *option, const char *text) {
  char *end = NULL;
  const double value = strtod(text, &end);
  if (end == text || *end || !isfinite(value)) exit(cli_usage("%s: '%s' is not a finite number", option, text));
  return value;
}

static const char *name_at(const void *arg, size_t index) {
  return ((const char *const *)arg)[index];
}

int cli_choice_value(const char *option, const char *text, const char *const *names) {
  size_t n = 0;
  for (; names[n]; n++)
    if (strcmp(names[n], text) == 0) return (int)n;
  char all[256] = "";
  for (size_t i = 0, used = 0; i < n && used < sizeof all; i++)
    used += (size_t)snprintf(all + used, sizeof all - used, "%s%s",
                             i == 0      ? ""
                             : i + 1 < n ? ", "
                                         : " or ",
                             name_at(names, i));
  const char *near = cli_nearest(text, n, name_at, names);
  if (near) exit(cli_usage("%s: '%s' is none of %s; did you mean '%s'?", option, text, all, near));
  exit(cli_usage("%s: '%s' is none of %s", option, text, all));
}

void cli_normalize_value(const char *text, float *mean, float *std) {
  char *end = NULL;
  *mean = strtof(text, &end);
  bool good = end != text && *end == ',';
  if (good) {
    const char *second = end + 1;
    *std = strtof(second, &end);
    good = end != second && !*end && isfinite(*mean) && isfinite(*std) && *std > 0.0f;
  }
  if (!good) exit(cli_usage("--normalize: '%s' is not MEAN,STD, as in 0.5,0.5, with STD above 0", text));
}

/* ---- the library's settings ---- */

int cli_apply_engine(void) {
  if (cli.threads) qe_set_threads(cli.threads);
  if (!cli.engine) return CLI_OK;
  const qe_status_t status = qe_set_engine(cli.engine);
  return status == QE_OK ? CLI_OK : cli_fail(status, "--engine %s", cli.engine);
}

qe_session_options_t cli_session_options(void) {
  qe_session_options_t options = { 0 };
  options.struct_size = sizeof options;
  options.engine = cli.engine;
  options.threads = cli.threads;
  options.strict = cli.strict;
  return options;
}
