/* Steps "map" and "query": the file enters the process, and says what it is. */
#include <dlfcn.h>
#include <fenv.h>
#include <string.h>

#include "engine/load.h"

static const char *dl_reason(void) {
  const char *text = dlerror();
  return text != NULL ? text : "the loader gave no reason";
}

qe_status_t qe__engine_map(const char *real, void **handle) {
  fenv_t fp;
  *handle = NULL;
  /* An object linked with -ffast-math sets flush-to-zero in its constructor; results would depend on what was loaded. */
  const bool saved = fegetenv(&fp) == 0;
  *handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
  if (saved) fesetenv(&fp);
  if (*handle == NULL) return qe__fail(QE_ERROR_ENGINE, "can't be loaded: %s", dl_reason());
  return QE_OK;
}

void qe__engine_unmap(void *handle) {
  if (handle != NULL) dlclose(handle);
}

qe_status_t qe__engine_query(void *handle, const qe_plugin **table) {
  qe_plugin_query_fn query = NULL;
  *table = NULL;
  dlerror();
  void *symbol = dlsym(handle, QE_PLUGIN_QUERY_SYMBOL);
  if (symbol == NULL) {
    return qe__fail(QE_ERROR_ENGINE, "is not an engine: it does not export " QE_PLUGIN_QUERY_SYMBOL " (%s)", dl_reason());
  }
  memcpy(&query, &symbol, sizeof query); /* ISO C has no cast from object to function pointer */
  *table = query(QE_ABI_MAJOR, QE_ABI_MINOR);
  if (*table == NULL) {
    return qe__fail(QE_ERROR_ENGINE, "does not serve plugin ABI %d.%d; use an engine built for this version of qengine", QE_ABI_MAJOR,
                    QE_ABI_MINOR);
  }
  return QE_OK;
}
