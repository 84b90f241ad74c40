/* See metrics.h. */
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { LINE = 1024, NUMBER = 32 };

static qe_status_t fail(const char *path, const char *what) {
  return qe__fail(QE_ERROR_IO, "%s: metrics cannot be %s: %s", path, what, strerror(errno));
}

/* Where the first `lines` lines of a regular file end, and how many there are in all. */
static qe_status_t find_lines(const qe__metrics_file *f, uint64_t lines, off_t *end, uint64_t *all) {
  char buffer[4096];
  off_t at = 0;
  ssize_t n;
  *all = 0;
  *end = 0;
  while ((n = pread(f->fd, buffer, sizeof buffer, at)) > 0) {
    for (ssize_t i = 0; i < n; i++) {
      if (buffer[i] == '\n' && ++*all == lines) *end = at + i + 1;
    }
    at += n;
  }
  return n == 0 ? QE_OK : fail(f->path, "read");
}

/* Back to the lines that there were when the checkpoint was written, unless what follows is none of ours: another file. */
static qe_status_t cut(qe__metrics_file *f, uint64_t lines, off_t end) {
  static const char first[] = "{\"schema_version\"";
  char next[sizeof first - 1];
  if (f->lines < lines) {
    qe__log(QE_LOG_WARNING, "%s: has %" PRIu64 " lines, had %" PRIu64 " when the checkpoint was written; some are missing", f->path,
            f->lines, lines);
    return QE_OK;
  }
  const ssize_t n = pread(f->fd, next, sizeof next, end);
  if (n < 0 || memcmp(next, first, (size_t)n) != 0) {
    return qe__fail(QE_ERROR_STATE, "%s: is not the metrics file that the checkpoint was written beside; name that one, or a new one", f->path);
  }
  if (ftruncate(f->fd, end) != 0) return fail(f->path, "cut back to the checkpoint");
  f->lines = lines;
  return QE_OK;
}

qe_status_t qe__metrics_open(const char *path, bool known, uint64_t lines, qe__metrics_file *f) {
  struct stat st;
  off_t end = 0;
  *f = (qe__metrics_file){.fd = -1, .path = path};
  if (path == NULL) return QE_OK;
  f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (f->fd < 0) return fail(path, "written");
  qe_status_t status = fstat(f->fd, &st) == 0 ? QE_OK : fail(path, "written");
  if (status == QE_OK && S_ISREG(st.st_mode)) {
    status = find_lines(f, lines, &end, &f->lines);
    if (status == QE_OK && known) status = cut(f, lines, end);
  }
  if (status != QE_OK) qe__metrics_close(f);
  return status;
}

/* A JSON number; what none can be is null. The point is a point in every locale. */
static const char *number(double x, char text[NUMBER]) {
  snprintf(text, NUMBER, "%.12g", x);
  if (!isfinite(x)) snprintf(text, NUMBER, "null");
  for (char *p = text; *p != '\0'; p++) *p = *p == ',' ? '.' : *p;
  return text;
}

/* What one step or pass came to, without braces. */
static int describe(const qe_train_metrics_t *m, char *text, size_t size) {
  char loss[NUMBER], top1[NUMBER], lr[NUMBER], norm[NUMBER], seconds[NUMBER];
  return snprintf(text, size, "\"count\": %" PRId64 ", \"loss\": %s, \"top1\": %s, \"lr\": %s, \"grad_norm\": %s, \"seconds\": %s",
                  m->count, number(m->loss, loss), number(m->top1, top1), number(m->lr, lr), number(m->grad_norm, norm),
                  number(m->seconds, seconds));
}

/* One write for a line, so that a reader sees whole lines. */
static qe_status_t append(qe__metrics_file *f, const char *line, size_t size) {
  while (size > 0) {
    const ssize_t n = write(f->fd, line, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(f->path, "written");
    line += n;
    size -= (size_t)n;
  }
  f->lines++;
  return QE_OK;
}

qe_status_t qe__metrics_step(qe__metrics_file *f, const qe_train_metrics_t *m) {
  char body[LINE / 2], line[LINE];
  if (f->fd < 0) return QE_OK;
  describe(m, body, sizeof body);
  const int n = snprintf(line, sizeof line, "{\"schema_version\": 1, \"kind\": \"step\", \"step\": %" PRIu64 ", \"epoch\": %u, %s}\n", m->step,
                         m->epoch, body);
  return append(f, line, (size_t)n);
}

qe_status_t qe__metrics_epoch(qe__metrics_file *f, const qe_train_metrics_t *train, const qe_train_metrics_t *validation) {
  char body[LINE / 3], second[LINE / 3] = "", line[LINE];
  if (f->fd < 0) return QE_OK;
  describe(train, body, sizeof body);
  if (validation != NULL) describe(validation, second, sizeof second);
  const int n = snprintf(line, sizeof line,
                         "{\"schema_version\": 1, \"kind\": \"epoch\", \"step\": %" PRIu64 ", \"epoch\": %u, \"train\": {%s}, \"validation\": %s%s%s}\n",
                         train->step, train->epoch, body, validation != NULL ? "{" : "null", second, validation != NULL ? "}" : "");
  return append(f, line, (size_t)n);
}

void qe__metrics_sync(const qe__metrics_file *f) {
  if (f->fd >= 0) (void)fdatasync(f->fd); /* pipes and terminals cannot, and need not */
}

void qe__metrics_close(qe__metrics_file *f) {
  if (f->fd >= 0) close(f->fd);
  f->fd = -1;
}
