/* Messages on stderr, and the one table that turns a library status into an exit code. */
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"

cli_settings cli;

static const struct {
  qe_status_t status;
  int exit_code;
} exit_codes[] = {
  { QE_OK, CLI_OK },
  { QE_ERROR_UNSUPPORTED, CLI_UNSUPPORTED },
  { QE_ERROR_PLACEMENT, CLI_UNSUPPORTED },
  { QE_ERROR_ENGINE, CLI_ENGINE },
  { QE_ERROR_INTERRUPTED, CLI_INTERRUPTED },
};

int cli_exit_code(qe_status_t status) {
  for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++)
    if (exit_codes[i].status == status) return exit_codes[i].exit_code;
  return CLI_FAILED;
}

/* Kept for the JSON output. Kernels' threads may log, hence the lock. */
static pthread_mutex_t warnings_lock = PTHREAD_MUTEX_INITIALIZER;
static char **warnings;
static size_t n_warnings;

static void remember_warning(const char *text) {
  pthread_mutex_lock(&warnings_lock);
  warnings = cli_realloc(warnings, n_warnings + 1, sizeof *warnings);
  warnings[n_warnings++] = cli_format("%s", text);
  pthread_mutex_unlock(&warnings_lock);
}

size_t cli_warning_count(void) {
  return n_warnings;
}

const char *cli_warning_at(size_t index) {
  return warnings[index];
}

static void put(const char *kind, const char *color, const char *text) {
  cli_progress_clear();
  flockfile(stderr);
  fputs("qengine: ", stderr);
  if (kind) {
    if (cli.color_err) fputs(color, stderr);
    fprintf(stderr, "%s:", kind);
    if (cli.color_err) fputs("\033[0m", stderr);
    fputc(' ', stderr);
  }
  cli_put_clean(stderr, text);
  fputc('\n', stderr);
  funlockfile(stderr);
}

static char *format_list(const char *format, va_list args) {
  char *text = NULL;
  if (vasprintf(&text, format, args) < 0) cli_out_of_memory();
  return text;
}

static void put_error(const char *text, const char *status_name) {
  put("error", "\033[1;31m", text);
  if (cli.json) cli_json_error(status_name, text);
}

int cli_fail(qe_status_t status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = format_list(format, args);
  va_end(args);
  const char *detail = qe_last_error();
  if (!detail[0]) detail = qe_status_text(status);
  const bool told = strncmp(detail, text, strlen(text)) == 0; /* the library often begins with the file's name, too */
  char *whole = told ? cli_format("%s", detail) : cli_format("%s: %s", text, detail);
  put_error(whole, qe_status_text(status));
  free(text);
  free(whole);
  return cli_exit_code(status);
}

int cli_error(int exit_code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = format_list(format, args);
  va_end(args);
  const char *name = "failed";
  switch (exit_code) {
    case CLI_USAGE: name = "usage"; break;
    case CLI_UNSUPPORTED: name = qe_status_text(QE_ERROR_UNSUPPORTED); break;
    case CLI_ENGINE: name = qe_status_text(QE_ERROR_ENGINE); break;
    case CLI_INTERRUPTED: name = qe_status_text(QE_ERROR_INTERRUPTED); break;
    default: break;
  }
  put_error(text, name);
  free(text);
  return exit_code;
}

int cli_usage(const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = format_list(format, args);
  va_end(args);
  put_error(text, "usage");
  free(text);
  if (cli.command) fprintf(stderr, "Try 'qengine %s --help'.\n", cli.command);
  else fputs("Try 'qengine --help'.\n", stderr);
  return CLI_USAGE;
}

void cli_warn(const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = format_list(format, args);
  va_end(args);
  if (cli.verbose >= 0) put("warning", "\033[1;33m", text);
  remember_warning(text);
  free(text);
}

void cli_note(const char *format, ...) {
  if (cli.verbose < 0) return;
  va_list args;
  va_start(args, format);
  char *text = format_list(format, args);
  va_end(args);
  put(NULL, "", text);
  free(text);
}

static bool held;

void cli_messages_hold(bool on) {
  held = on;
}

static void on_log(void *arg, qe_log_level_t level, const char *message) {
  (void)arg;
  if (held && level != QE_LOG_ERROR) return;
  switch (level) {
    case QE_LOG_ERROR: put("error", "\033[1;31m", message); break;
    case QE_LOG_WARNING:
      if (cli.verbose >= 0) put("warning", "\033[1;33m", message);
      remember_warning(message);
      break;
    case QE_LOG_INFO: put(NULL, "", message); break;
    case QE_LOG_DEBUG:
    default: put("debug", "\033[2m", message); break;
  }
}

void cli_messages_init(void) {
  qe_set_log(on_log, NULL);
  /* Without -q or -v the level stays that of QENGINE_LOG. Quiet warnings still reach the JSON. */
  if (cli.verbose > 0) qe_set_log_level(cli.verbose > 1 ? QE_LOG_DEBUG : QE_LOG_INFO);
}
