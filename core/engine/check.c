/* Step "check": is this file one that may be mapped into the process? Runs before any of its code. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/load.h"

static const char *kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a file";
}

static qe_status_t check_stat(const struct stat *st) {
  if (!S_ISREG(st->st_mode)) return qe__fail(QE_ERROR_ENGINE, "is %s, not a regular file", kind_of(st->st_mode));
  if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return qe__fail(QE_ERROR_ENGINE, "is writable by %s (mode %04o), so anybody could change what is run; run chmod go-w on it",
                    (st->st_mode & S_IWOTH) != 0 ? "everybody" : "its group", (unsigned)(st->st_mode & 07777));
  }
  if (st->st_uid != 0 && st->st_uid != geteuid()) {
    return qe__fail(QE_ERROR_ENGINE, "belongs to user %lu, not to root or to user %lu who runs this program",
                    (unsigned long)st->st_uid, (unsigned long)geteuid());
  }
  return QE_OK;
}

qe_status_t qe__engine_check(const char *real) {
  struct stat st;
  /* Looked at before it is opened: opening a FIFO waits, opening a device acts. */
  if (stat(real, &st) != 0) return qe__fail(QE_ERROR_ENGINE, "can't be looked at: %s", strerror(errno));
  QE_TRY(check_stat(&st));
  const int fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return qe__fail(QE_ERROR_ENGINE, "can't be opened: %s", strerror(errno));
  qe_status_t status;
  if (fstat(fd, &st) != 0) status = qe__fail(QE_ERROR_ENGINE, "can't be looked at: %s", strerror(errno));
  else status = check_stat(&st);
  if (status == QE_OK) status = qe__elf_check(fd, (uint64_t)st.st_size);
  close(fd);
  return status;
}
