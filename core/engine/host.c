/* The services the host hands to plugins. Every function may be called from any thread. */
#include "engine/host.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/load.h"
#include "runtime/pool.h"

enum { TEXT_MAX = 1000 };

static _Thread_local char reported[TEXT_MAX + 1];
static _Thread_local bool inside_parallel;
static _Atomic int64_t live_blocks;

void qe__host_clear_error(void) { reported[0] = '\0'; }
const char *qe__host_error(void) { return reported; }

static void *host_alloc(void *ctx, size_t size, size_t alignment) {
  (void)ctx;
  if ((alignment & (alignment - 1)) != 0) return NULL;
  void *block = qe__alloc_aligned(size, alignment);
  if (block != NULL) atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
  return block;
}

static void host_free(void *ctx, void *ptr) {
  (void)ctx;
  if (ptr != NULL) atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
  qe__free_aligned(ptr);
}

int64_t qe__host_live_blocks(void) { return atomic_load_explicit(&live_blocks, memory_order_relaxed); }

static void host_log(void *ctx, int level, const char *message) {
  const qe__loaded *engine = ctx;
  if (message == NULL) return;
  const qe_log_level_t kept = level < QE_LOG_ERROR ? QE_LOG_ERROR : level > QE_LOG_DEBUG ? QE_LOG_DEBUG : (qe_log_level_t)level;
  qe__log(kept, "engine '%s': %.*s", engine->engine.name, TEXT_MAX, message);
}

static void host_error(void *ctx, const char *message) {
  (void)ctx;
  snprintf(reported, sizeof reported, "%.*s", TEXT_MAX, message != NULL ? message : "");
}

typedef struct work {
  void (*fn)(void *arg, int64_t begin, int64_t end);
  void *arg;
} work;

static int run_work(void *arg, uint32_t thread, int64_t begin, int64_t end) {
  const work *w = arg;
  (void)thread;
  const bool before = inside_parallel;
  inside_parallel = true;
  w->fn(w->arg, begin, end);
  inside_parallel = before;
  return 0;
}

/* One pool for all plugins, made when the first asks for it, kept until the process ends. */
static qe__pool *shared_pool;

static void make_shared_pool(void) {
  if (qe__pool_create(0, &shared_pool) != QE_OK) shared_pool = NULL;
}

/* Calls from within such a call run on the caller: a pool waits for itself otherwise. */
static int host_parallel_for(void *ctx, int64_t n, void (*fn)(void *arg, int64_t begin, int64_t end), void *arg) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (n < 0 || fn == NULL) {
    host_error(ctx, "parallel_for was called with a negative count or without a function");
    return 1;
  }
  if (n == 0) return 0;
  work w = {fn, arg};
  if (inside_parallel || n == 1) return run_work(&w, 0, 0, n);
  pthread_once(&once, make_shared_pool);
  return shared_pool != NULL ? qe__pool_run(shared_pool, n, run_work, &w) : run_work(&w, 0, 0, n);
}

static const char *host_option(void *ctx, const char *key) {
  const qe__loaded *engine = ctx;
  const size_t length = key != NULL ? strlen(key) : 0;
  for (uint32_t i = 0; length > 0 && i < engine->n_options; i++) {
    if (strncmp(engine->options[i], key, length) == 0 && engine->options[i][length] == '=') return engine->options[i] + length + 1;
  }
  return NULL;
}

void qe__host_fill(qe__loaded *engine, qe_host *host) {
  *host = (qe_host){
      .struct_size = sizeof *host,
      .abi_major = QE_ABI_MAJOR,
      .abi_minor = QE_ABI_MINOR,
      .ctx = engine,
      .alloc = host_alloc,
      .free = host_free,
      .log = host_log,
      .error = host_error,
      .parallel_for = host_parallel_for,
      .option = host_option,
      .cpu = qe__cpu(),
  };
}

/* The part of an entry after "engine." when the entry is for this engine, else NULL. */
static const char *own_part(const char *entry, size_t length, const char *name) {
  const size_t n = strlen(name);
  if (length <= n + 1 || strncmp(entry, name, n) != 0 || entry[n] != '.' || memchr(entry, '=', length) == NULL) return NULL;
  return entry + n + 1;
}

qe_status_t qe__host_options(qe__loaded *engine, const char *text) {
  size_t capacity = 0;
  for (const char *at = text; at != NULL && *at != '\0';) {
    const size_t length = strcspn(at, ";");
    const char *own = own_part(at, length, engine->engine.name);
    if (own != NULL) {
      QE_TRY(qe__grow((void **)&engine->options, &capacity, engine->n_options, sizeof *engine->options));
      char *copy = qe__strndup(own, length - (size_t)(own - at));
      if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
      engine->options[engine->n_options++] = copy;
    }
    at += length + (at[length] == ';');
  }
  return QE_OK;
}
