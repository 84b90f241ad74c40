/* `qengine COMMAND ...`: finds the command, moves options given before it behind it, runs it. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"

const cli_command *const cli_commands[] = {
  &cli_command_quantize, &cli_command_calibrate, &cli_command_stats, &cli_command_train, &cli_command_run, &cli_command_eval,
  &cli_command_compare, &cli_command_explain, &cli_command_advise, &cli_command_info, &cli_command_engines, &cli_command_bench,
  &cli_command_conform, &cli_command_plugin, NULL,
};

static const char *command_name(const void *arg, size_t index) {
  (void)arg;
  return cli_commands[index]->name;
}

static size_t command_count(void) {
  size_t n = 0;
  while (cli_commands[n]) n++;
  return n;
}

void cli_print_help(FILE *file) {
  fputs("Usage: qengine COMMAND [OPTION...]\nQuantizes neural networks and runs them in int8.\n\nCommands:\n", file);
  for (size_t i = 0; cli_commands[i]; i++)
    fprintf(file, "  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
  fputs("\nOptions of every command:\n", file);
  for (const struct argp_option *o = cli_common_options; o->name; o++) {
    char left[40];
    const bool has_letter = o->key < 0x80;
    snprintf(left, sizeof left, "%c%c%c --%s%s%s", has_letter ? '-' : ' ', has_letter ? o->key : ' ',
             has_letter ? ',' : ' ', o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
    fprintf(file, "  %-22s %s\n", left, o->doc);
  }
  fputs(
      "\nExit codes: 0 done, 1 failed, 2 wrong command line, 3 tolerance exceeded, 4 unsupported or strict placement\n"
      "violated, 5 engine could not be loaded, 130 interrupted.\n'qengine COMMAND --help' says more about a command.\n",
      file);
}

int cli_unknown_command(const char *name) {
  const char *near = cli_nearest(name, command_count(), command_name, NULL);
  if (near) return cli_usage("unknown command '%s'; did you mean '%s'?", name, near);
  return cli_usage("unknown command '%s'", name);
}

static const cli_command *find(const char *name) {
  for (size_t i = 0; cli_commands[i]; i++)
    if (strcmp(cli_commands[i]->name, name) == 0) return cli_commands[i];
  return NULL;
}

/* Does this common option take its value from the next word? */
static bool takes_next(const char *word) {
  if (strncmp(word, "--", 2) != 0 || strchr(word, '=')) return false;
  for (const struct argp_option *o = cli_common_options; o->name; o++)
    if (o->arg && strcmp(o->name, word + 2) == 0) return true;
  return false;
}

static int run_command(const cli_command *command, int argc, char **argv, int at) {
  if (qe_process_count() > 1 && !command->shares)
    return cli_usage("%s: %u processes were started, but this command is for one; start it without mpirun", command->name,
                     qe_process_count());
  char **words = cli_calloc((size_t)argc + 1, sizeof *words);
  char *name = cli_format("qengine %s", command->name);
  int n = 0;
  words[n++] = name;
  for (int i = 1; i < argc; i++)
    if (i != at) words[n++] = argv[i];
  cli.command = command->name;
  cli_interrupt_install();
  const int code = command->run(command, n, words);
  free(words);
  free(name);
  return code;
}

static int print_version(void) {
  if (cli.json) {
    json_t *object = cli_json_begin();
    cli_json_set(object, "version", cli_json_text(qe_version()));
    cli_json_print(object);
  } else {
    printf("qengine %s\n", qe_version());
  }
  return CLI_OK;
}

/* `qengine` without a command: --help, --version, and what the build asks for. */
static int without_command(int argc, char **argv) {
  bool version = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
      cli_print_help(stdout);
      return CLI_OK;
    }
    if (strcmp(argv[i], "--generate-man") == 0 && i + 1 < argc) return cli_generate_man(argv[i + 1]);
    if (strcmp(argv[i], "--generate-completion") == 0) return cli_generate_completion();
    version = version || strcmp(argv[i], "--version") == 0;
  }
  if (version) return print_version();
  const cli_command none = { .args = "COMMAND", .description = "" };
  size_t count = 0;
  if (argc > 1) free(cli_parse(&none, NULL, NULL, argc, argv, 1, 1, &count)); /* reports what is wrong and exits */
  cli_print_help(stderr);
  return CLI_USAGE;
}

/* Known before anything else: what is wrong with the command line is told in JSON too. */
static bool asks_for_json(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--json") == 0) return true;
  return false;
}

static int run(int argc, char **argv) {
  int at = 1;
  cli.json = asks_for_json(argc, argv);
  while (at < argc && argv[at][0] == '-') {
    if (strncmp(argv[at], "--generate-", 11) == 0) return without_command(argc, argv);
    at += takes_next(argv[at]) ? 2 : 1;
  }
  if (at >= argc) return without_command(argc, argv);
  if (strcmp(argv[at], "help") == 0) {
    if (at + 1 >= argc) {
      cli_print_help(stdout);
      return CLI_OK;
    }
    const cli_command *command = find(argv[at + 1]);
    if (!command) return cli_unknown_command(argv[at + 1]);
    char help[] = "--help";
    char *words[] = { argv[0], help, NULL };
    return run_command(command, 2, words, -1);
  }
  const cli_command *command = find(argv[at]);
  return command ? run_command(command, argc, argv, at) : cli_unknown_command(argv[at]);
}

int main(int argc, char **argv) {
  return cli_finish_stdout(run(argc, argv));
}
