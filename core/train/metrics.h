/* The metrics file of a training: a JSON object per line, appended as they come (docs/training.md says what is in them). */
#ifndef QE_CORE_TRAIN_METRICS_H
#define QE_CORE_TRAIN_METRICS_H

#include "train/trainer.h"

typedef struct qe__metrics_file {
  int fd;        /* -1: none */
  const char *path;
  uint64_t lines; /* in it */
} qe__metrics_file;

/*
 * path NULL: no file, and nothing happens below. A training that goes on from a checkpoint gives the number of
 * lines (known) that the file had then: what was written later is cut off, so that no line is there twice. Errors: IO, STATE (another file).
 */
qe_status_t qe__metrics_open(const char *path, bool known, uint64_t lines, qe__metrics_file *out);
qe_status_t qe__metrics_step(qe__metrics_file *f, const qe_train_metrics_t *step);
/* validation may be NULL. */
qe_status_t qe__metrics_epoch(qe__metrics_file *f, const qe_train_metrics_t *train, const qe_train_metrics_t *validation);
/* What was written is on the disk; before a checkpoint that counts on it. */
void qe__metrics_sync(const qe__metrics_file *f);
void qe__metrics_close(qe__metrics_file *f);

#endif
