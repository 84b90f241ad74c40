/* Files the command writes: refused early when they exist, written whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

/* "." for a path without a folder; free() it. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return cli_format(".");
  if (slash == path) return cli_format("/");
  return cli_format("%.*s", (int)(slash - path), path);
}

int cli_output_check(const char *path, bool force) {
  struct stat info;
  if (!path[0]) return cli_usage("the output's name is empty");
  if (lstat(path, &info) == 0) {
    if (S_ISDIR(info.st_mode)) return cli_error(CLI_FAILED, "%s is a folder; name a file", path);
    if (!force) return cli_error(CLI_FAILED, "%s exists already; --force overwrites it", path);
  }
  char *folder = folder_of(path);
  int code = CLI_OK;
  if (stat(folder, &info) != 0)
    code = cli_error(CLI_FAILED, "%s: its folder %s cannot be used: %s", path, folder, strerror(errno));
  else if (!S_ISDIR(info.st_mode)) code = cli_error(CLI_FAILED, "%s: %s is not a folder", path, folder);
  else if (access(folder, W_OK | X_OK) != 0)
    code = cli_error(CLI_FAILED, "%s: its folder %s is not writable: %s", path, folder, strerror(errno));
  free(folder);
  return code;
}

uint64_t cli_model_file_bytes(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) return 0;
  uint64_t bytes = (uint64_t)info.st_size;
  char *external = cli_format("%s.data", path);
  if (stat(external, &info) == 0 && S_ISREG(info.st_mode)) bytes += (uint64_t)info.st_size;
  free(external);
  return bytes;
}

static int write_all(int file, const char *text, size_t size) {
  while (size > 0) {
    const ssize_t written = write(file, text, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    text += written;
    size -= (size_t)written;
  }
  return 0;
}

int cli_write_file(const char *path, const char *text, size_t size, bool force) {
  const int refused = cli_output_check(path, force);
  if (refused) return refused;
  char *temporary = cli_format("%s.XXXXXX", path);
  const int file = mkstemp(temporary);
  bool failed = file < 0;
  if (!failed) {
    const mode_t mask = umask(0);
    umask(mask);
    failed = write_all(file, text, size) != 0 || fchmod(file, 0666 & ~mask) != 0;
    if (close(file) != 0) failed = true;
    if (!failed && rename(temporary, path) != 0) failed = true;
  }
  int code = CLI_OK;
  if (failed) {
    code = cli_error(CLI_FAILED, "%s could not be written: %s", path, strerror(errno));
    if (file >= 0) unlink(temporary);
  }
  free(temporary);
  return code;
}

int cli_finish_stdout(int code) {
  errno = 0;
  const bool failed = fflush(stdout) != 0 || ferror(stdout);
  if (!failed) return code;
  cli.json = false; /* stdout cannot take an error object either */
  cli_error(CLI_FAILED, "writing to standard output: %s", errno ? strerror(errno) : "failed");
  return code == CLI_OK ? CLI_FAILED : code;
}
