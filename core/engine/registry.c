/* The published engines: an immutable table behind one atomic pointer, and the lookups that plans are made with. */
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "engine/load.h"

static _Atomic(const qe__engine_table *) published;

const qe__engine_table *qe__engines_published(void) { return atomic_load_explicit(&published, memory_order_acquire); }

static bool goes_before(const qe__engine *a, const qe__engine *b) {
  if (a->table.priority != b->table.priority) return a->table.priority > b->table.priority;
  return strcmp(a->name, b->name) < 0;
}

qe_status_t qe__engine_publish(qe__loaded *engine) {
  const qe__engine_table *old = qe__engines_published();
  const uint32_t count = old != NULL ? old->count : 0;
  const qe__engine *same = qe__engine_by_name(engine->engine.name);
  if (same != NULL) {
    return qe__fail(QE_ERROR_ENGINE, "calls itself '%s', a name already taken by %s, which was loaded first", engine->engine.name, same->path);
  }
  qe__engine_table *table = qe__calloc(1, sizeof *table + (count + 1) * sizeof table->engines[0]);
  if (table == NULL) return QE_ERROR_OUT_OF_MEMORY;
  uint32_t at = 0;
  while (at < count && goes_before(old->engines[at], &engine->engine)) at++;
  for (uint32_t i = 0; i < at; i++) table->engines[i] = old->engines[i];
  table->engines[at] = &engine->engine;
  for (uint32_t i = at; i < count; i++) table->engines[i + 1] = old->engines[i];
  table->count = count + 1;
  table->previous = old; /* somebody may be reading it */
  atomic_init(&engine->references, 1);
  atomic_store_explicit(&published, table, memory_order_release);
  return QE_OK;
}

qe_status_t qe__engine_unpublish(const qe__engine *engine) {
  const qe__engine_table *old = qe__engines_published();
  uint32_t at = 0;
  while (old != NULL && at < old->count && old->engines[at] != engine) at++;
  if (old == NULL || at == old->count) return qe__fail(QE_ERROR_STATE, "engine '%s' is not in use, so it can't be retired", engine->name);
  qe__engine_table *table = qe__calloc(1, sizeof *table + old->count * sizeof table->engines[0]);
  if (table == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < old->count; i++) {
    if (i != at) table->engines[table->count++] = old->engines[i];
  }
  table->previous = old;
  atomic_store_explicit(&published, table, memory_order_release);
  return QE_OK;
}

const qe__engine *qe__engine_by_name(const char *name) {
  const qe__engine_table *table = qe__engines_published();
  for (uint32_t i = 0; table != NULL && i < table->count; i++) {
    if (strcmp(table->engines[i]->name, name) == 0) return table->engines[i];
  }
  return NULL;
}

bool qe__engine_is_exact(const qe__engine *engine) { return ((const qe__loaded *)(const void *)engine)->exact; }

/* An engine that gives other bytes than the reference serves only when it was chosen. */
uint32_t qe__engine_order(const qe__engine *first, uint32_t capacity, const qe__engine **out) {
  const qe__engine_table *table = qe__engines_published();
  uint32_t count = 0;
  if (first != NULL && count < capacity) out[count++] = first;
  for (uint32_t i = 0; table != NULL && i < table->count && count < capacity; i++) {
    const qe__engine *e = table->engines[i];
    if (e != first && qe__engine_is_exact(e)) out[count++] = e;
  }
  return count;
}

static bool dtype_fits(uint8_t offered, uint8_t wanted) {
  return offered == wanted || offered == QE_DT_ANY || wanted == QE_DT_ANY;
}

static bool key_fits(const qe_kernel_key *offered, const qe_kernel_key *wanted) {
  for (int i = 0; i < QE_KEY_INPUTS; i++) {
    if (!dtype_fits(offered->in[i], wanted->in[i])) return false;
  }
  return dtype_fits(offered->out, wanted->out) && offered->quantized == wanted->quantized;
}

/* First kernel whose op is not before `op`. */
static uint32_t lower_bound(const qe__engine *engine, const char *op) {
  uint32_t low = 0, high = engine->n_kernels;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (strncmp(engine->kernels[middle].row.key.op, op, sizeof engine->kernels->row.key.op) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

uint32_t qe__engine_kernels(const qe__engine *engine, const qe_kernel_key *key, uint32_t capacity, const qe__kernel **out) {
  uint32_t count = 0;
  for (uint32_t i = lower_bound(engine, key->op); i < engine->n_kernels; i++) {
    const qe__kernel *k = &engine->kernels[i];
    if (strncmp(k->row.key.op, key->op, sizeof key->op) != 0) break;
    if (!key_fits(&k->row.key, key)) continue;
    if (count < capacity) out[count] = k;
    count++;
  }
  return count;
}

static const qe_observer *observer_of(const qe__engine *engine, const char *name) {
  for (uint32_t i = 0; i < engine->n_observers; i++) {
    if (strcmp(engine->observers[i].name, name) == 0) return &engine->observers[i];
  }
  return NULL;
}

const qe_observer *qe__engine_observer(const char *name, const qe__engine *preferred, const qe__engine **owner) {
  const qe__engine_table *table = qe__engines_published();
  const uint32_t count = table != NULL ? table->count : 0;
  *owner = NULL;
  for (uint32_t i = 0; i <= count; i++) {
    const qe__engine *engine = i == 0 ? preferred : table->engines[i - 1];
    const qe_observer *found = engine != NULL ? observer_of(engine, name) : NULL;
    if (found == NULL || !qe__engine_acquire(engine)) continue;
    *owner = engine;
    return found;
  }
  return NULL;
}

const char *qe__engine_default_qconfig(const char *engine_name) {
  const qe__engine *engine = engine_name != NULL ? qe__engine_by_name(engine_name) : NULL;
  return engine != NULL ? engine->table.default_qconfig : NULL;
}
