/* Stands in for data/npz.c and data/gzip.c without minizip and zlib (QE_NPZ=OFF). */
#include "data/formats.h"

static qe_status_t refuse(const char *name, const char *what, qe_tensor_t **out) {
  *out = NULL;
  return qe__fail(QE_ERROR_UNSUPPORTED, "%s: %s can't be read: this build of qengine leaves out packed files (CMake option QE_NPZ); use .npy",
                  name, what);
}

qe_status_t qe__npz_parse(const void *data, size_t size, const char *name, const char *member, qe_tensor_t **out) {
  (void)data;
  (void)size;
  (void)member;
  return refuse(name, "an .npz archive", out);
}

qe_status_t qe__gzip_parse(const void *data, size_t size, const char *name, qe_tensor_t **out) {
  (void)data;
  (void)size;
  return refuse(name, "a gzipped file", out);
}
