/*
 * Runs the steps of a load in order, one load at a time, and remembers every candidate with the step and the reason that
 * refused it.
 */
#include "engine/load.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool scanned;

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static qe__candidate *candidates;
static size_t n_candidates, candidate_capacity;

static const char *step_name(qe__load_step step) {
  switch (step) {
#define X(name, text) \
  case QE__LOAD_##name: return text;
    QE__LOAD_STEP_LIST(X)
#undef X
  }
  return "?";
}

static void candidate_clear(qe__candidate *c) {
  qe__free(c->path);
  qe__free(c->name);
  qe__free(c->vendor);
  qe__free(c->version);
  qe__free(c->reason);
  memset(c, 0, sizeof *c);
}

static bool copy_text(char **to, const char *from) {
  *to = from != NULL ? qe__strdup(from) : NULL;
  return from == NULL || *to != NULL;
}

static qe_status_t candidate_copy(qe__candidate *to, const qe__candidate *from) {
  const bool retired = from->engine != NULL && qe__engine_is_retired(from->engine);
  *to = (qe__candidate){.step = from->step, .engine = retired ? NULL : from->engine};
  if (copy_text(&to->path, from->path) && copy_text(&to->name, from->name) && copy_text(&to->vendor, from->vendor) &&
      copy_text(&to->version, from->version) && copy_text(&to->reason, retired ? "publish: it was retired" : from->reason)) {
    return QE_OK;
  }
  candidate_clear(to);
  return QE_ERROR_OUT_OF_MEMORY;
}

/* A file is known by its path; those inside the library share one. */
static bool same_candidate(const qe__candidate *a, const qe__candidate *b) {
  if (strcmp(a->path, b->path) != 0) return false;
  return strcmp(a->path, QE__BUILT_IN) != 0 || strcmp(a->name != NULL ? a->name : "", b->name != NULL ? b->name : "") == 0;
}

/* A file that was tried before gets its new result. */
static qe_status_t remember(const qe__candidate *c) {
  qe__candidate copy;
  QE_TRY(candidate_copy(&copy, c));
  pthread_mutex_lock(&list_lock);
  size_t at = 0;
  while (at < n_candidates && !same_candidate(&candidates[at], c)) at++;
  qe_status_t status = QE_OK;
  if (at == n_candidates) status = qe__grow((void **)&candidates, &candidate_capacity, n_candidates, sizeof *candidates);
  if (status != QE_OK) {
    candidate_clear(&copy);
  } else {
    if (at == n_candidates) n_candidates++;
    else candidate_clear(&candidates[at]);
    candidates[at] = copy;
  }
  pthread_mutex_unlock(&list_lock);
  return status;
}

static int compare_candidates(const void *a, const void *b) {
  const qe__candidate *x = a, *y = b;
  const int names = strcmp(x->name != NULL ? x->name : "", y->name != NULL ? y->name : "");
  return names != 0 ? names : strcmp(x->path, y->path);
}

qe_status_t qe__engine_candidates(qe__candidate **out, size_t *count) {
  qe_status_t status = QE_OK;
  *out = NULL;
  *count = 0;
  pthread_mutex_lock(&list_lock);
  qe__candidate *copy = qe__calloc(n_candidates, sizeof *copy);
  if (copy == NULL) status = QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; status == QE_OK && i < n_candidates; i++) {
    status = candidate_copy(&copy[i], &candidates[i]);
    if (status == QE_OK) ++*count;
  }
  pthread_mutex_unlock(&list_lock);
  if (status != QE_OK) {
    qe__candidates_free(copy, *count);
    *count = 0;
    return status;
  }
  if (*count > 0) qsort(copy, *count, sizeof *copy, compare_candidates);
  *out = copy;
  return QE_OK;
}

void qe__candidates_free(qe__candidate *list, size_t count) {
  for (size_t i = 0; list != NULL && i < count; i++) candidate_clear(&list[i]);
  qe__free(list);
}

/* The steps that bring a file's table into the process. */
static qe_status_t open_file(const char *real, qe__loaded *l, qe__load_step *step, const qe_plugin **table) {
  *step = QE__LOAD_CHECK;
  QE_TRY(qe__engine_check(real));
  *step = QE__LOAD_MAP;
  QE_TRY(qe__engine_map(real, &l->handle));
  if (qe__engine_was_retired(l->handle)) {
    return qe__fail(QE_ERROR_ENGINE, "was retired in this process and can't be started again; load it in another process");
  }
  *step = QE__LOAD_QUERY;
  return qe__engine_query(l->handle, table);
}

/* All steps; on failure *step says which one refused. query NULL: a file. */
static qe_status_t run_steps(const char *real, qe_plugin_query_fn query, qe__loaded *l, qe__load_step *step) {
  const qe_plugin *table = NULL;
  *step = QE__LOAD_QUERY;
  if (query == NULL) QE_TRY(open_file(real, l, step, &table));
  else table = query(QE_ABI_MAJOR, QE_ABI_MINOR);
  *step = QE__LOAD_VALIDATE;
  QE_TRY(qe__engine_validate(table, l));
  const qe__engine *same = qe__engine_by_name(l->engine.name);
  if (same != NULL) {
    return qe__fail(QE_ERROR_ENGINE, "calls itself '%s', a name already taken by %s, which was loaded first", l->engine.name, same->path);
  }
  *step = QE__LOAD_CREATE;
  QE_TRY(qe__engine_create(l));
  *step = QE__LOAD_PUBLISH;
  const qe_status_t status = qe__engine_publish(l);
  if (status != QE_OK) qe__engine_destroy(l);
  return status;
}

static const qe__engine *loaded_from(const char *real) {
  const qe__engine_table *table = qe__engines_published();
  for (uint32_t i = 0; table != NULL && i < table->count; i++) {
    if (strcmp(table->engines[i]->path, real) == 0) return table->engines[i];
  }
  return NULL;
}

/* Remembers a refusal and turns the current message into the full one. Running out of memory is not the file's fault. */
static qe_status_t refuse(const char *path, const qe__loaded *l, qe__load_step step, qe_status_t status) {
  if (status == QE_ERROR_OUT_OF_MEMORY) return qe__fail_in(status, "engine %s", path);
  char *reason = qe__format("%s: %s", step_name(step), qe_last_error());
  if (reason == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__candidate c = {.path = qe__strdup(path), .reason = reason, .step = step};
  if (l != NULL) {
    c.name = l->engine.name;
    c.vendor = l->engine.vendor;
    c.version = l->engine.version;
  }
  qe_status_t result = c.path != NULL ? remember(&c) : QE_ERROR_OUT_OF_MEMORY;
  if (result == QE_OK) result = qe__fail(QE_ERROR_ENGINE, "engine %s was refused (%s)", path, reason);
  qe__free(c.path);
  qe__free(reason);
  return result;
}

static qe_status_t remember_loaded(const qe__engine *engine) {
  return remember(&(qe__candidate){.path = engine->path, .name = engine->name, .vendor = engine->vendor,
                                   .version = engine->version, .step = QE__LOAD_PUBLISH, .engine = engine});
}

/* query NULL: the file at `real`. Out of memory with *out set: the engine is there, but it is not remembered yet. */
static qe_status_t load_engine(const char *real, qe_plugin_query_fn query, const qe__engine **out) {
  qe__load_step step = QE__LOAD_CHECK;
  *out = query == NULL ? loaded_from(real) : NULL;
  if (*out != NULL) return remember_loaded(*out);
  qe__loaded *l = qe__calloc(1, sizeof *l);
  if (l == NULL) return QE_ERROR_OUT_OF_MEMORY;
  l->engine.path = qe__strdup(real);
  qe_status_t status = l->engine.path != NULL ? run_steps(real, query, l, &step) : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) {
    *out = &l->engine;
    char isa[128];
    qe__log(QE_LOG_DEBUG, "engine '%s' %s from %s: %u kernels, %u observers, %s", l->engine.name, l->engine.version, real, l->engine.n_kernels,
            l->engine.n_observers, qe__isa_text(qe__cpu()->isa, isa, sizeof isa));
    return remember_loaded(*out);
  }
  status = refuse(real, l, step, status);
  /* Code that ran may have left threads or callbacks behind, so what was created stays mapped. */
  if (!l->created) qe__engine_unmap(l->handle);
  qe__loaded_free(l);
  return status;
}

static qe_status_t load_locked(const char *path, const qe__engine **out) {
  char real[PATH_MAX];
  *out = NULL;
  if (realpath(path, real) == NULL) {
    qe__fail(QE_ERROR_ENGINE, "can't be found: %s", strerror(errno));
    return refuse(path, NULL, QE__LOAD_CHECK, QE_ERROR_ENGINE);
  }
  return load_engine(real, NULL, out);
}

qe_status_t qe__engine_load_file(const char *path, const qe__engine **out) {
  const qe__engine *engine;
  pthread_mutex_lock(&load_lock);
  const qe_status_t status = load_locked(path, &engine);
  pthread_mutex_unlock(&load_lock);
  if (out != NULL) *out = engine;
  return status;
}

qe_status_t qe__engine_retire(const qe__engine *engine) {
  pthread_mutex_lock(&load_lock);
  const qe_status_t status = qe__engine_unpublish(engine);
  if (status == QE_OK) qe__engine_mark_retired(engine);
  pthread_mutex_unlock(&load_lock);
  if (status == QE_OK) qe__engine_release(engine); /* the registry's; may call the plugin's destroy */
  return status;
}

/* Under load_lock. Each once: one that is there or was refused is not tried again when memory ran out later on. */
static qe_status_t load_built_in(void) {
  static size_t next;
  static const qe__engine *engine; /* made of the next, not remembered yet */
  for (; qe__built_in_engines[next] != NULL; next++, engine = NULL) {
    const qe_status_t status = engine != NULL ? remember_loaded(engine) : load_engine(QE__BUILT_IN, qe__built_in_engines[next], &engine);
    if (status == QE_ERROR_ENGINE) qe__log(QE_LOG_INFO, "%s", qe_last_error());
    else if (status != QE_OK) return status;
  }
  return QE_OK;
}

static qe_status_t scan_entry(const char *path, const char *problem) {
  const qe__engine *engine;
  qe_status_t status;
  if (problem != NULL) {
    qe__log(QE_LOG_WARNING, "%s: %s", path, problem);
    qe__fail(QE_ERROR_ENGINE, "%s", problem);
    status = refuse(path, NULL, QE__LOAD_DISCOVER, QE_ERROR_ENGINE);
  } else {
    status = load_locked(path, &engine);
    if (status == QE_ERROR_ENGINE) qe__log(QE_LOG_INFO, "%s", qe_last_error());
  }
  return status == QE_ERROR_ENGINE ? QE_OK : status; /* one bad file does not keep the others out */
}

qe_status_t qe__engines_ready(void) {
  if (atomic_load_explicit(&scanned, memory_order_acquire)) return QE_OK;
  qe__paths paths;
  pthread_mutex_lock(&load_lock);
  qe_status_t status = QE_OK;
  if (!atomic_load_explicit(&scanned, memory_order_relaxed)) {
    status = load_built_in();
    if (status == QE_OK) status = qe__engine_discover(&paths);
    else memset(&paths, 0, sizeof paths);
    for (size_t i = 0; status == QE_OK && i < paths.count; i++) status = scan_entry(paths.path[i], paths.problem[i]);
    qe__paths_free(&paths);
    /* Out of memory: the next call tries again. */
    if (status == QE_OK) atomic_store_explicit(&scanned, true, memory_order_release);
  }
  pthread_mutex_unlock(&load_lock);
  return status;
}

qe_status_t qe_engine_load(const char *path) {
  QE_CHECK_ARG(path != NULL && path[0] != '\0', "path is NULL or empty");
  if (strchr(path, '/') == NULL) {
    return qe__fail(QE_ERROR_ENGINE, "'%s' is a bare file name; write ./%s for a file in the current directory", path, path);
  }
  return qe__engine_load_file(path, NULL);
}
