/* quantized_engine: which engine quantized ops use. Named (call, option) > QUANTIZED_ENGINE > the best usable. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "engine/load.h"

/* What qe_set_engine chose: NULL nothing, &no_engine "none". */
static const qe__engine no_engine;
static _Atomic(const qe__engine *) chosen;

enum { LIST_SIZE = 1600 };

static void append(char *text, size_t *used, const char *format, const char *a, const char *b, const char *c) {
  if (*used >= LIST_SIZE) return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const int wrote = snprintf(text + *used, LIST_SIZE - *used, format, a, b, c);
#pragma GCC diagnostic pop
  if (wrote > 0) *used += (size_t)wrote;
}

/* Every candidate with the reason that keeps it out. */
static void describe(const qe__candidate *list, size_t count, char *text) {
  size_t used = 0;
  text[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    const qe__candidate *c = &list[i];
    append(text, &used, "%s%s%s", used > 0 ? "; " : "", c->name != NULL ? c->name : c->path, c->name != NULL ? " (" : "");
    append(text, &used, "%s%s%s", c->name != NULL ? c->path : "", c->name != NULL ? ")" : "", c->reason != NULL ? " refused at " : " usable");
    if (c->reason != NULL) append(text, &used, "%s%s%s", c->reason, "", "");
  }
  if (count == 0) append(text, &used, "%s%s%s", "none; QENGINE_PLUGIN_PATH can name directories with engines", "", "");
  if (used >= LIST_SIZE) memcpy(text + LIST_SIZE - 4, "...", 4);
}

static const char *nearest(const char *name, const qe__candidate *list, size_t count) {
  const char *found = NULL;
  const char **names = qe__calloc(count + 1, sizeof *names);
  if (names == NULL) return NULL;
  for (size_t i = 0; i < count; i++) names[i] = list[i].name;
  names[count] = "none";
  found = qe__nearest_name(name, count + 1, names);
  qe__free(names);
  return found;
}

static qe_status_t unknown(const char *name, const char *source) {
  qe__candidate *list;
  size_t count;
  char text[LIST_SIZE];
  QE_TRY(qe__engine_candidates(&list, &count));
  describe(list, count, text);
  const qe__candidate *refused = NULL;
  for (size_t i = 0; i < count && refused == NULL; i++) {
    if (list[i].name != NULL && strcmp(list[i].name, name) == 0) refused = &list[i];
  }
  qe_status_t status;
  if (refused != NULL) {
    status = qe__fail(QE_ERROR_ENGINE, "engine '%s'%s can't be used: %s; candidates: %s", name, source, refused->reason != NULL ? refused->reason : "", text);
  } else {
    const char *near = nearest(name, list, count);
    status = qe__fail(QE_ERROR_ENGINE, "no engine is called '%s'%s%s%s%s; candidates: %s", name, source, near != NULL ? "; did you mean '" : "",
                      near != NULL ? near : "", near != NULL ? "'?" : "", text);
  }
  qe__candidates_free(list, count);
  return status;
}

static qe_status_t named(const char *name, const char *source, const qe__engine **out) {
  *out = NULL;
  if (strcmp(name, "none") == 0) return QE_OK;
  if (strchr(name, '/') != NULL) {
    const qe_status_t status = qe__engine_load_file(name, out);
    return status != QE_OK && source[0] != '\0' ? qe__fail_in(status, "QUANTIZED_ENGINE") : status;
  }
  *out = qe__engine_by_name(name);
  return *out != NULL ? QE_OK : unknown(name, source);
}

static qe_status_t best_usable(const qe__engine **out) {
  const qe__engine_table *table = qe__engines_published();
  for (uint32_t i = 0; table != NULL && i < table->count; i++) {
    if (!qe__engine_is_exact(table->engines[i])) continue;
    *out = table->engines[i];
    return QE_OK;
  }
  qe__candidate *list;
  size_t count;
  char text[LIST_SIZE];
  QE_TRY(qe__engine_candidates(&list, &count));
  describe(list, count, text);
  qe__candidates_free(list, count);
  if (table != NULL && table->count > 0) {
    return qe__fail(QE_ERROR_ENGINE, "no usable engine gives the reference's results, so none is chosen without being named; name one of: %s", text);
  }
  return qe__fail(QE_ERROR_ENGINE, "no usable engine was found; candidates: %s", text);
}

qe_status_t qe__engine_resolve(const char *name, const qe__engine **out) {
  *out = NULL;
  QE_TRY(qe__engines_ready());
  if (name != NULL && name[0] != '\0') return named(name, "", out);
  const qe__engine *set = atomic_load(&chosen);
  if (set != NULL) {
    if (set != &no_engine && qe__engine_is_retired(set)) {
      return qe__fail(QE_ERROR_ENGINE, "engine '%s', which qe_set_engine chose, was retired; choose another one", set->name);
    }
    *out = set != &no_engine ? set : NULL;
    return QE_OK;
  }
  const char *variable = qe__secure_getenv("QUANTIZED_ENGINE");
  if (variable != NULL && variable[0] != '\0') return named(variable, " (from QUANTIZED_ENGINE)", out);
  return best_usable(out);
}

qe_status_t qe_set_engine(const char *name) {
  const qe__engine *engine = NULL;
  if (name != NULL) {
    QE_CHECK_ARG(name[0] != '\0', "name is empty; NULL goes back to the default");
    QE_TRY(qe__engines_ready());
    QE_TRY(named(name, "", &engine));
    if (engine == NULL) engine = &no_engine;
  }
  atomic_store(&chosen, engine);
  return QE_OK;
}

qe_status_t qe_get_engine(const char **name) {
  const qe__engine *engine;
  QE_CHECK_ARG(name != NULL, "name is NULL");
  *name = NULL;
  QE_TRY(qe__engine_resolve(NULL, &engine));
  *name = engine != NULL ? engine->name : "none";
  return QE_OK;
}
