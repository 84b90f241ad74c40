/* Memory that lives as long as one export. */
#ifndef QE_CORE_ONNX_ARENA_H
#define QE_CORE_ONNX_ARENA_H

#include <stddef.h>

#include "base/status.h"

typedef struct qe__arena {
  struct qe__arena_block *blocks;
} qe__arena;

/* Zeroed, aligned for any type; NULL when out of memory. */
void *qe__arena_alloc(qe__arena *arena, size_t count, size_t size);
char *qe__arena_format(qe__arena *arena, const char *format, ...) QE__PRINTF(2, 3);
void qe__arena_free(qe__arena *arena);

#endif
