/* Step "create": the plugin gets its host and makes its state; and its counterpart, destroy. */
#include <fenv.h>
#include <pthread.h>

#include "base/env.h"
#include "engine/host.h"
#include "engine/load.h"

static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;

qe_status_t qe__engine_create(qe__loaded *engine) {
  fenv_t fp;
  QE_TRY(qe__host_options(engine, qe__secure_getenv("QENGINE_OPTIONS")));
  qe__host_fill(engine, &engine->host);
  qe__host_clear_error();
  engine->created = true;
  const bool saved = fegetenv(&fp) == 0; /* see map.c */
  pthread_mutex_lock(&life_lock);
  const qe_plugin *table = &engine->engine.table;
  const int result = table->create(&engine->host, &engine->engine.self);
  const int test = result == 0 && table->self_test != NULL ? table->self_test(engine->engine.self) : 0;
  if (test != 0) table->destroy(engine->engine.self);
  pthread_mutex_unlock(&life_lock);
  if (saved) fesetenv(&fp);
  if (result == 0 && test == 0) return QE_OK;
  const char *said = qe__host_error();
  return qe__fail(QE_ERROR_ENGINE, "%s (code %d): %s", result != 0 ? "could not start" : "failed its own test",
                  result != 0 ? result : test, said[0] != '\0' ? said : "it gave no reason");
}

void qe__engine_destroy(qe__loaded *engine) {
  pthread_mutex_lock(&life_lock);
  engine->engine.table.destroy(engine->engine.self);
  pthread_mutex_unlock(&life_lock);
}
