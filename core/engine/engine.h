/*
 * Engines: plugins that were found, checked, loaded and published, and the kernels they offer.
 * Everything here is thread-safe. The records of engines and kernels stay valid until the process ends; the plugin's
 * functions may only be called by who holds a reference, because a retired engine is destroyed without.
 */
#ifndef QE_CORE_ENGINE_H
#define QE_CORE_ENGINE_H

#include <stdbool.h>

#include "base/status.h"
#include "qengine/engine.h"
#include "qengine_plugin.h"

typedef struct qe__engine qe__engine;

enum { QE__ALIGNMENT_MAX = 4096 }; /* that a kernel may ask for */

/* A published kernel: the host's own zero-filled copy of the plugin's row. */
typedef struct qe__kernel {
  qe_kernel row;
  const qe__engine *engine;
} qe__kernel;

struct qe__engine {
  char *name, *path, *vendor, *version;
  qe_plugin table; /* the host's own copy */
  void *self;      /* what create returned; first argument of every kernel function */
  uint32_t n_kernels;
  qe__kernel *kernels; /* of usable ISA, sorted by op, then falling priority */
  uint32_t n_observers;
  qe_observer *observers;
};

/* Finds and loads all engines on the search path, once per process. Engines that are refused are remembered with the reason. */
qe_status_t qe__engines_ready(void);
/* The engine for quantized ops. name NULL: qe_set_engine > QUANTIZED_ENGINE > best usable. *out NULL: "none". */
qe_status_t qe__engine_resolve(const char *name, const qe__engine **out);
/* Takes a reference, so that the plugin's functions can be called. False: the engine is retired. */
bool qe__engine_acquire(const qe__engine *engine);
/* Gives it back. The last reference of a retired engine destroys it. NULL is allowed. */
void qe__engine_release(const qe__engine *engine);
/*
 * No plan is made with it any more; who holds a reference goes on. Its code stays mapped. Errors: STATE (it is retired),
 * OUT_OF_MEMORY.
 */
qe_status_t qe__engine_retire(const qe__engine *engine);
/* Where kernels are looked for: `first` (may be NULL), then the other engines by falling priority. Returns the count. */
uint32_t qe__engine_order(const qe__engine *first, uint32_t capacity, const qe__engine **out);
/*
 * The kernels of one engine that fit op, dtypes and the quantized flag (QE_DT_ANY fits all; layout is not
 * compared), best first. Returns how many; at most `capacity` are stored.
 */
uint32_t qe__engine_kernels(const qe__engine *engine, const qe_kernel_key *key, uint32_t capacity, const qe__kernel **out);
/* An observer by name among all engines, `preferred` (may be NULL) first. *owner holds a reference. NULL: there is none. */
const qe_observer *qe__engine_observer(const char *name, const qe__engine *preferred, const qe__engine **owner);
/* JSON of an engine's default qconfig, or NULL. */
const char *qe__engine_default_qconfig(const char *engine_name);

/* The machine, capped by QENGINE_CPU_MASK. Never NULL. */
const qe_cpu *qe__cpu(void);
/* "avx2 avx512vnni" into buffer. */
const char *qe__isa_text(uint64_t isa, char *buffer, size_t size);

#endif
