/*
 * Subcommands as tables. The one description of a subcommand (its options included) drives parsing, --help, the
 * suggestions after a typo, the man pages and the shell completion.
 */
#ifndef QE_CLI_COMMAND_H
#define QE_CLI_COMMAND_H

#include <argp.h>

#include "cli.h"

typedef struct cli_command {
  const char *name;
  const char *args;        /* "MODEL", "A B": what follows the options */
  const char *summary;     /* one line, lower case, no full stop */
  const char *description; /* paragraphs, an empty line between them */
  const char *examples;    /* one command a line */
  const struct argp_option *options; /* its own; the common ones are added */
  int (*run)(const struct cli_command *self, int argc, char **argv); /* argv[0] is "qengine NAME" */
  bool shares;             /* several processes (mpirun) do it together; else it is for one */
} cli_command;

extern const cli_command cli_command_engines, cli_command_conform, cli_command_info, cli_command_quantize, cli_command_calibrate,
    cli_command_stats, cli_command_run, cli_command_eval, cli_command_compare, cli_command_explain, cli_command_advise, cli_command_bench,
    cli_command_plugin, cli_command_train;

/* All of them, NULL at the end, in the order that help shows. */
extern const cli_command *const cli_commands[];
extern const struct argp_option cli_common_options[];

/* Values of an option that may be given several times, or once with several values after it. */
typedef struct cli_list {
  const char **items;
  size_t count;
} cli_list;

/*
 * Parses argv. `parser` sees the command's own options only, with `input` as state->input; the common options go to
 * `cli`. Arguments that are no options become the `least`..`most` positional ones (array owned by the caller, as is
 * every list's); those that follow a value of a list option are values of that list, unless positionals are missing.
 * --help and --version print and exit; a wrong command line reports and exits with CLI_USAGE.
 */
const char **cli_parse(const cli_command *command, argp_parser_t parser, void *input, int argc, char **argv,
                       size_t least, size_t most, size_t *count);
/* For parsers: one more value of a list option. */
void cli_list_add(cli_list *list, const char *value);

/* For parsers: values of options; what is wrong ends the process with CLI_USAGE. */
int64_t cli_int_value(const char *option, const char *text, int64_t least, int64_t most);
double cli_real_value(const char *option, const char *text);
/* Index in `names` (NULL at the end). */
int cli_choice_value(const char *option, const char *text, const char *const *names);
/* "MEAN,STD" */
void cli_normalize_value(const char *text, float *mean, float *std);

/* --help text and the table of commands. */
void cli_print_help(FILE *file);
/* Reports an unknown command with the nearest one. Returns CLI_USAGE. */
int cli_unknown_command(const char *name);

/* Applies --engine and --threads to the library. CLI_OK or an exit code, message printed. */
int cli_apply_engine(void);
/* Options for sessions by the common options. */
qe_session_options_t cli_session_options(void);

/* Man pages (qengine.1 and one for each subcommand) into a folder; completion for bash on stdout. Exit codes. */
int cli_generate_man(const char *folder);
int cli_generate_completion(void);

#endif
