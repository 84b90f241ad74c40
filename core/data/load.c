/* Opening data files: which format it is, which member of an archive, and saving .npy. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/formats.h"
#include "onnx/onnx.h"
#include "qengine/data.h"

bool qe__npz_magic(const void *data, size_t size) {
  /* A local file header, or the end record of an empty archive. */
  return size >= 4 && (memcmp(data, "PK\3\4", 4) == 0 || memcmp(data, "PK\5\6", 4) == 0);
}

bool qe__gzip_magic(const void *data, size_t size) {
  const uint8_t *p = data;
  return size >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

static bool ends_with(const char *text, const char *ending) {
  const size_t n = strlen(text), e = strlen(ending);
  return n >= e && strcmp(text + n - e, ending) == 0;
}

static qe_status_t fail_unknown(const uint8_t *data, size_t size, const char *name) {
  if (size == 0)
    return qe__fail(QE_ERROR_FORMAT, "%s: is empty; expected .npy, .npz, idx (.gz too) or an ONNX tensor .pb", name);
  char start[16] = "";
  for (size_t i = 0; i < size && i < 4; i++) snprintf(start + 3 * i, sizeof start - 3 * i, "%02x ", data[i]);
  return qe__fail(QE_ERROR_FORMAT,
                  "%s: begins with %s- no .npy, .npz, idx or gzip file, and not named .pb (ONNX tensor)", name, start);
}

qe_status_t qe__data_parse(const void *data, size_t size, const char *name, const char *member, qe_tensor_t **out) {
  *out = NULL;
  if (qe__npz_magic(data, size)) return qe__npz_parse(data, size, name, member, out);
  if (member != NULL) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: member '%s' was asked for, but only .npz archives have members",
                    name, member);
  }
  if (qe__npy_magic(data, size)) return qe__npy_parse(data, size, name, out);
  if (qe__gzip_magic(data, size)) return qe__gzip_parse(data, size, name, out);
  if (qe__idx_magic(data, size)) return qe__idx_parse(data, size, name, out);
  if (ends_with(name, ".pb")) return qe__onnx_tensor_parse(data, size, name, out);
  return fail_unknown(data, size, name);
}

/* "file.npz:member", unless a file has that very name. */
static const char *member_in_path(const char *path) {
  const char *colon = strrchr(path, ':');
  if (colon == NULL || colon == path || colon[1] == 0 || access(path, F_OK) == 0) return NULL;
  return colon;
}

qe_status_t qe_tensor_load(const char *path, const char *member, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(path != NULL, "path is NULL");
  const char *colon = member == NULL ? member_in_path(path) : NULL;
  char *file = colon == NULL ? qe__strdup(path) : qe__strndup(path, (size_t)(colon - path));
  if (file == NULL) return QE_ERROR_OUT_OF_MEMORY;
  void *data;
  size_t size;
  qe_status_t status = qe__read_file(file, SIZE_MAX, &data, &size);
  if (status == QE_OK) {
    status = qe__data_parse(data, size, file, colon == NULL ? member : colon + 1, out);
    qe__free_aligned(data);
  }
  qe__free(file);
  return status;
}

qe_status_t qe_tensor_save_npy(const qe_tensor_t *tensor, const char *path, int overwrite) {
  QE_CHECK_ARG(tensor != NULL, "tensor is NULL");
  QE_CHECK_ARG(path != NULL, "path is NULL");
  char header[QE__NPY_HEADER_MAX];
  size_t size;
  const qe_status_t supported = qe__npy_write_header(tensor, header, &size);
  if (supported != QE_OK) return qe__fail_in(supported, "%s", path);
  qe__writer *writer;
  QE_TRY(qe__writer_open(path, overwrite, &writer));
  qe_status_t status = qe__writer_write(writer, header, size);
  if (status == QE_OK) status = qe__writer_write(writer, tensor->data, tensor->bytes);
  if (status == QE_OK) return qe__writer_commit(&writer);
  qe__writer_abort(&writer);
  return status;
}
