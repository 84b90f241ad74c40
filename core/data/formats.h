/*
 * The parsers of data files, over bytes in memory. `name` is what messages call the data. Nothing is trusted: sizes in
 * the data are checked against the bytes there are before memory is asked for.
 */
#ifndef QE_CORE_DATA_FORMATS_H
#define QE_CORE_DATA_FORMATS_H

#include "tensor/tensor.h"

/* What the header of an .npy or idx file says. */
typedef struct qe__array_header {
  qe_dtype_t dtype;
  bool swap;    /* elements in foreign byte order */
  bool fortran; /* first dimension fastest */
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
  int64_t count;
  size_t offset; /* of the first element */
  size_t bytes;  /* of all elements */
} qe__array_header;

/* Only the header has to be inside [data, data + size). */
qe_status_t qe__npy_header(const void *data, size_t size, const char *name, qe__array_header *out);
qe_status_t qe__idx_header(const void *data, size_t size, const char *name, qe__array_header *out);
/* Checks the element bytes against size and copies them into a tensor, in native row-major order. */
qe_status_t qe__array_tensor(const qe__array_header *header, const void *data, size_t size, const char *name,
                             qe_tensor_t **out);

bool qe__npy_magic(const void *data, size_t size);
bool qe__npz_magic(const void *data, size_t size);
bool qe__idx_magic(const void *data, size_t size);
bool qe__gzip_magic(const void *data, size_t size);

qe_status_t qe__npy_parse(const void *data, size_t size, const char *name, qe_tensor_t **out);
qe_status_t qe__idx_parse(const void *data, size_t size, const char *name, qe_tensor_t **out);
/* member NULL: the only array. */
qe_status_t qe__npz_parse(const void *data, size_t size, const char *name, const char *member, qe_tensor_t **out);
/* A gzipped .npy or idx file. */
qe_status_t qe__gzip_parse(const void *data, size_t size, const char *name, qe_tensor_t **out);
/* Any of these, told by content; TensorProto when nothing fits and the name ends in ".pb". */
qe_status_t qe__data_parse(const void *data, size_t size, const char *name, const char *member, qe_tensor_t **out);

/* An .npy v1 header for this tensor: 64-byte padded, into a buffer; UNSUPPORTED for types that numpy lacks. */
enum { QE__NPY_HEADER_MAX = 512 };
qe_status_t qe__npy_write_header(const qe_tensor_t *tensor, char buffer[QE__NPY_HEADER_MAX], size_t *size);

/* Deflate cannot expand further than this: a stream that claims more is lying. */
#define QE__DEFLATE_MAX_RATIO 1032u

#endif
