/*
 * Packed weights. What a kernel's prepack writes lies behind a header that says whose it is, and a step runs only with
 * a blob whose header is exactly the one it expects: another engine, version, kernel or problem could read it wrongly.
 */
#ifndef QE_CORE_PACK_H
#define QE_CORE_PACK_H

#include "engine/engine.h"

typedef struct qe__pack_header {
  char magic[8];    /* "qepack1" */
  uint64_t size;    /* bytes that follow */
  uint64_t problem; /* hash of all that packing may depend on */
  uint64_t check;   /* of the rest of the header */
  char engine[32], kernel[64], version[128];
} qe__pack_header;

typedef struct qe__pack {
  uint32_t node;
  const qe__kernel *kernel;
  void *base; /* qe__alloc_lasting; owned */
  size_t base_size;
  void *blob; /* header, then what prepack wrote */
  size_t blob_size;
} qe__pack;

/* Packed weights that depend on the model alone, kept by the session for all its plans. */
typedef struct qe__pack_cache {
  qe__pack **packs;
  size_t count, capacity;
  uint64_t bytes;
} qe__pack_cache;

/* The header that a blob for this kernel and problem must have. */
void qe__pack_expect(const qe__kernel *kernel, const qe_problem *problem, uint64_t size, qe__pack_header *out);
/* ENGINE with the first thing that differs, FORMAT for a blob that is damaged or cut. */
qe_status_t qe__pack_check(const void *blob, size_t blob_size, const qe__pack_header *expected);
/* Asks the kernel to pack. Free with qe__pack_free. Errors: ENGINE (prepack failed), OUT_OF_MEMORY. */
qe_status_t qe__pack_create(const qe__kernel *kernel, const qe_problem *problem, const qe__pack_header *expected,
                            qe__pack **out);
void qe__pack_free(qe__pack *pack);
/* The blob of this node for what `expected` says, from the cache or packed now. Errors: as above. */
qe_status_t qe__pack_get(qe__pack_cache *cache, uint32_t node, const qe__kernel *kernel, const qe_problem *problem,
                         const qe__pack_header *expected, const qe__pack **out);
/* What prepack wrote; aligned as the kernel asked. */
const void *qe__pack_data(const qe__pack *pack);
void qe__pack_cache_free(qe__pack_cache *cache);

#endif
