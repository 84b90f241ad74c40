/* Runs every file of the given directories once through a fuzz target: seeds and past crashes as an ordinary test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int replay_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
    fprintf(stderr, "%s: cannot be read\n", path);
    if (f != NULL) fclose(f);
    return 1;
  }
  const long size = ftell(f);
  rewind(f);
  /* Exactly as large as the file, so that a sanitizer sees a read past its end. */
  uint8_t *data = size > 0 ? malloc((size_t)size) : NULL;
  const size_t n = data == NULL ? 0 : fread(data, 1, (size_t)size, f);
  fclose(f);
  const int failed = size < 0 || n != (size_t)size || LLVMFuzzerTestOneInput(data, n) != 0;
  free(data);
  if (failed) fprintf(stderr, "%s: failed\n", path);
  return failed;
}

int main(int argc, char **argv) {
  unsigned files = 0, failures = 0;
  for (int i = 1; i < argc; i++) {
    DIR *directory = opendir(argv[i]);
    if (directory == NULL) {
      printf("%s: no corpus\n", argv[i]);
      continue;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
      char path[4096];
      if (entry->d_name[0] == '.') continue;
      if ((size_t)snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name) >= sizeof path) continue;
      files++;
      failures += replay_file(path) != 0 ? 1u : 0u;
    }
    closedir(directory);
  }
  failures += LLVMFuzzerTestOneInput(NULL, 0) != 0 ? 1u : 0u;
  printf("%u inputs and the empty one, %u failed\n", files, failures);
  return failures == 0 ? 0 : 1;
}
