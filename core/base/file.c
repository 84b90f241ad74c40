/* Reading regular files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static const char *kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/* O_NONBLOCK: opening a FIFO that nobody writes to must not hang. */
qe_status_t qe__file_open(const char *path, uint64_t max_bytes, qe__file *out) {
  qe__file f = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  *out = (qe__file){.fd = -1};
  if (f.fd < 0) {
    const qe_status_t status = errno == ENOENT || errno == ENOTDIR ? QE_ERROR_NOT_FOUND : QE_ERROR_IO;
    return qe__fail(status, "%s: cannot be opened for reading: %s", path, strerror(errno));
  }
  struct stat st;
  qe_status_t status = QE_OK;
  if (fstat(f.fd, &st) != 0) status = qe__fail(QE_ERROR_IO, "%s: %s", path, strerror(errno));
  else if (!S_ISREG(st.st_mode)) {
    status = qe__fail(QE_ERROR_IO, "%s: is %s; expected a regular file (write the data to a file first)", path,
                      kind_of(st.st_mode));
  } else if ((uint64_t)st.st_size > max_bytes || (uint64_t)st.st_size > SIZE_MAX) {
    status = qe__fail(QE_ERROR_FORMAT, "%s: has %" PRIu64 " bytes; at most %" PRIu64 " are accepted here", path,
                      (uint64_t)st.st_size, max_bytes);
  }
  if (status != QE_OK) {
    close(f.fd);
    return status;
  }
  f.size = (uint64_t)st.st_size;
  *out = f;
  return QE_OK;
}

void qe__file_close(qe__file *file) {
  if (file->fd >= 0) close(file->fd);
  file->fd = -1;
}

qe_status_t qe__file_read(const qe__file *file, uint64_t offset, void *to, size_t size) {
  uint8_t *data = to;
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(file->fd, data + done, size - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return qe__fail(QE_ERROR_IO, "%s: reading failed at byte %" PRIu64 ": %s", file->path, offset + done,
                      strerror(errno));
    }
    if (n == 0) {
      return qe__fail(QE_ERROR_IO,
                      "%s: ended at byte %" PRIu64 " while it was being read; is something still writing to it?",
                      file->path, offset + done);
    }
    done += (size_t)n;
  }
  return QE_OK;
}

static qe_status_t read_new(const qe__file *file, uint64_t offset, size_t size, void **data) {
  if (size > PTRDIFF_MAX - 1)
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "%s: %zu bytes exceed the address space", file->path, size);
  uint8_t *bytes = qe__alloc_aligned(size + 1, 0);
  if (bytes == NULL) return qe__fail_in(QE_ERROR_OUT_OF_MEMORY, "%s", file->path);
  const qe_status_t status = qe__file_read(file, offset, bytes, size);
  if (status != QE_OK) {
    qe__free_aligned(bytes);
    return status;
  }
  bytes[size] = 0;
  *data = bytes;
  return QE_OK;
}

qe_status_t qe__read_file(const char *path, uint64_t max_bytes, void **data, size_t *size) {
  *data = NULL;
  *size = 0;
  qe__file file;
  QE_TRY(qe__file_open(path, max_bytes, &file));
  const qe_status_t status = read_new(&file, 0, (size_t)file.size, data);
  if (status == QE_OK) *size = (size_t)file.size;
  qe__file_close(&file);
  return status;
}

qe_status_t qe__read_file_range(const char *path, uint64_t offset, size_t size, void **data) {
  *data = NULL;
  qe__file file;
  QE_TRY(qe__file_open(path, UINT64_MAX, &file));
  qe_status_t status;
  if (offset > file.size || size > file.size - offset) {
    status =
        qe__fail(QE_ERROR_FORMAT, "%s: has %" PRIu64 " bytes; bytes %" PRIu64 " to %" PRIu64 " were expected in it",
                 path, file.size, offset, offset + size);
  } else {
    status = read_new(&file, offset, size, data);
  }
  qe__file_close(&file);
  return status;
}
