/* Reading a checkpoint's bytes; nothing in them is trusted. */
#include <string.h>

#include "base/sha256.h"
#include "train/checkpoint.h"

static const char MAGIC[8] = {'Q', 'E', 'T', 'R', 'A', 'I', 'N', '\n'};
enum { FRAME = 24, SMALLEST_ENTRY = 16 };

typedef struct cursor {
  const uint8_t *p;
  size_t left;
} cursor;

static const uint8_t *take(cursor *c, size_t size) {
  if (size > c->left) return NULL;
  const uint8_t *p = c->p;
  c->p += size;
  c->left -= size;
  return p;
}

static bool take_into(cursor *c, void *out, size_t size) {
  const uint8_t *p = take(c, size);
  if (p != NULL) memcpy(out, p, size);
  return p != NULL;
}

static bool take_text(cursor *c, const char **text, uint32_t *length) {
  if (!take_into(c, length, sizeof *length)) return false;
  *text = (const char *)take(c, *length);
  return *text != NULL;
}

static bool take_position(cursor *c, qe__position *at) {
  _Static_assert(sizeof(double) == 8, "fields are 8 bytes in the file");
#define X(field, type)                                                    \
  {                                                                       \
    uint8_t bytes[8];                                                     \
    if (!take_into(c, bytes, sizeof bytes)) return false;                 \
    memcpy(&at->field, bytes, sizeof(type));                              \
  }
  QE__POSITION_FIELDS(X)
#undef X
  return true;
}

static bool take_entry(cursor *c, qe__checkpoint_entry *e) {
  uint32_t dtype;
  int64_t count;
  if (!take_text(c, &e->kind, &e->kind_length) || !take_text(c, &e->name, &e->name_length)) return false;
  if (!take_into(c, &dtype, sizeof dtype) || !take_into(c, &e->rank, sizeof e->rank)) return false;
  if (!qe__dtype_valid(dtype) || e->rank > QE_MAX_RANK || !take_into(c, e->dims, e->rank * sizeof e->dims[0])) return false;
  e->dtype = (qe_dtype_t)dtype;
  if (!qe__dims_count(e->rank, e->dims, &count) || !qe__dtype_bytes(e->dtype, count, &e->bytes)) return false;
  e->data = take(c, e->bytes);
  return e->data != NULL;
}

qe_status_t qe__checkpoint_body(const void *data, size_t size, const char *name, qe__checkpoint *out) {
  cursor c = {data, size};
  memset(out, 0, sizeof *out);
  if (!take_into(&c, out->model, sizeof out->model) || !take_into(&c, out->teacher, sizeof out->teacher) ||
      !take_into(&c, out->data, sizeof out->data) || !take_into(&c, out->options, sizeof out->options) ||
      !take_position(&c, &out->at) || !take_into(&c, &out->steps_per_epoch, 8) || !take_into(&c, &out->metrics_lines, 8) ||
      !take_into(&c, &out->count, 8) || out->count > c.left / SMALLEST_ENTRY) {
    return qe__fail(QE_ERROR_FORMAT, "%s: the checkpoint ends inside its header", name);
  }
  out->entries = qe__calloc((size_t)out->count + 1, sizeof *out->entries);
  if (out->entries == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  for (uint64_t i = 0; i < out->count && status == QE_OK; i++) {
    if (!take_entry(&c, &out->entries[i])) {
      status = qe__fail(QE_ERROR_FORMAT, "%s: tensor %llu of %llu of the checkpoint is malformed", name, (unsigned long long)i,
                        (unsigned long long)out->count);
    }
  }
  if (status == QE_OK && c.left > 0) status = qe__fail(QE_ERROR_FORMAT, "%s: the checkpoint has %zu bytes too many", name, c.left);
  if (status != QE_OK) {
    qe__free(out->entries);
    memset(out, 0, sizeof *out);
  }
  return status;
}

qe_status_t qe__checkpoint_parse(const void *data, size_t size, const char *name, qe__checkpoint *out) {
  const uint8_t *bytes = data;
  uint32_t version = 0;
  uint64_t length = 0;
  uint8_t digest[QE__CHECKPOINT_HASH];
  memset(out, 0, sizeof *out);
  if (size < sizeof MAGIC || memcmp(bytes, MAGIC, sizeof MAGIC) != 0) {
    return qe__fail(QE_ERROR_FORMAT, "%s: is no checkpoint of training (it would begin with QETRAIN)", name);
  }
  if (size >= FRAME) {
    memcpy(&version, bytes + 8, sizeof version);
    memcpy(&length, bytes + 16, sizeof length);
    if (version != QE__CHECKPOINT_VERSION) {
      return qe__fail(QE_ERROR_FORMAT,
                      "%s: a checkpoint of version %u; this library reads version %d (0x01000000: a machine of the other byte order)",
                      name, version, QE__CHECKPOINT_VERSION);
    }
  }
  if (size < FRAME + QE__CHECKPOINT_HASH || length != size) {
    return qe__fail(QE_ERROR_FORMAT, "%s: the checkpoint is truncated or has something behind it: it has %zu bytes, expected %llu", name,
                    size, (unsigned long long)length);
  }
  qe__sha256(bytes, size - QE__CHECKPOINT_HASH, digest);
  if (memcmp(digest, bytes + size - QE__CHECKPOINT_HASH, sizeof digest) != 0) {
    return qe__fail(QE_ERROR_FORMAT, "%s: the checkpoint is damaged: its checksum does not match; take an older one, or begin anew", name);
  }
  return qe__checkpoint_body(bytes + FRAME, size - FRAME - QE__CHECKPOINT_HASH, name, out);
}
