/* See protocol.h. A message on the pipe: mark, type, size, payload; native byte order, both ends are one program. */
#include "conform/protocol.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MARK = 0x43e9 };

typedef struct header {
  uint16_t mark;
  uint16_t type;
  uint32_t size;
} header;

_Static_assert(sizeof(header) == QE__MESSAGE_HEADER, "the header has no padding");

void qe__message_start(qe__message *m, qe__message_type type) {
  m->type = (uint8_t)type;
  m->bad = false;
  m->size = m->at = 0;
}

static void put_bytes(qe__message *m, const void *bytes, size_t size) {
  if (m->bad || size > sizeof m->data - m->size) {
    m->bad = true;
    return;
  }
  memcpy(m->data + m->size, bytes, size);
  m->size += size;
}

static bool take_bytes(qe__message *m, void *bytes, size_t size) {
  if (m->bad || size > m->size - m->at) {
    m->bad = true;
    memset(bytes, 0, size);
    return false;
  }
  memcpy(bytes, m->data + m->at, size);
  m->at += size;
  return true;
}

void qe__message_put(qe__message *m, uint64_t value) {
  put_bytes(m, &value, sizeof value);
}
void qe__message_put_real(qe__message *m, double value) {
  put_bytes(m, &value, sizeof value);
}

void qe__message_put_text(qe__message *m, const char *text) {
  const size_t length = text != NULL ? strlen(text) : 0;
  qe__message_put(m, length);
  if (length > 0) put_bytes(m, text, length);
}

uint64_t qe__message_take(qe__message *m) {
  uint64_t value;
  take_bytes(m, &value, sizeof value);
  return value;
}

double qe__message_take_real(qe__message *m) {
  double value;
  take_bytes(m, &value, sizeof value);
  return value;
}

void qe__message_take_text(qe__message *m, char *text, size_t size) {
  const uint64_t length = qe__message_take(m);
  text[0] = '\0';
  if (m->bad || length > m->size - m->at) {
    m->bad = true;
    return;
  }
  const size_t kept = length < size - 1 ? (size_t)length : size - 1;
  memcpy(text, m->data + m->at, kept);
  text[kept] = '\0';
  m->at += (size_t)length;
}

static qe_status_t write_all(int fd, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  while (size > 0) {
    const ssize_t wrote = write(fd, at, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return qe__fail(QE_ERROR_IO, "the pipe to the parent: %s", strerror(errno));
    at += wrote;
    size -= (size_t)wrote;
  }
  return QE_OK;
}

qe_status_t qe__message_send(int fd, const qe__message *m) {
  if (m->bad)
    return qe__fail(QE_ERROR_INTERNAL, "a message of type %d does not fit into %d bytes", m->type, QE__MESSAGE_SIZE);
  const header h = {MARK, m->type, (uint32_t)m->size};
  QE_TRY(write_all(fd, &h, sizeof h));
  return write_all(fd, m->data, m->size);
}

long qe__inbox_read(qe__inbox *inbox, int fd) {
  const ssize_t got = read(fd, inbox->data + inbox->size, sizeof inbox->data - inbox->size);
  if (got > 0) inbox->size += (size_t)got;
  return (long)got;
}

int qe__inbox_next(qe__inbox *inbox, qe__message *out) {
  header h;
  if (inbox->size < sizeof h) return 0;
  memcpy(&h, inbox->data, sizeof h);
  if (h.mark != MARK || h.type < QE__MSG_HELLO || h.type > QE__MSG_DONE || h.size > QE__MESSAGE_SIZE) return -1;
  if (inbox->size < sizeof h + h.size) return 0;
  qe__message_start(out, (qe__message_type)h.type);
  memcpy(out->data, inbox->data + sizeof h, h.size);
  out->size = h.size;
  inbox->size -= sizeof h + h.size;
  memmove(inbox->data, inbox->data + sizeof h + h.size, inbox->size);
  return 1;
}
