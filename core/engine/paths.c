/* The search path's candidates for callers outside, nothing loaded. */
#include "base/memory.h"
#include "engine/load.h"

struct qe_engine_paths {
  qe__paths found;
};

qe_status_t qe_engine_paths_create(qe_engine_paths_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  qe_engine_paths_t *paths = qe__calloc(1, sizeof *paths);
  if (!paths) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__engine_discover(&paths->found);
  if (status != QE_OK) qe__free(paths);
  else *out = paths;
  return status;
}

uint32_t qe_engine_paths_count(const qe_engine_paths_t *paths) {
  return paths ? (uint32_t)paths->found.count : 0;
}

const char *qe_engine_paths_at(const qe_engine_paths_t *paths, uint32_t index, const char **problem) {
  if (problem) *problem = NULL;
  if (!paths || index >= paths->found.count) return NULL;
  if (problem) *problem = paths->found.problem[index];
  return paths->found.path[index];
}

void qe_engine_paths_destroy(qe_engine_paths_t **paths) {
  if (!paths || !*paths) return;
  qe__paths_free(&(*paths)->found);
  qe__free(*paths);
  *paths = NULL;
}
