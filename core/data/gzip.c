/*
 * Gzipped .npy and idx files. The start is unpacked first: its header says how long the whole must be, and neither more
 * memory nor more output than that is ever used.
 */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "data/formats.h"

enum { PREFIX = 80 * 1024 }; /* holds the longest .npy header that is accepted */

typedef struct stream {
  z_stream z;
  const uint8_t *in;
  size_t left; /* input not yet given to zlib */
  bool ended;
  const char *name;
} stream;

static qe_status_t fail_zlib(const stream *s, int code) {
  if (code == Z_MEM_ERROR) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "%s: out of memory while unpacking gzip", s->name);
  if (code == Z_BUF_ERROR) return qe__fail(QE_ERROR_FORMAT, "%s: truncated: the gzip data ends too early", s->name);
  return qe__fail(QE_ERROR_FORMAT, "%s: damaged gzip data: %s", s->name, s->z.msg != NULL ? s->z.msg : zError(code));
}

/* A gzip file may be several streams in a row. */
static qe_status_t next_member(stream *s) {
  if (s->z.avail_in == 0 && s->left == 0) {
    s->ended = true;
    return QE_OK;
  }
  const int code = inflateReset(&s->z);
  return code == Z_OK ? QE_OK : fail_zlib(s, code);
}

/* Unpacks up to `size` bytes; less only at the end. */
static qe_status_t unpack(stream *s, uint8_t *out, size_t size, size_t *got) {
  *got = 0;
  while (*got < size && !s->ended) {
    if (s->z.avail_in == 0) {
      const size_t part = s->left < (1u << 30) ? s->left : (1u << 30);
      s->z.next_in = (z_const Bytef *)(uintptr_t)s->in;
      s->z.avail_in = (uInt)part;
      s->in += part;
      s->left -= part;
    }
    const size_t room = size - *got < (1u << 30) ? size - *got : (1u << 30);
    s->z.next_out = out + *got;
    s->z.avail_out = (uInt)room;
    const int code = inflate(&s->z, Z_NO_FLUSH);
    *got += room - s->z.avail_out;
    if (code == Z_STREAM_END) QE_TRY(next_member(s));
    else if (code != Z_OK) return fail_zlib(s, code);
  }
  return QE_OK;
}

/* What the unpacked start promises. */
static qe_status_t promised_header(const uint8_t *prefix, size_t size, const char *name, qe__array_header *h) {
  if (qe__npy_magic(prefix, size)) return qe__npy_header(prefix, size, name, h);
  if (qe__idx_magic(prefix, size)) return qe__idx_header(prefix, size, name, h);
  return qe__fail(QE_ERROR_UNSUPPORTED, "%s: gzipped data that is neither .npy nor idx; unpack it first", name);
}

static qe_status_t unpack_rest(stream *s, uint8_t *whole, size_t start, size_t total) {
  size_t got, extra;
  uint8_t beyond;
  QE_TRY(unpack(s, whole + start, total - start, &got));
  if (got < total - start) {
    return qe__fail(QE_ERROR_FORMAT, "%s: truncated: unpacks to %zu bytes, its header promises %zu", s->name,
                    start + got, total);
  }
  QE_TRY(unpack(s, &beyond, 1, &extra));
  if (extra != 0)
    return qe__fail(QE_ERROR_FORMAT, "%s: unpacks to more than the %zu bytes that its header promises", s->name, total);
  return QE_OK;
}

static qe_status_t parse_stream(stream *s, size_t packed, uint8_t *prefix, qe_tensor_t **out) {
  size_t start;
  qe__array_header h;
  QE_TRY(unpack(s, prefix, PREFIX, &start));
  QE_TRY(promised_header(prefix, start, s->name, &h));
  const size_t limit = packed > (SIZE_MAX >> 11) ? SIZE_MAX : packed * QE__DEFLATE_MAX_RATIO;
  if (h.bytes > SIZE_MAX - h.offset || h.offset + h.bytes > limit) {
    return qe__fail(QE_ERROR_FORMAT,
                    "%s: its header promises %zu bytes of elements; %zu gzipped bytes cannot hold so many", s->name,
                    h.bytes, packed);
  }
  const size_t total = h.offset + h.bytes;
  if (start > total) {
    return qe__fail(QE_ERROR_FORMAT, "%s: unpacks to more than the %zu bytes that its header promises", s->name, total);
  }
  uint8_t *whole = qe__alloc_aligned(total, 0);
  if (whole == NULL) return qe__fail_in(QE_ERROR_OUT_OF_MEMORY, "%s", s->name);
  memcpy(whole, prefix, start);
  qe_status_t status = unpack_rest(s, whole, start, total);
  if (status == QE_OK) status = qe__array_tensor(&h, whole, total, s->name, out);
  qe__free_aligned(whole);
  return status;
}

qe_status_t qe__gzip_parse(const void *data, size_t size, const char *name, qe_tensor_t **out) {
  *out = NULL;
  stream s = {.in = data, .left = size, .name = name};
  uint8_t *prefix = qe__alloc_aligned(PREFIX, 0);
  if (prefix == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status;
  const int code = inflateInit2(&s.z, 15 + 16); /* 16: a gzip header, not a zlib one */
  if (code == Z_OK) {
    status = parse_stream(&s, size, prefix, out);
    inflateEnd(&s.z);
  } else {
    status = fail_zlib(&s, code);
  }
  qe__free_aligned(prefix);
  return status;
}
