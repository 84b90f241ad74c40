/*
 * What every part of the `qengine` command shares: settings of the common options, exit codes, messages.
 *
 * The command stands on the public headers only. It is one process with one command to do, so its settings are one
 * visible global, and running out of memory ends it with a message.
 */
#ifndef QE_CLI_H
#define QE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "qengine.h"

#if defined(__GNUC__)
#define CLI_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define CLI_NORETURN __attribute__((noreturn))
#else
#define CLI_PRINTF(f, a)
#define CLI_NORETURN
#endif

/* The command's exit codes; scripts rely on them. */
enum {
  CLI_OK = 0,
  CLI_FAILED = 1,
  CLI_USAGE = 2,
  CLI_TOLERANCE = 3,
  CLI_UNSUPPORTED = 4,
  CLI_ENGINE = 5,
  CLI_INTERRUPTED = 130
};

/* The common options, as given. */
typedef struct cli_settings {
  const char *command;  /* name of the subcommand, or NULL */
  const char *engine;   /* NULL: QUANTIZED_ENGINE, else the best usable */
  uint32_t threads;     /* 0: the library's default */
  int verbose;          /* -1 quiet, 0, 1, 2 */
  bool strict, json;
  bool color_out, color_err;
} cli_settings;
extern cli_settings cli;

/* ---- messages (messages.c): all on stderr, with the program's name, control characters made harmless ---- */

/* Exit code for a library status. */
int cli_exit_code(qe_status_t status);
/*
 * Reports a failed library call: the message given, then qe_last_error(). With --json an object with `error` goes to
 * stdout as well. Returns the exit code.
 */
int cli_fail(qe_status_t status, const char *format, ...) CLI_PRINTF(2, 3);
/* The same for what the command itself found wrong. Returns `exit_code`. */
int cli_error(int exit_code, const char *format, ...) CLI_PRINTF(2, 3);
/* A wrong command line: the message, and where help is. Returns CLI_USAGE. */
int cli_usage(const char *format, ...) CLI_PRINTF(1, 2);
/* Remembered for the `warnings` of the JSON output too. */
void cli_warn(const char *format, ...) CLI_PRINTF(1, 2);
/* Not with -q. */
void cli_note(const char *format, ...) CLI_PRINTF(1, 2);
/* Routes the library's messages through here and sets their level by -q / -v. */
void cli_messages_init(void);
/* While on, the library's messages other than errors are dropped: for what has been told once and is done many times. */
void cli_messages_hold(bool on);
/* Warnings so far. */
size_t cli_warning_count(void);
const char *cli_warning_at(size_t index);

/* ---- memory and text (text.c): failure ends the process with a message ---- */

CLI_NORETURN void cli_out_of_memory(void);
void *cli_calloc(size_t count, size_t size);
void *cli_realloc(void *block, size_t count, size_t size);
char *cli_format(const char *format, ...) CLI_PRINTF(1, 2); /* free() it */
/* Writes text with control characters as '?', so that a model's names cannot drive the terminal. */
void cli_put_clean(FILE *file, const char *text);
/* "float32 [batch,1,28,28]"; free() it. symbols may be NULL. */
char *cli_type_text(qe_dtype_t dtype, int32_t rank, const int64_t *dims, const char *const *symbols);
/* "1.2 MiB" */
const char *cli_bytes_text(uint64_t bytes, char buffer[32]);
/* Of `count` names (get(arg, i)) the one nearest to `text`, or NULL when none is near. */
const char *cli_nearest(const char *text, size_t count, const char *(*get)(const void *arg, size_t index),
                        const void *arg);
bool cli_same_case_insensitive(const char *a, const char *b);

/* ---- interruption (interrupt.c) ---- */

/* SIGINT and SIGTERM raise a flag; a second one ends the process at once. */
void cli_interrupt_install(void);
bool cli_interrupted(void);
/* Says so and returns CLI_INTERRUPTED. */
int cli_stop_interrupted(void);

/* ---- progress (progress.c): a bar on a terminal, a plain line now and then elsewhere, nothing with -q ---- */

typedef struct cli_progress {
  const char *label, *unit;
  int64_t total, done;
  double started, last;
  bool bar, silent;
} cli_progress;
void cli_progress_start(cli_progress *p, const char *label, const char *unit, int64_t total);
void cli_progress_update(cli_progress *p, int64_t done);
void cli_progress_finish(cli_progress *p);
/* Removes the bar before a message is written. */
void cli_progress_clear(void);
double cli_now(void); /* seconds, monotonic */

/* ---- outputs (outputs.c) ---- */

/* Before long work: is `path` free (or force), its folder there and writable? CLI_OK or an exit code, message printed.
 */
int cli_output_check(const char *path, bool force);
/* Size of a model's file, external data beside it included; 0 when unknown. */
uint64_t cli_model_file_bytes(const char *path);
/* Writes to a temporary file beside `path` and renames it. CLI_OK or an exit code, message printed. */
int cli_write_file(const char *path, const char *text, size_t size, bool force);
/* Flushes stdout and reports a failed write (a full disk). Returns `code`, or CLI_FAILED. */
int cli_finish_stdout(int code);

#endif
