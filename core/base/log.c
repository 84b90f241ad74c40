/* Messages for people. The level is read from QENGINE_LOG on first use unless a caller set it before. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/env.h"

enum { LINE_SIZE = 2048, LEVEL_UNSET = -1 };

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static atomic_int max_level = LEVEL_UNSET;
static void (*log_fn)(void *arg, qe_log_level_t level, const char *message);
static void *log_arg;

void qe_set_log(void (*fn)(void *arg, qe_log_level_t level, const char *message), void *arg) {
  log_fn = fn;
  log_arg = arg;
}

void qe_set_log_level(qe_log_level_t level) { atomic_store(&max_level, (int)level); }

static void write_stderr(qe_log_level_t level, const char *text) {
  fprintf(stderr, "qengine: %s: %s\n", level_names[level], text);
}

static void emit(qe_log_level_t level, const char *text) {
  if (log_fn != NULL) {
    log_fn(log_arg, level, text);
  } else {
    write_stderr(level, text);
  }
}

/* A set-user-id program must not be made talkative by its caller. */
static int level_from_environment(void) {
  const char *text = qe__secure_getenv("QENGINE_LOG");
  if (text == NULL || text[0] == 0) return QE_LOG_WARNING;
  for (int level = QE_LOG_ERROR; level <= QE_LOG_DEBUG; level++) {
    if (strcasecmp(text, level_names[level]) == 0) return level;
  }
  char line[160];
  snprintf(line, sizeof line, "QENGINE_LOG is \"%.64s\"; expected error, warning, info or debug; using warning", text);
  emit(QE_LOG_WARNING, line);
  return QE_LOG_WARNING;
}

static int current_level(void) {
  int level = atomic_load(&max_level);
  if (level != LEVEL_UNSET) return level;
  const int found = level_from_environment();
  /* A level set meanwhile by qe_set_log_level wins. */
  return atomic_compare_exchange_strong(&max_level, &level, found) ? found : level;
}

void qe__log(qe_log_level_t level, const char *format, ...) {
  if ((int)level < QE_LOG_ERROR || (int)level > QE_LOG_DEBUG || (int)level > current_level()) return;
  char line[LINE_SIZE];
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length >= 0) emit(level, line);
}
