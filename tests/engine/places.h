/* Files and directories that the engine tests work with. */
#ifndef QE_TESTS_ENGINE_PLACES_H
#define QE_TESTS_ENGINE_PLACES_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = PATH_MAX + 64 };

/* The file of a row of fakes.def: "GOOD" -> ".../good.so". */
static inline void fake_path(char path[PATH_SIZE], const char *fault) {
  const int prefix = snprintf(path, PATH_SIZE, "%s/%s.so", QE_FAKES, fault);
  for (char *p = path + strlen(QE_FAKES); p < path + prefix; p++) *p = (char)tolower((unsigned char)*p);
}

/* An empty directory of this test's own. Remove with scratch_remove. */
static inline void scratch_make(char path[PATH_SIZE]) {
  const char *base = getenv("TMPDIR");
  snprintf(path, PATH_SIZE, "%s/qe-engine-XXXXXX", base != NULL && base[0] == '/' ? base : "/tmp");
  cr_assert(mkdtemp(path), "mkdtemp %s", path);
  char real[PATH_MAX];
  cr_assert(realpath(path, real));
  snprintf(path, PATH_SIZE, "%s", real);
}

static inline void scratch_remove(const char *path) {
  char command[PATH_SIZE + 16];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  cr_assert_eq(system(command), 0);
}

/* Puts a link to a fake into a directory under a file name. */
static inline void link_fake(const char *directory, const char *file, const char *fault) {
  char target[PATH_SIZE], path[2 * PATH_SIZE];
  fake_path(target, fault);
  snprintf(path, sizeof path, "%s/%s", directory, file);
  cr_assert_eq(symlink(target, path), 0, "symlink %s", path);
}

/* The bytes of a file. Free them. */
static inline unsigned char *file_read(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  cr_assert(f, "%s", path);
  fseek(f, 0, SEEK_END);
  *size = (size_t)ftell(f);
  rewind(f);
  unsigned char *bytes = malloc(*size + 1);
  cr_assert(bytes && fread(bytes, 1, *size, f) == *size, "%s", path);
  fclose(f);
  return bytes;
}

static inline void file_write(const char *path, const void *bytes, size_t size) {
  unlink(path);
  FILE *f = fopen(path, "wb");
  cr_assert(f && (size == 0 || fwrite(bytes, 1, size, f) == size), "%s", path);
  fclose(f);
}

#endif
