/* Parts of `qengine conform`: what the command line said, and the printing of what came out. */
#ifndef QE_CLI_CONFORM_H
#define QE_CLI_CONFORM_H

#include "command.h"

/* Exit codes of this command, which differ from the others': a script has to tell a wrong engine from a broken run. */
enum { CONFORM_OK = 0, CONFORM_FAILS = 1, CONFORM_USAGE = 2, CONFORM_INTERNAL = 3, CONFORM_NOT_LOADED = 4 };

typedef struct conform_args {
  const char *engine;
  qe_conform_options_t options;
  cli_list cases;        /* --case */
  const char *case_file; /* --cases, "-": standard input */
  const char *junit, *json_lines, *html, *certificate, *verify, *model;
  cli_list data;
  int64_t batch, samples; /* of --data; 0: not given */
  cli_list replay; /* --replay N=FILE, as given */
  bool list, force;
} conform_args;

/* Exit code of this command for a failed library call, with its message printed. */
int conform_fail(qe_status_t status, const char *what);
/* The caller's progress function and what it draws. */
int conform_on_progress(void *arg, int64_t done, int64_t total, int64_t bad);
/* Adds the cases of a file, one a line ('#' begins a comment); *text keeps them. CLI_OK or an exit code. */
int conform_read_cases(const char *path, cli_list *cases, char **text);

/* Failure blocks, the table of kernels, times, totals, verdict. */
void conform_print(const conform_args *a, const qe_conform_report_t *report);
/* One block of at most 12 lines. */
void conform_print_failure(const conform_args *a, const qe_conform_report_t *report, const qe_conform_case_t *c);
/* `--model`. */
int conform_run_model(const conform_args *a);

#endif
