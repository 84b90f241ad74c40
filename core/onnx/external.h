/* External tensor data: files beside the model, never outside its directory. */
#ifndef QE_CORE_ONNX_EXTERNAL_H
#define QE_CORE_ONNX_EXTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* The files opened so far; zero-initialise, close at the end. */
typedef struct qe__external {
  const char *directory; /* NULL: external data is refused */
  struct qe__external_file *files;
  size_t count, capacity;
} qe__external;

/*
 * Reads `length` bytes at `offset` of the file that `location` names, relative to the directory. length -1: to the end
 * of the file, which must be exactly `size` bytes. out NULL: only checks that the bytes are there. Errors: FORMAT
 * (absolute path, "..", outside the directory, wrong length), IO, UNSUPPORTED (no directory).
 */
qe_status_t qe__external_read(qe__external *external, const char *location, int64_t offset, int64_t length, void *out,
                              size_t size);
void qe__external_close(qe__external *external);

#endif
