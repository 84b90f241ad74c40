/*
 * The message is copied field by field as it streams by. Lengths of nested messages are written when their end is
 * known, in five bytes, which protobuf allows.
 */
#include "onnx/skim.h"

#include <string.h>

#include "base/memory.h"
#include "base/sha256.h"

enum {
  CHUNK = 256 << 10, /* read from a file at a time: stays in the cache from the disk's copy to the hash */
  LENGTH = 5,        /* bytes of a nested message's length */
  RAW_DATA = 9,      /* TensorProto.raw_data */
};

typedef struct skim {
  const qe__source *source;
  qe__sha256_state *sha;     /* NULL: nobody asks */
  uint8_t *chunk;            /* memory for a chunk of a file */
  const uint8_t *at, *end;   /* bytes at hand */
  size_t next;               /* position in the source of the byte behind them */
  uint8_t *out;
  size_t size, capacity;
  qe_status_t status;        /* of the file and of memory */
} skim;

typedef enum skim_result { SKIM_OK, SKIM_MALFORMED, SKIM_TOO_DEEP } skim_result; /* MALFORMED also when status fails */

static size_t position(const skim *s) { return s->next - (size_t)(s->end - s->at); }

/* Whether a byte is at hand, after looking for one. */
static bool more(skim *s) {
  if (s->at < s->end) return true;
  size_t n = s->source->size - s->next;
  if (n == 0 || s->status != QE_OK) return false;
  if (s->source->data != NULL) {
    s->at = (const uint8_t *)s->source->data + s->next;
  } else {
    n = n < CHUNK ? n : CHUNK;
    s->status = qe__file_read(s->source->file, s->next, s->chunk, n);
    if (s->status != QE_OK) return false;
    s->at = s->chunk;
  }
  if (s->sha != NULL) qe__sha256_update(s->sha, s->at, n);
  s->end = s->at + n;
  s->next += n;
  return true;
}

static bool put(skim *s, const void *bytes, size_t n) {
  if (n > s->capacity - s->size) {
    size_t want;
    uint8_t *grown = NULL;
    if (qe__add_size(2 * s->size, n + 64, &want)) grown = qe__realloc(s->out, want, 1);
    if (grown == NULL) {
      s->status = QE_ERROR_OUT_OF_MEMORY;
      return false;
    }
    s->out = grown;
    s->capacity = want;
  }
  memcpy(s->out + s->size, bytes, n);
  s->size += n;
  return true;
}

static bool put_varint(skim *s, uint64_t value) {
  uint8_t bytes[10];
  size_t n = 0;
  do {
    bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
  } while (value > 0);
  return put(s, bytes, n);
}

/* Takes n bytes to the output, or nowhere. */
static bool take(skim *s, uint64_t n, bool keep) {
  while (n > 0) {
    if (!more(s)) return false;
    const size_t here = (size_t)(s->end - s->at), part = n < here ? (size_t)n : here;
    if (keep && !put(s, s->at, part)) return false;
    s->at += part;
    n -= part;
  }
  return true;
}

static bool read_varint(skim *s, size_t end, uint64_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (position(s) == end || !more(s)) return false;
    const uint8_t byte = *s->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      *out = value;
      return true;
    }
  }
  return false;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type, uint64_t number) {
  for (unsigned i = 0; i < type->n_fields; i++) {
    if (type->fields[i].id == number) return &type->fields[i];
  }
  return NULL;
}

static skim_result copy_message(skim *s, const ProtobufCMessageDescriptor *type, size_t end, unsigned depth);

static skim_result copy_nested(skim *s, const ProtobufCMessageDescriptor *type, size_t size, unsigned depth) {
  static const uint8_t none[LENGTH];
  const size_t hole = s->size;
  if (!put(s, none, LENGTH)) return SKIM_MALFORMED;
  const skim_result result = copy_message(s, type, position(s) + size, depth + 1);
  if (result != SKIM_OK) return result;
  size_t length = s->size - hole - LENGTH;
  if (length > INT32_MAX) return SKIM_MALFORMED;
  for (int i = 0; i < LENGTH; i++, length >>= 7) {
    s->out[hole + (size_t)i] = (uint8_t)((length & 0x7f) | (i + 1 < LENGTH ? 0x80 : 0));
  }
  return SKIM_OK;
}

/* The content of a field that has a length. */
static skim_result copy_sized(skim *s, const ProtobufCMessageDescriptor *type, uint64_t number, size_t size,
                              unsigned depth) {
  const ProtobufCFieldDescriptor *field = field_of(type, number);
  if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) return copy_nested(s, field->descriptor, size, depth);
  bool done;
  if (type == &onnx__tensor_proto__descriptor && number == RAW_DATA) {
    const qe__span span = {position(s), size};
    done = put_varint(s, sizeof span) && put(s, &span, sizeof span) && take(s, size, false);
  } else {
    done = put_varint(s, size) && take(s, size, true);
  }
  return done ? SKIM_OK : SKIM_MALFORMED;
}

static skim_result copy_message(skim *s, const ProtobufCMessageDescriptor *type, size_t end, unsigned depth) {
  if (depth > QE__PROTO_MAX_DEPTH) return SKIM_TOO_DEEP;
  while (position(s) < end) {
    uint64_t key, value;
    if (!read_varint(s, end, &key) || key > UINT32_MAX || !put_varint(s, key)) return SKIM_MALFORMED;
    const size_t left = end - position(s), fixed = (key & 7) == 1 ? 8 : 4;
    switch (key & 7) {
      case 0:
        if (!read_varint(s, end, &value) || !put_varint(s, value)) return SKIM_MALFORMED;
        break;
      case 1: case 5:
        if (left < fixed || !take(s, fixed, true)) return SKIM_MALFORMED;
        break;
      case 2: {
        if (!read_varint(s, end, &value) || value > end - position(s)) return SKIM_MALFORMED;
        const skim_result result = copy_sized(s, type, key >> 3, (size_t)value, depth);
        if (result != SKIM_OK) return result;
        break;
      }
      default:
        return SKIM_MALFORMED;
    }
  }
  return SKIM_OK;
}

static qe_status_t explain(const skim *s, skim_result result, const char *type, const char *name) {
  if (s->status != QE_OK || result == SKIM_OK) return s->status;
  if (result == SKIM_TOO_DEEP) {
    return qe__fail(QE_ERROR_FORMAT, "%s: messages are nested more than %d deep; this is not a usable ONNX file", name,
                    QE__PROTO_MAX_DEPTH);
  }
  return qe__fail(QE_ERROR_FORMAT, "%s: not a valid protobuf message of type %s (%zu bytes; truncated or not ONNX?)",
                  name, type, s->source->size);
}

qe_status_t qe__skim(const ProtobufCMessageDescriptor *type, const qe__source *source, const char *name,
                     uint8_t hash[32], uint8_t **out, size_t *out_size) {
  qe__sha256_state sha;
  skim s = {.source = source, .sha = hash != NULL ? &sha : NULL};
  *out = NULL;
  *out_size = 0;
  qe__sha256_init(&sha);
  if (source->data == NULL && (s.chunk = qe__alloc_aligned(CHUNK, 0)) == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = explain(&s, copy_message(&s, type, source->size, 0), type->name, name);
  qe__free_aligned(s.chunk);
  if (status != QE_OK) {
    qe__free(s.out);
    return status;
  }
  if (hash != NULL) qe__sha256_final(&sha, hash);
  *out = s.out;
  *out_size = s.size;
  return QE_OK;
}

bool qe__raw_span(const qe__source *source, const Onnx__TensorProto *tensor, qe__span *out) {
  if (tensor->raw_data.len != sizeof *out) return false;
  memcpy(out, tensor->raw_data.data, sizeof *out);
  return out->offset <= source->size && out->size <= source->size - out->offset;
}

qe_status_t qe__source_read(const qe__source *source, qe__span span, void *to) {
  if (span.size == 0) return QE_OK;
  if (source->data == NULL) return qe__file_read(source->file, span.offset, to, (size_t)span.size);
  memcpy(to, (const uint8_t *)source->data + span.offset, (size_t)span.size);
  return QE_OK;
}
