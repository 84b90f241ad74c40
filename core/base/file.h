/* Whole files in, whole files out: reading with a size limit, writing that never leaves half a file behind. */
#ifndef QE_CORE_FILE_H
#define QE_CORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A regular file that is open for reading. */
typedef struct qe__file {
  const char *path; /* the caller's, for messages */
  int fd;
  uint64_t size;
} qe__file;

/* Directories, FIFOs and devices, and files longer than max_bytes, are refused. Close with qe__file_close. */
qe_status_t qe__file_open(const char *path, uint64_t max_bytes, qe__file *out);
/* Bytes [offset, offset + size); IO error when the file has been cut since it was opened. */
qe_status_t qe__file_read(const qe__file *file, uint64_t offset, void *to, size_t size);
void qe__file_close(qe__file *file);

/*
 * Reads all of a regular file; refuses as qe__file_open does. *data is 64-byte aligned, followed by one zero byte that
 * *size does not count, and freed with qe__free_aligned.
 */
qe_status_t qe__read_file(const char *path, uint64_t max_bytes, void **data, size_t *size);
/* Bytes [offset, offset + size) of a regular file; FORMAT error when the file is shorter. Free as above. */
qe_status_t qe__read_file_range(const char *path, uint64_t offset, size_t size, void **data);

/*
 * A file that appears under its name only when it is complete. Data goes to a temporary file in the same directory;
 * commit syncs and renames it, abort removes it. One thread at a time per writer.
 */
typedef struct qe__writer qe__writer;

/* overwrite 0: an existing file is refused with EXISTS, now and again at commit. Only regular files are replaced. */
qe_status_t qe__writer_open(const char *path, int overwrite, qe__writer **out);
/* After an error every later call fails with it too, commit included. */
qe_status_t qe__writer_write(qe__writer *writer, const void *data, size_t size);
/* The end of the writer in any case; on error nothing is left behind and the old file is untouched. */
qe_status_t qe__writer_commit(qe__writer **writer);
/* NULL is allowed. */
void qe__writer_abort(qe__writer **writer);
/* Removes the temporary files of all open writers. Async-signal-safe: for a handler that ends the process. */
void qe__writer_unlink_all(void);

/* Open, write, commit. */
qe_status_t qe__write_file(const char *path, const void *data, size_t size, int overwrite);

#endif
