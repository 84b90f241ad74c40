/*
 * Atomic output: a temporary file beside the target, renamed when it is complete. Every temporary file is in a fixed
 * registry from before it exists until after it is gone, so that a signal handler can remove it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum { MAX_WRITERS = 32, BUFFER = 1 << 16, NAME_PART = 100, MAX_TRIES = 100 };
enum { SLOT_FREE, SLOT_TAKEN, SLOT_ACTIVE };

static struct slot {
  atomic_int state;
  char path[PATH_MAX];
} slots[MAX_WRITERS];

struct qe__writer {
  char *path; /* the target, symbolic links resolved */
  struct slot *slot;
  int fd;
  int overwrite;
  qe_status_t status; /* of the first failure */
  char *message;      /* its text, or NULL */
  size_t used;
  uint8_t buffer[BUFFER];
};

static struct slot *take_slot(void) {
  for (size_t i = 0; i < MAX_WRITERS; i++) {
    int expected = SLOT_FREE;
    if (atomic_compare_exchange_strong(&slots[i].state, &expected, SLOT_TAKEN)) return &slots[i];
  }
  return NULL;
}

void qe__writer_unlink_all(void) {
  const int saved = errno;
  for (size_t i = 0; i < MAX_WRITERS; i++) {
    if (atomic_load(&slots[i].state) == SLOT_ACTIVE) unlink(slots[i].path);
  }
  errno = saved;
}

static qe_status_t refuse_existing(const char *path) {
  return qe__fail(QE_ERROR_EXISTS,
                  "%s: exists already and is left as it is; choose another name, or overwrite it (--force)", path);
}

/* What may be written over, and the mode that the new file gets. */
static qe_status_t check_target(const char *path, int overwrite, mode_t *mode) {
  struct stat st;
  *mode = 0;
  if (stat(path, &st) != 0) {
    if (errno == ENOENT) return QE_OK; /* a missing directory is reported when the file is created */
    return qe__fail(QE_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
  }
  if (!S_ISREG(st.st_mode)) {
    return qe__fail(QE_ERROR_IO, "%s: is %s and cannot be replaced by an output file; give the name of a file", path,
                    S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
  }
  if (!overwrite) return refuse_existing(path);
  *mode = st.st_mode & 0777;
  return QE_OK;
}

/* Creates "<directory>/.<name>.<pid>.<n>.tmp". */
static qe_status_t create_temporary(qe__writer *w) {
  static atomic_uint counter;
  const char *slash = strrchr(w->path, '/');
  const char *base = slash == NULL ? w->path : slash + 1;
  const int directory = (int)(base - w->path);
  w->slot = take_slot();
  if (w->slot == NULL) {
    return qe__fail(QE_ERROR_STATE, "%s: %d output files are being written already; finish one first", w->path,
                    MAX_WRITERS);
  }
  for (int tries = 0; tries < MAX_TRIES; tries++) {
    const int n = snprintf(w->slot->path, sizeof w->slot->path, "%.*s.%.*s.%ld.%u.tmp", directory, w->path, NAME_PART,
                           base, (long)getpid(), atomic_fetch_add(&counter, 1));
    if (n < 0 || (size_t)n >= sizeof w->slot->path) return qe__fail(QE_ERROR_IO, "%s: the path is too long", w->path);
    /* Listed before it exists: the name carries our process id, so whoever made such a file before is gone. */
    atomic_store(&w->slot->state, SLOT_ACTIVE);
    w->fd = open(w->slot->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) return QE_OK;
    const int error = errno;
    atomic_store(&w->slot->state, SLOT_TAKEN);
    if (error != EEXIST) {
      return qe__fail(QE_ERROR_IO, "%s: cannot be written: no file can be created in its directory: %s", w->path,
                      strerror(error));
    }
  }
  return qe__fail(QE_ERROR_IO, "%s: cannot be written: %d temporary names beside it are in use; remove old .tmp files",
                  w->path, MAX_TRIES);
}

static void close_writer(qe__writer **writer, int remove_temporary) {
  qe__writer *w = *writer;
  *writer = NULL;
  if (w->fd >= 0) close(w->fd);
  if (w->slot != NULL) {
    if (remove_temporary && atomic_load(&w->slot->state) == SLOT_ACTIVE) unlink(w->slot->path);
    atomic_store(&w->slot->state, SLOT_FREE);
  }
  qe__free(w->path);
  qe__free(w->message);
  qe__free(w);
}

/* A symbolic link stays a link: the file it names is replaced. */
static char *resolve(const char *path) {
  struct stat st;
  if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
    char resolved[PATH_MAX];
    if (realpath(path, resolved) != NULL) return qe__strdup(resolved);
  }
  return qe__strdup(path);
}

qe_status_t qe__writer_open(const char *path, int overwrite, qe__writer **out) {
  *out = NULL;
  const size_t length = strlen(path);
  if (length == 0 || path[length - 1] == '/') {
    return qe__fail(QE_ERROR_IO, "\"%s\": is not the name of a file; give one", path);
  }
  mode_t mode;
  QE_TRY(check_target(path, overwrite, &mode));
  qe__writer *w = qe__calloc(1, sizeof *w);
  if (w == NULL) return QE_ERROR_OUT_OF_MEMORY;
  w->fd = -1;
  w->overwrite = overwrite;
  w->path = resolve(path);
  qe_status_t status = w->path == NULL ? QE_ERROR_OUT_OF_MEMORY : create_temporary(w);
  if (status == QE_OK && mode != 0 && fchmod(w->fd, mode) != 0) {
    status = qe__fail(QE_ERROR_IO, "%s: the mode of the old file cannot be kept: %s", path, strerror(errno));
  }
  if (status != QE_OK) {
    close_writer(&w, 1);
    return status;
  }
  *out = w;
  return QE_OK;
}

static qe_status_t fail_write(qe__writer *w, int error) {
  w->status = qe__fail(QE_ERROR_IO, "%s: writing failed: %s; nothing was left behind", w->path, strerror(error));
  w->message = qe__strdup(qe_last_error());
  return w->status;
}

static qe_status_t again(const qe__writer *w) {
  return w->message == NULL ? w->status : qe__fail(w->status, "%s", w->message);
}

static qe_status_t write_out(qe__writer *w, const uint8_t *data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(w->fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_write(w, n < 0 ? errno : ENOSPC);
    data += n;
    size -= (size_t)n;
  }
  return QE_OK;
}

static qe_status_t flush(qe__writer *w) {
  const size_t used = w->used;
  w->used = 0;
  return write_out(w, w->buffer, used);
}

qe_status_t qe__writer_write(qe__writer *w, const void *data, size_t size) {
  if (w->status != QE_OK) return again(w);
  if (size > sizeof w->buffer - w->used) QE_TRY(flush(w));
  if (size >= sizeof w->buffer) return write_out(w, data, size);
  if (size > 0) memcpy(w->buffer + w->used, data, size);
  w->used += size;
  return QE_OK;
}

/* The last word on an existing target belongs to the file system: whoever created it meanwhile wins. */
static qe_status_t publish(qe__writer *w) {
  const char *temporary = w->slot->path;
  if (w->overwrite) {
    if (rename(temporary, w->path) == 0) return QE_OK;
  } else {
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, w->path, RENAME_NOREPLACE) == 0) return QE_OK;
    if (errno == EINVAL || errno == ENOSYS) { /* file systems without RENAME_NOREPLACE */
      if (link(temporary, w->path) == 0) {
        unlink(temporary);
        return QE_OK;
      }
    }
    if (errno == EEXIST) return refuse_existing(w->path);
  }
  return qe__fail(QE_ERROR_IO, "%s: cannot be put in place: %s; nothing was left behind", w->path, strerror(errno));
}

/* Makes the new name survive a power cut; a file system that cannot is no reason to fail. */
static void sync_directory(const char *path) {
  char directory[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (slash == NULL) snprintf(directory, sizeof directory, ".");
  else snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

qe_status_t qe__writer_commit(qe__writer **writer) {
  qe__writer *w = *writer;
  qe_status_t status = w->status != QE_OK ? again(w) : flush(w);
  if (status == QE_OK && fsync(w->fd) != 0 && errno != EINVAL && errno != EROFS && errno != EOPNOTSUPP) {
    status = fail_write(w, errno);
  }
  if (status == QE_OK) {
    const int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0 && errno != EINTR) status = fail_write(w, errno);
  }
  if (status == QE_OK) status = publish(w);
  if (status == QE_OK) sync_directory(w->path);
  close_writer(writer, status != QE_OK);
  return status;
}

void qe__writer_abort(qe__writer **writer) {
  if (writer != NULL && *writer != NULL) close_writer(writer, 1);
}

qe_status_t qe__write_file(const char *path, const void *data, size_t size, int overwrite) {
  qe__writer *w;
  QE_TRY(qe__writer_open(path, overwrite, &w));
  const qe_status_t status = qe__writer_write(w, data, size);
  if (status == QE_OK) return qe__writer_commit(&w);
  qe__writer_abort(&w);
  return status;
}
