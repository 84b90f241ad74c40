/* Stands in for what finds and loads engine files (QE_ENGINE_FILES=OFF): the engines in the library are all there are. */
#include <string.h>

#include "engine/load.h"

qe_status_t qe__engine_discover(qe__paths *out) {
  memset(out, 0, sizeof *out);
  return QE_OK;
}

void qe__paths_free(qe__paths *paths) { (void)paths; }

qe_status_t qe__engine_check(const char *real) {
  (void)real;
  return qe__fail(QE_ERROR_ENGINE, "this build of qengine loads no engine files (CMake option QE_ENGINE_FILES)");
}

qe_status_t qe__engine_map(const char *real, void **handle) {
  *handle = NULL;
  return qe__engine_check(real);
}

void qe__engine_unmap(void *handle) { (void)handle; }

qe_status_t qe__engine_query(void *handle, const qe_plugin **table) {
  (void)handle;
  *table = NULL;
  return QE_ERROR_ENGINE;
}
