/*
 * ONNX Runtime through its C interface, from libonnxruntime.so loaded at run time: one thread, all optimizations on.
 * The interface is a table of functions whose order never changes; ort.c names the few that are used.
 */
#ifndef BENCH_ORT_H
#define BENCH_ORT_H

#include <stdbool.h>
#include <stddef.h>

#include "rounds.h"

typedef struct ort_session ort_session;

/* NULL path: ORT_LIBRARY, else "libonnxruntime.so.1" where the system finds it. False: ort_error() says why. */
bool ort_load(const char *path);
const char *ort_version(void);
const char *ort_error(void);
/*
 * Session over a model file, its inputs filled once: random floats and 8-bit codes, zeros for int64 (token ids of any
 * vocabulary); dimensions left open are 1. profile: where to write per-node times (a prefix), or NULL. Returns NULL when
 * it fails: ort_error() says why.
 */
ort_session *ort_open(const char *model, const char *profile);
/* 0: ran once. */
int ort_run(void *session);
void ort_close(void *session);
/* Ends profiling; `path` is the file that was written. */
bool ort_end_profile(ort_session *session, char *path, size_t size);

/* Ends profiling and calls `each` for every node that ran, in order, with its time. False: nothing was written. */
typedef void (*ort_node_fn)(void *arg, const char *op, double microseconds);
bool ort_each_node(ort_session *session, ort_node_fn each, void *arg);
/* Runs a model once and prints the kinds of nodes that ran, so that what did not fuse can be seen. */
bool ort_print_ops(const char *model);

/*
 * The node of a one-op model alone (ort_node.c): its time comes from the runtime's own profile, without the session's
 * overhead and without the nodes that turn layouts.
 */
void ort_node_open(const char *model, contender *out);

#endif
