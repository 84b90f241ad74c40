/*
 * The worker's side of a conformance run: a process that loads the engine, walks over the kernels and their cases in a
 * fixed order, runs its share and says so (protocol.h). Where kernels and cases come from is a table of functions, so
 * that the machinery can be tested without an engine.
 */
#ifndef QE_CORE_CONFORM_WORKER_H
#define QE_CORE_CONFORM_WORKER_H

#include "conform/conform.h"
#include "conform/protocol.h"

typedef struct qe__hello {
  char engine[64], vendor[128], version[64], path[1024], isa[160];
  uint32_t abi_major, abi_minor, cores, n_kernels;
} qe__hello;

typedef struct qe__kernel_facts {
  char name[96], op[32], dtypes[64];
  uint32_t claimed;
  int64_t cases; /* of this run */
} qe__kernel_facts;

/* emit: false stops. */
typedef bool (*qe__case_text_fn)(void *arg, const char *text, bool must);

/* All functions are called in the worker only, `open` first. */
typedef struct qe__conform_source {
  void *arg;
  qe_status_t (*open)(void *arg, qe__hello *out);
  void (*kernel)(void *arg, uint32_t kernel, qe__kernel_facts *out); /* all but `cases` */
  qe_status_t (*cases)(void *arg, uint32_t kernel, qe__case_text_fn emit, void *emit_arg);
  qe_status_t (*run)(void *arg, uint32_t kernel, const char *text, qe__case_result *out);
} qe__conform_source;

/* A case in the order of all cases: by kernel, then as the source emits them. */
typedef struct qe__listed {
  uint32_t kernel;
  bool must;
  char *text;
} qe__listed;

/*
 * What is this worker's to do. First the cases are listed, by several workers, one kernel each at a time; then they are
 * run from that list, which every later worker inherits.
 */
typedef struct qe__share {
  const qe__listed
      *items; /* NULL: list the kernels, index % shards == shard, with BEGIN for each case and KERNEL last */
  uint64_t n_items;
  uint64_t first;         /* those before are left out */
  uint64_t only;          /* this one and no other; UINT64_MAX: all */
  uint32_t shard, shards; /* of the others: index % shards == shard */
  const bool *skip;       /* per kernel */
  bool stop_at_bad;       /* the first FAIL ends the work */
} qe__share;

/* Does the work and reports to `fd`. Returns false when the parent is gone. */
bool qe__worker_run(const qe__conform_source *source, const qe__share *share, int fd);

#endif
