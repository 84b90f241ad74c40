/*
 * What a conformance worker tells its parent: small messages over a pipe. The parent trusts none of it, since the code
 * under test shares the worker's process; a message that makes no sense counts as a crash.
 */
#ifndef QE_CORE_CONFORM_PROTOCOL_H
#define QE_CORE_CONFORM_PROTOCOL_H

#include <stdbool.h>

#include "base/status.h"

typedef enum qe__message_type {
  QE__MSG_HELLO = 1, /* the engine was loaded: qe__hello */
  QE__MSG_KERNEL,    /* one of its kernels */
  QE__MSG_BEGIN,     /* a case starts */
  QE__MSG_END,       /* and ends */
  QE__MSG_TIME,      /* a measurement */
  QE__MSG_VALUE,     /* a value of a model, compared */
  QE__MSG_ERROR,     /* what the host itself could not do: status, message */
  QE__MSG_DONE
} qe__message_type;

enum { QE__MESSAGE_SIZE = 12 * 1024, QE__MESSAGE_HEADER = 8 };

/* Filled field by field, read in the same order. `bad`: a field did not fit, or was not there. */
typedef struct qe__message {
  uint8_t type;
  bool bad;
  size_t size, at;
  uint8_t data[QE__MESSAGE_SIZE];
} qe__message;

void qe__message_start(qe__message *m, qe__message_type type);
void qe__message_put(qe__message *m, uint64_t value);
void qe__message_put_real(qe__message *m, double value);
void qe__message_put_text(qe__message *m, const char *text);
uint64_t qe__message_take(qe__message *m);
double qe__message_take_real(qe__message *m);
/* Zero-terminated, cut to `size`. */
void qe__message_take_text(qe__message *m, char *text, size_t size);

/* Writes all of it. Errors: IO (the parent is gone), INTERNAL (it did not fit). */
qe_status_t qe__message_send(int fd, const qe__message *m);

/* What came through a pipe and was not looked at yet. Zero-filled to begin with. */
typedef struct qe__inbox {
  uint8_t data[2 * (QE__MESSAGE_SIZE + QE__MESSAGE_HEADER)];
  size_t size;
} qe__inbox;

/* One read() into the inbox: bytes read, 0 at the end, -1 with errno (EAGAIN: nothing there). */
long qe__inbox_read(qe__inbox *inbox, int fd);
/* 1: the next message is in *out; 0: more has to come first; -1: this is no message. */
int qe__inbox_next(qe__inbox *inbox, qe__message *out);

#endif
