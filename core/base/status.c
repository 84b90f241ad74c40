/* The thread-local error message, and the names of status codes and data types. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 2048 };

static _Thread_local char message[MESSAGE_SIZE];

/* A cut message must say so, or its reader trusts half a path. */
static void mark_cut(char *text, int wanted) {
  static const char ending[] = "...";
  if (wanted >= MESSAGE_SIZE) memcpy(text + MESSAGE_SIZE - sizeof ending, ending, sizeof ending);
}

qe_status_t qe__fail(qe_status_t status, const char *format, ...) {
  /* The arguments may point into the current message, so it is replaced only at the end. */
  char text[MESSAGE_SIZE];
  va_list args;
  va_start(args, format);
  const int wanted = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (wanted < 0) return status;
  mark_cut(text, wanted);
  memcpy(message, text, strlen(text) + 1);
  return status;
}

qe_status_t qe__fail_in(qe_status_t status, const char *format, ...) {
  char prefix[MESSAGE_SIZE / 2], text[MESSAGE_SIZE];
  va_list args;
  va_start(args, format);
  const int formatted = vsnprintf(prefix, sizeof prefix, format, args);
  va_end(args);
  if (formatted < 0) return status;
  const int wanted = snprintf(text, sizeof text, "%s%s%s", prefix, message[0] != 0 ? ": " : "", message);
  if (wanted < 0) return status;
  mark_cut(text, wanted);
  memcpy(message, text, strlen(text) + 1);
  return status;
}

void qe__clear_error(void) { message[0] = 0; }

const char *qe_last_error(void) { return message; }

const char *qe_version(void) { return QE_VERSION; }

const char *qe_status_text(qe_status_t status) {
  switch (status) {
#define X(name, text) \
  case QE_##name: return text;
    QE_STATUS_LIST(X)
#undef X
  }
  return "unknown status";
}

const char *qe_dtype_name(qe_dtype_t dtype) {
  switch (dtype) {
#define X(name, value, bits, text) \
  case QE_##name: return text;
    QE_DTYPE_LIST(X)
#undef X
  case QE_DTYPE_NONE: break;
  }
  return "?";
}

unsigned qe_dtype_bits(qe_dtype_t dtype) {
  switch (dtype) {
#define X(name, value, bits, text) \
  case QE_##name: return bits;
    QE_DTYPE_LIST(X)
#undef X
  case QE_DTYPE_NONE: break;
  }
  return 0;
}
