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
static qe_status_t open_regular(const char *path, int *fd, uint64_t *size) {
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*fd < 0) {
    const qe_status_t status = errno == ENOENT || errno == ENOTDIR ? QE_ERROR_NOT_FOUND : QE_ERROR_IO;
    return qe__fail(status, "%s: cannot be opened for reading: %s", path, strerror(errno));
  }
  struct stat st;
  qe_status_t status = QE_OK;
  if (fstat(*fd, &st) != 0) status = qe__fail(QE_ERROR_IO, "%s: %s", path, strerror(errno));
  else if (!S_ISREG(st.st_mode)) {
    status = qe__fail(QE_ERROR_IO, "%s: is %s; expected a regular file (write the data to a file first)", path,
                      kind_of(st.st_mode));
  }
  if (status != QE_OK) close(*fd);
  else *size = (uint64_t)st.st_size;
  return status;
}

static qe_status_t read_at(int fd, const char *path, uint64_t offset, uint8_t *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(fd, data + done, size - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return qe__fail(QE_ERROR_IO, "%s: reading failed at byte %" PRIu64 ": %s", path, offset + done, strerror(errno));
    if (n == 0) {
      return qe__fail(QE_ERROR_IO,
                      "%s: ended at byte %" PRIu64 " while it was being read; is something still writing to it?", path,
                      offset + done);
    }
    done += (size_t)n;
  }
  return QE_OK;
}

static qe_status_t read_open(int fd, const char *path, uint64_t offset, size_t size, void **data) {
  if (size > PTRDIFF_MAX - 1)
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "%s: %zu bytes exceed the address space", path, size);
  uint8_t *bytes = qe__alloc_aligned(size + 1, 0);
  if (bytes == NULL) return qe__fail_in(QE_ERROR_OUT_OF_MEMORY, "%s", path);
  const qe_status_t status = read_at(fd, path, offset, bytes, size);
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
  int fd;
  uint64_t length = 0;
  QE_TRY(open_regular(path, &fd, &length));
  qe_status_t status;
  if (length > max_bytes || length > SIZE_MAX) {
    status = qe__fail(QE_ERROR_FORMAT, "%s: has %" PRIu64 " bytes; at most %" PRIu64 " are accepted here", path, length,
                      max_bytes);
  } else {
    status = read_open(fd, path, 0, (size_t)length, data);
  }
  close(fd);
  if (status == QE_OK) *size = (size_t)length;
  return status;
}

qe_status_t qe__read_file_range(const char *path, uint64_t offset, size_t size, void **data) {
  *data = NULL;
  int fd;
  uint64_t length = 0;
  QE_TRY(open_regular(path, &fd, &length));
  qe_status_t status;
  if (offset > length || size > length - offset) {
    status =
        qe__fail(QE_ERROR_FORMAT, "%s: has %" PRIu64 " bytes; bytes %" PRIu64 " to %" PRIu64 " were expected in it",
                 path, length, offset, offset + size);
  } else {
    status = read_open(fd, path, offset, size, data);
  }
  close(fd);
  return status;
}
