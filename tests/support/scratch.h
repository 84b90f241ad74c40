/* A directory of its own for each test, and bytes in and out of files. Header-only. */
#ifndef QE_TESTS_SCRATCH_H
#define QE_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct scratch {
  char path[128];
} scratch;

static inline void scratch_open(scratch *s) {
  const char *base = getenv("TMPDIR");
  snprintf(s->path, sizeof s->path, "%.90s/qengine-test-XXXXXX", base != NULL ? base : "/tmp");
  cr_assert_not_null(mkdtemp(s->path), "mkdtemp failed");
}

/* "<scratch>/name"; eight of them may be in use at a time. */
static inline const char *scratch_file(const scratch *s, const char *name) {
  static char paths[8][640];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", s->path, name);
  return path;
}

static inline int scratch_entries(const scratch *s) {
  int n = 0;
  DIR *d = opendir(s->path);
  cr_assert_not_null(d);
  for (const struct dirent *e; (e = readdir(d)) != NULL;)
    n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(d);
  return n;
}

static inline void scratch_write(const char *path, const void *data, size_t size) {
  FILE *f = fopen(path, "wb");
  cr_assert_not_null(f, "%s", path);
  cr_assert_eq(fwrite(data, 1, size, f), size);
  cr_assert_eq(fclose(f), 0);
}

/* Reads at most `capacity` bytes. */
static inline size_t scratch_read(const char *path, void *data, size_t capacity) {
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f, "%s", path);
  const size_t n = fread(data, 1, capacity, f);
  fclose(f);
  return n;
}

/* Removes the directory with the files directly in it. */
static inline void scratch_close(const scratch *s) {
  DIR *d = opendir(s->path);
  cr_assert_not_null(d);
  for (const struct dirent *e; (e = readdir(d)) != NULL;) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", s->path, e->d_name);
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (unlink(path) != 0) rmdir(path);
  }
  closedir(d);
  rmdir(s->path);
}

#endif
