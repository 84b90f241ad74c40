/*
 * Step "discover": which files may be engines. QENGINE_PLUGIN_PATH comes before the directory of the installed engines,
 * or, in a build tree, of the freshly built ones. Never the current directory: entries must be absolute.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/memory.h"
#include "engine/load.h"

static qe_status_t add(qe__paths *paths, char *path, char *problem) {
  qe_status_t status = path != NULL ? qe__grow((void **)&paths->path, &paths->capacity, paths->count, sizeof *paths->path) : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) status = qe__grow((void **)&paths->problem, &paths->problem_capacity, paths->count, sizeof *paths->problem);
  if (status != QE_OK) {
    qe__free(path);
    qe__free(problem);
    return status;
  }
  paths->path[paths->count] = path;
  paths->problem[paths->count++] = problem;
  return QE_OK;
}

static qe_status_t add_problem(qe__paths *paths, const char *path, const char *problem) {
  char *copy = qe__strdup(problem);
  if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
  return add(paths, qe__strdup(path), copy);
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool is_candidate(const char *file) {
  const size_t length = strlen(file);
  return file[0] != '.' && length > 3 && strcmp(file + length - 3, ".so") == 0;
}

/* `wanted`: the user named this directory, so that it can't be read is worth telling. */
static qe_status_t add_directory(qe__paths *paths, const char *directory, bool wanted) {
  DIR *d = opendir(directory);
  if (d == NULL) {
    if (!wanted) return QE_OK;
    char problem[160];
    snprintf(problem, sizeof problem, "QENGINE_PLUGIN_PATH names this directory, but it can't be read: %s", strerror(errno));
    return add_problem(paths, directory, problem);
  }
  const size_t first = paths->count;
  qe_status_t status = QE_OK;
  const struct dirent *entry;
  while (status == QE_OK && (entry = readdir(d)) != NULL) {
    if (is_candidate(entry->d_name)) status = add(paths, qe__format("%s/%s", directory, entry->d_name), NULL);
  }
  closedir(d);
  if (paths->count > first) qsort(paths->path + first, paths->count - first, sizeof *paths->path, compare_texts);
  return status;
}

qe_status_t qe__engine_discover_in(const char *list, const char *fallback, qe__paths *out) {
  memset(out, 0, sizeof *out);
  for (const char *at = list; at != NULL && *at != '\0';) {
    const size_t length = strcspn(at, ":");
    if (length > 0) {
      char *directory = qe__strndup(at, length);
      if (directory == NULL) return QE_ERROR_OUT_OF_MEMORY;
      const qe_status_t status = directory[0] == '/' ? add_directory(out, directory, true)
                                                     : add_problem(out, directory, "QENGINE_PLUGIN_PATH names a relative directory; write an absolute path");
      qe__free(directory);
      QE_TRY(status);
    }
    at += length + (at[length] == ':');
  }
  return fallback != NULL ? add_directory(out, fallback, false) : QE_OK;
}

void qe__paths_free(qe__paths *paths) {
  for (size_t i = 0; i < paths->count; i++) {
    qe__free(paths->path[i]);
    qe__free(paths->problem[i]);
  }
  qe__free(paths->path);
  qe__free(paths->problem);
  memset(paths, 0, sizeof *paths);
}

/* Directory of the object (library or program) that this code is in; false when unknown. */
static bool own_directory(char *out, size_t size) {
  static const char here = 0;
  Dl_info info;
  struct link_map *map = NULL;
  char real[PATH_MAX];
  if (dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL) return false;
  /* The program itself has no name in the link map. A relative name would depend on the current directory. */
  const char *file = map->l_name[0] == '\0' ? "/proc/self/exe" : map->l_name;
  if (file[0] != '/' || realpath(file, real) == NULL) return false;
  char *slash = strrchr(real, '/');
  *slash = '\0';
  if (strlen(real) + 1 > size) return false;
  memcpy(out, real, strlen(real) + 1);
  return true;
}

/* Relative to the library when that is how things lie (a moved installation, a build tree), else where they were installed. */
static void default_directory(char *out, size_t size) {
  static const char *const places[] = {"qengine/engines", "../engines"};
  char own[PATH_MAX], tried[PATH_MAX + 32];
  struct stat st;
  if (own_directory(own, sizeof own)) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
      char real[PATH_MAX];
      snprintf(tried, sizeof tried, "%s/%s", own, places[i]);
      if (realpath(tried, real) == NULL || stat(real, &st) != 0 || !S_ISDIR(st.st_mode)) continue;
      snprintf(out, size, "%s", real);
      return;
    }
  }
  snprintf(out, size, "%s", QE_ENGINE_DIR);
}

qe_status_t qe__engine_discover(qe__paths *out) {
  char fallback[PATH_MAX];
  default_directory(fallback, sizeof fallback);
  return qe__engine_discover_in(qe__secure_getenv("QENGINE_PLUGIN_PATH"), fallback, out);
}
