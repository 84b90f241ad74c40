/*
 * The way of a plugin into the registry: discover -> check -> map -> query -> validate -> create -> publish. An engine that
 * is part of the library (QE_STATIC_ENGINES) starts at query, before any file is looked for. Each step
 * is a function of its own and fails with QE_ERROR_ENGINE and one sentence that says what was found, what was expected
 * and what to do; load.c runs them in order and remembers which step refused what.
 */
#ifndef QE_CORE_ENGINE_LOAD_H
#define QE_CORE_ENGINE_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/status.h"
#include "engine/engine.h"

/* name, as messages show it */
#define QE__LOAD_STEP_LIST(X) \
  X(DISCOVER, "discover") X(CHECK, "check") X(MAP, "map") X(QUERY, "query") X(VALIDATE, "validate") X(CREATE, "create") X(PUBLISH, "publish")

typedef enum qe__load_step {
#define X(name, text) QE__LOAD_##name,
  QE__LOAD_STEP_LIST(X)
#undef X
} qe__load_step;

/* The path of engines that are part of the library. */
#define QE__BUILT_IN "built in"
/* Their query functions, ending with NULL; made by core/CMakeLists.txt. */
extern const qe_plugin_query_fn qe__built_in_engines[];

/* An engine on its way. `engine` comes first, so that a published engine's record can be found from it. */
typedef struct qe__loaded {
  qe__engine engine;
  void *handle;
  qe_host host;
  char **options; /* "key=value" texts of QENGINE_OPTIONS for this engine */
  uint32_t n_options;
  bool exact;         /* every kernel claims to give the reference's bytes */
  bool created;       /* create was called: the mapping stays, whatever happens next */
  atomic_bool retired;
  atomic_uint references; /* the registry's, and one of each plan, session and observer; 0: destroyed */
  struct qe__loaded *next_retired;
} qe__loaded;

/* Growing list of paths. */
typedef struct qe__paths {
  char **path;
  char **problem; /* why an entry of the search path can't be used; NULL: a candidate file */
  size_t count, capacity, problem_capacity;
} qe__paths;

/* All candidates on the search path, directory by directory, sorted by name within each. Free with qe__paths_free. */
qe_status_t qe__engine_discover(qe__paths *out);
/* The same for a given list of directories (colon-separated, may be NULL) before one default (may be NULL). */
qe_status_t qe__engine_discover_in(const char *list, const char *fallback, qe__paths *out);
void qe__paths_free(qe__paths *paths);

/* Regular file, safe owner and mode, a shared object of this machine that is all there. `real` is a real path. */
qe_status_t qe__engine_check(const char *real);
/* The ELF part of it: header, program headers, segments inside the file, no foreign sanitizer runtime. */
qe_status_t qe__elf_check(int fd, uint64_t size);
/* dlopen of the real path. */
qe_status_t qe__engine_map(const char *real, void **handle);
/* Takes it out again; NULL is allowed. */
void qe__engine_unmap(void *handle);
/* Calls qe_plugin_query; *table is never NULL on success, but nothing of it was looked at yet. */
qe_status_t qe__engine_query(void *handle, const qe_plugin **table);
/* Copies the table, the kernels and the observers into `into`, checking all of it. Names no engine in use. */
qe_status_t qe__engine_validate(const qe_plugin *table, qe__loaded *into);
/* Fills the host table and calls the plugin's create. */
qe_status_t qe__engine_create(qe__loaded *engine);
/* Calls the plugin's destroy. Calls of create and destroy are serialized. */
void qe__engine_destroy(qe__loaded *engine);
/* Frees what validate and create allocated; the mapping is the caller's business. NULL is allowed. */
void qe__loaded_free(qe__loaded *engine);

/* True when all of [p, p + size) lies in one readable segment of a loaded object. */
bool qe__mapped(const void *p, size_t size);
/* Length of a text of at most `max` characters that lies in a loaded object; -1 when it does not or is longer. */
long qe__mapped_text(const char *p, size_t max);

/* Runs all steps on one file. QE_OK too when this very file was published before. *out (may be NULL): the engine. */
qe_status_t qe__engine_load_file(const char *path, const qe__engine **out);

/* One file (or search path entry) that was tried. Owner: the candidate list. */
typedef struct qe__candidate {
  char *path;
  char *name, *vendor, *version; /* NULL when the file never came so far */
  char *reason;                  /* "check: ..."; NULL when published */
  qe__load_step step;            /* that refused it */
  const qe__engine *engine;      /* NULL when refused */
} qe__candidate;

/* Copies of all candidates, sorted by name, then path. Free with qe__candidates_free. */
qe_status_t qe__engine_candidates(qe__candidate **out, size_t *count);
void qe__candidates_free(qe__candidate *candidates, size_t count);

/* The published engines, by falling priority, then name. Never changes; a later publication makes a new one. */
typedef struct qe__engine_table {
  const struct qe__engine_table *previous;
  uint32_t count;
  const qe__engine *engines[];
} qe__engine_table;

/* NULL before the first publication. Lock-free. */
const qe__engine_table *qe__engines_published(void);
/* Adds one engine atomically. Callers are serialized by load.c. Error: ENGINE when the name is taken. */
qe_status_t qe__engine_publish(qe__loaded *engine);
/* Takes one out again, atomically. Callers are serialized by load.c. Error: STATE when it is not in. */
qe_status_t qe__engine_unpublish(const qe__engine *engine);
const qe__engine *qe__engine_by_name(const char *name);
/* May it be chosen without being named? (It keeps the contract: same bytes as the reference.) */
bool qe__engine_is_exact(const qe__engine *engine);

/* What retiring is besides leaving the registry; called once per engine. */
void qe__engine_mark_retired(const qe__engine *engine);
bool qe__engine_is_retired(const qe__engine *engine);
/* Is this the code of an engine that was retired? It can't be started again. */
bool qe__engine_was_retired(const void *handle);
/* Tests: unmaps a retired and destroyed engine. Nothing of it may be in use. Errors: STATE. */
qe_status_t qe__engine_unload(const qe__engine *engine);

/* Fills in cores and caches; what is not known stays 0. */
void qe__topology(qe_cpu *cpu);
/* The mask of QENGINE_CPU_MASK's text; all bits for NULL. Unknown names are warned about and listed. */
uint64_t qe__isa_mask(const char *text);

/* Fills the service table that the plugin keeps; `ctx` is the engine. */
void qe__host_fill(qe__loaded *engine, qe_host *host);
/* "engine.key=value;..." -> this engine's options. */
qe_status_t qe__host_options(qe__loaded *engine, const char *text);

#endif
