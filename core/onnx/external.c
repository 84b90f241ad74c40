/* Reading external tensor data. A location is a path inside the model's directory; symbolic links may not lead out of
 * it. */
#include "onnx/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

struct qe__external_file {
  char *location;
  int fd;
  int64_t size;
  int64_t read; /* bytes handed out: several tensors naming one region must not multiply a file without bound */
};

enum { MAX_FILES = 4096 };

static bool is_inside(const char *location) {
  if (location[0] == '\0' || location[0] == '/' || strchr(location, '\\') != NULL) return false;
  for (const char *part = location; part != NULL; part = strchr(part, '/')) {
    if (*part == '/') part++;
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return false;
  }
  return true;
}

/* The real path of location when it lies in the real directory; NULL with the error recorded. Caller frees with

 * free(). */
static char *resolve(const char *directory, const char *location, qe_status_t *status) {
  char *real = NULL, *root = NULL;
  char *path = qe__format("%s/%s", directory[0] != '\0' ? directory : ".", location);
  if (path == NULL) {
    *status = QE_ERROR_OUT_OF_MEMORY;
    return NULL;
  }
  root = realpath(directory[0] != '\0' ? directory : ".", NULL);
  real = realpath(path, NULL);
  if (root == NULL || real == NULL) {
    *status = qe__fail(QE_ERROR_IO, "external data file '%s': %s; put it beside the model", path, strerror(errno));
    free(real);
    real = NULL;
    goto done;
  }
  const size_t n = strlen(root);
  if (strncmp(real, root, n) != 0 || (real[n] != '/' && strcmp(root, "/") != 0)) {
    *status =
        qe__fail(QE_ERROR_FORMAT, "external data '%s' leads outside of the model's directory '%s'; this is refused",
                 location, root);
    free(real);
    real = NULL;
  }
done:
  free(root);
  qe__free(path);
  return real;
}

static qe_status_t open_file(qe__external *external, const char *location, struct qe__external_file **out) {
  *out = NULL;
  for (size_t i = 0; i < external->count; i++) {
    if (strcmp(external->files[i].location, location) == 0) {
      *out = &external->files[i];
      return QE_OK;
    }
  }
  if (external->directory == NULL) {
    return qe__fail(
        QE_ERROR_UNSUPPORTED,
        "weights are in the external file '%s', and a model in memory has no directory; load it from its path",
        location);
  }
  if (!is_inside(location)) {
    return qe__fail(QE_ERROR_FORMAT,
                    "external data location '%s' is not a relative path inside the model's directory; this is refused",
                    location);
  }
  if (external->count >= MAX_FILES) return qe__fail(QE_ERROR_FORMAT, "more than %d external data files", MAX_FILES);
  qe_status_t status = QE_OK;
  char *path = resolve(external->directory, location, &status);
  if (path == NULL) return status;
  struct stat info;
  struct qe__external_file file = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0 || fstat(file.fd, &info) != 0) {
    status = qe__fail(QE_ERROR_IO, "external data file '%s': %s", path, strerror(errno));
    goto fail;
  }
  if (!S_ISREG(info.st_mode)) {
    status = qe__fail(QE_ERROR_IO, "external data '%s' is not a regular file", path);
    goto fail;
  }
  file.size = (int64_t)info.st_size;
  status = QE_ERROR_OUT_OF_MEMORY;
  file.location = qe__strdup(location);
  if (file.location == NULL) goto fail;
  void *array = external->files;
  QE_TRY_GOTO(qe__grow(&array, &external->capacity, external->count, sizeof file), fail);
  external->files = array;
  external->files[external->count] = file;
  *out = &external->files[external->count++];
  free(path);
  return QE_OK;
fail:
  if (file.fd >= 0) close(file.fd);
  qe__free(file.location);
  free(path);
  return status;
}

qe_status_t qe__external_read(qe__external *external, const char *location, int64_t offset, int64_t length, void *out,
                              size_t size) {
  struct qe__external_file *file;
  QE_TRY(open_file(external, location, &file));
  if (offset < 0 || offset > file->size) {
    return qe__fail(QE_ERROR_FORMAT, "external data '%s': offset %lld is outside of the file (%lld bytes)", location,
                    (long long)offset, (long long)file->size);
  }
  const int64_t available = file->size - offset;
  if (length < 0) length = available;
  if (length > available) {
    return qe__fail(QE_ERROR_FORMAT,
                    "external data '%s': %lld bytes at offset %lld are asked for, the file has %lld bytes", location,
                    (long long)length, (long long)offset, (long long)file->size);
  }
  if ((uint64_t)length != size) {
    return qe__fail(QE_ERROR_FORMAT, "external data '%s': %lld bytes are given at offset %lld, type and shape need %zu",
                    location, (long long)length, (long long)offset, size);
  }
  if (out == NULL) return QE_OK;
  if (file->read > 2 * file->size) {
    return qe__fail(QE_ERROR_FORMAT,
                    "external data '%s': tensors overlap so much that they exceed the file more than twice", location);
  }
  file->read += length;
  char *to = out;
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(file->fd, to + done, size - done, (off_t)(offset + (int64_t)done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return qe__fail(QE_ERROR_IO, "external data '%s': reading %zu bytes at offset %lld: %s", location, size,
                      (long long)offset, n < 0 ? strerror(errno) : "unexpected end of file");
    }
    done += (size_t)n;
  }
  return QE_OK;
}

void qe__external_close(qe__external *external) {
  for (size_t i = 0; i < external->count; i++) {
    close(external->files[i].fd);
    qe__free(external->files[i].location);
  }
  qe__free(external->files);
  external->files = NULL;
  external->count = external->capacity = 0;
}
