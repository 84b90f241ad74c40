/*
 * Leaving. A retired engine gets no new plans; the last plan, session or observer that lets go of it destroys it. Its
 * code stays mapped, because no one can know that nothing of it is in use any more (a thread, a callback, a text).
 */
#include <pthread.h>

#include "engine/load.h"

static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER;
static qe__loaded *retired; /* all there ever were */

/* Engines are handed out as constant; only what is counted here changes. */
static qe__loaded *record_of(const qe__engine *engine) {
  return (qe__loaded *)(uintptr_t)engine;
}

bool qe__engine_acquire(const qe__engine *engine) {
  qe__loaded *l = record_of(engine);
  unsigned count = atomic_load(&l->references);
  do {
    if (count == 0 || atomic_load(&l->retired)) return false;
  } while (!atomic_compare_exchange_weak(&l->references, &count, count + 1));
  return true;
}

void qe__engine_release(const qe__engine *engine) {
  if (engine != NULL && atomic_fetch_sub(&record_of(engine)->references, 1) == 1) qe__engine_destroy(record_of(engine));
}

bool qe__engine_is_retired(const qe__engine *engine) {
  return atomic_load(&record_of(engine)->retired);
}

void qe__engine_mark_retired(const qe__engine *engine) {
  qe__loaded *l = record_of(engine);
  atomic_store(&l->retired, true);
  pthread_mutex_lock(&retired_lock);
  l->next_retired = retired;
  retired = l;
  pthread_mutex_unlock(&retired_lock);
}

bool qe__engine_was_retired(const void *handle) {
  pthread_mutex_lock(&retired_lock);
  const qe__loaded *l = retired;
  while (l != NULL && l->handle != handle) l = l->next_retired;
  pthread_mutex_unlock(&retired_lock);
  return l != NULL;
}

qe_status_t qe__engine_unload(const qe__engine *engine) {
  qe__loaded *l = record_of(engine);
  const unsigned count = atomic_load(&l->references);
  if (!qe__engine_is_retired(engine) || count > 0) {
    return qe__fail(QE_ERROR_STATE,
                    "engine '%s' can't be unmapped: it %s (%u references); retire it and end its sessions first",
                    engine->name, qe__engine_is_retired(engine) ? "is still used" : "is not retired", count);
  }
  pthread_mutex_lock(&retired_lock);
  qe__engine_unmap(l->handle);
  l->handle = NULL;
  pthread_mutex_unlock(&retired_lock);
  return QE_OK;
}

qe_status_t qe_engine_retire(const char *name) {
  QE_CHECK_ARG(name != NULL && name[0] != '\0', "name is NULL or empty");
  const qe__engine *engine = qe__engine_by_name(name);
  if (engine == NULL)
    return qe__fail(QE_ERROR_NOT_FOUND, "no engine called '%s' is loaded, so it can't be retired", name);
  return qe__engine_retire(engine);
}
