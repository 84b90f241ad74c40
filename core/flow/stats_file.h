/* A statistics file in memory (flow/stats.c says what is in it). */
#ifndef QE_CORE_FLOW_STATS_FILE_H
#define QE_CORE_FLOW_STATS_FILE_H

#include "flow/flow_internal.h"

enum { QE__STATS_HASH = 32 };

/* Bytes inside the file. */
typedef struct qe__stats_block {
  const unsigned char *data;
  size_t size;
} qe__stats_block;

typedef struct qe__stats_entry {
  qe__stats_block name, config, state;
} qe__stats_entry;

typedef struct qe__stats_file {
  void *data;
  size_t size;
  uint64_t batches;
  const unsigned char *hash; /* QE__STATS_HASH bytes */
  qe__stats_block mapping;   /* JSON */
  uint32_t count;
  qe__stats_entry *entries;
} qe__stats_file;

/* Reads and checks a whole file. Errors: IO, FORMAT. */
qe_status_t qe__stats_open(const char *path, qe__stats_file *out);
void qe__stats_close(qe__stats_file *file);
/* The same bytes without a file: written (qe__free), and taken in instead of the prepared model's own states or (merge) on top
 * of them; `name` is for messages. */
qe_status_t qe__stats_write(const qe_prepared_t *p, void **data, size_t *size);
qe_status_t qe__stats_take(qe_prepared_t *p, const void *data, size_t size, const char *name, bool merge);
/* The observer of an entry with its state; `path` is for messages. */
qe_status_t qe__stats_observer(const qe__stats_entry *entry, const char *path, qe__observer **out);

#endif
