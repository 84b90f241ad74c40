/* Building small data files in memory. Header-only. */
#ifndef QE_TESTS_DATA_BYTES_H
#define QE_TESTS_DATA_BYTES_H

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>
#include <zlib.h>

typedef struct bytes {
  uint8_t data[1 << 16];
  size_t size;
} bytes;

static inline void bytes_add(bytes *b, const void *data, size_t size) {
  cr_assert_leq(size, sizeof b->data - b->size);
  if (size > 0) memcpy(b->data + b->size, data, size);
  b->size += size;
}

/* An .npy file of this version, header text and element bytes. */
static inline void bytes_npy(bytes *b, int version, const char *header, const void *elements, size_t size) {
  b->size = 0;
  const size_t n = strlen(header);
  const uint8_t start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0, (uint8_t)n, (uint8_t)(n >> 8), 0, 0};
  bytes_add(b, start, version == 1 ? 10 : 12);
  bytes_add(b, header, n);
  bytes_add(b, elements, size);
}

static inline void bytes_idx(bytes *b, uint8_t type, uint8_t rank, const uint32_t *dims, const void *elements,
                             size_t size) {
  b->size = 0;
  const uint8_t start[4] = {0, 0, type, rank};
  bytes_add(b, start, 4);
  for (uint8_t d = 0; d < rank; d++) {
    const uint8_t big[4] = {(uint8_t)(dims[d] >> 24), (uint8_t)(dims[d] >> 16), (uint8_t)(dims[d] >> 8),
                            (uint8_t)dims[d]};
    bytes_add(b, big, 4);
  }
  bytes_add(b, elements, size);
}

/* One gzip stream after what is there already. */
static inline void bytes_gzip(bytes *b, const void *data, size_t size) {
  z_stream z = {0};
  cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (z_const Bytef *)(uintptr_t)data;
  z.avail_in = (uInt)size;
  z.next_out = b->data + b->size;
  z.avail_out = (uInt)(sizeof b->data - b->size);
  cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
  b->size += z.total_out;
  deflateEnd(&z);
}

/* Adds a member to a zip file on disk, which is created when `append` is 0. level 0: stored. */
static inline void zip_add(const char *path, int append, const char *member, const void *data, size_t size, int level,
                           int zip64) {
  zipFile zip = zipOpen64(path, append ? APPEND_STATUS_ADDINZIP : APPEND_STATUS_CREATE);
  cr_assert_not_null(zip);
  zip_fileinfo info;
  memset(&info, 0, sizeof info);
  cr_assert_eq(
      zipOpenNewFileInZip64(zip, member, &info, NULL, 0, NULL, 0, NULL, level == 0 ? 0 : Z_DEFLATED, level, zip64),
      ZIP_OK);
  cr_assert_eq(zipWriteInFileInZip(zip, data, (unsigned)size), ZIP_OK);
  cr_assert_eq(zipCloseFileInZip(zip), ZIP_OK);
  cr_assert_eq(zipClose(zip, NULL), ZIP_OK);
}

#endif
