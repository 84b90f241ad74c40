/*
 * qengine/engine.h - engines: found at run time, chosen by quantized_engine.
 *
 * Choice of the engine for quantized ops: qe_set_engine or a session's option > QUANTIZED_ENGINE > the best usable
 * one. "none" is legal: float only. All functions here are thread-safe; a change affects plans made later.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_ENGINE_H
#define QENGINE_ENGINE_H

#include "qengine/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qe_engine_info {
  const char *name;      /* NULL when the file never said */
  const char *path;      /* "built in": an engine that is part of the library (CMake option QE_STATIC_ENGINES) */
  const char *version, *vendor; /* NULL when unusable before they were known */
  int usable;
  const char *reason;    /* why not usable; "" when usable */
  uint32_t kernels, observers;
  const char *isa;       /* the ISA levels in use, "avx2 avx512vnni" */
  int selected;          /* the engine quantized ops would use now */
} qe_engine_info_t;

typedef struct qe_engine_list qe_engine_list_t;

/* Every candidate plugin, usable or not, sorted by name. Free with qe_engine_list_destroy. */
QE_API qe_status_t qe_engine_list_create(qe_engine_list_t **out);
QE_API uint32_t qe_engine_list_count(const qe_engine_list_t *list);
QE_API const qe_engine_info_t *qe_engine_list_at(const qe_engine_list_t *list, uint32_t index);
QE_API void qe_engine_list_destroy(qe_engine_list_t **list);

/* The files that the search path offers as engines, found without loading any of them (for probing in another process). */
typedef struct qe_engine_paths qe_engine_paths_t;
QE_API qe_status_t qe_engine_paths_create(qe_engine_paths_t **out);
QE_API uint32_t qe_engine_paths_count(const qe_engine_paths_t *paths);
/* *problem (may be NULL): why this entry of the search path cannot be used at all, or NULL. Valid while `paths` lives. */
QE_API const char *qe_engine_paths_at(const qe_engine_paths_t *paths, uint32_t index, const char **problem);
QE_API void qe_engine_paths_destroy(qe_engine_paths_t **paths);

/* Chooses the engine for plans made from now on; NULL goes back to QUANTIZED_ENGINE / the best usable. Errors: ENGINE,
 * listing all candidates and why each was refused. */
QE_API qe_status_t qe_set_engine(const char *name);
/* The engine that would be used now ("none" included). Errors: ENGINE. */
QE_API qe_status_t qe_get_engine(const char **name);
/* Loads one plugin file and publishes what it offers. Errors: ENGINE with the step that failed and the reason. */
QE_API qe_status_t qe_engine_load(const char *path);
/* No plan is made with this engine from now on; plans that exist run on, and when the last one and its session are gone
 * the engine is told to end. Its code stays in memory; the same file can't be loaded again in this process, another file
 * with an engine of that name can. Errors: NOT_FOUND (no loaded engine has the name), OUT_OF_MEMORY. */
QE_API qe_status_t qe_engine_retire(const char *name);
/* What one core multiplies and adds at most: a loop that stays in registers, to compare kernels' times with. */
typedef struct qe_peak {
  const char *loop;      /* "vpdpbusd ymm": the instructions in it */
  const char *isa;       /* the level it needs, as QENGINE_CPU_MASK names it; "" for portable code */
  qe_dtype_t dtype;      /* QE_FLOAT32, or QE_INT8 for 8-bit products */
  double gmacs;          /* 1e9 multiply-adds a second */
} qe_peak_t;
/* Loops that this machine (QENGINE_CPU_MASK included) can run. */
QE_API uint32_t qe_peak_count(void);
/* Measures one of them, which takes about 20 ms. Texts are static. Errors: INVALID_ARGUMENT past the end. */
QE_API qe_status_t qe_peak_measure(uint32_t index, qe_peak_t *out);
/* Number of threads for sessions that do not say; 0: QENGINE_THREADS, else all cores. */
QE_API void qe_set_threads(uint32_t threads);

#ifdef __cplusplus
}
#endif
#endif
