/* Allocation: checked multiplication, 64-byte alignment, failure injection for tests. */
#ifndef QE_CORE_MEMORY_H
#define QE_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* NULL (with the error message set) when out of memory or when count * size overflows. Zeroed. Free with qe__free. */
void *qe__calloc(size_t count, size_t size);
/* Grows; the new part is not zeroed. On failure the old block stays valid. */
void *qe__realloc(void *ptr, size_t count, size_t size);
void qe__free(void *ptr);

/* Not zeroed; 64-byte aligned (or more when asked). Free with qe__free_aligned. */
void *qe__alloc_aligned(size_t size, size_t alignment);
void qe__free_aligned(void *ptr);

/*
 * The same for what is written once and lives long: weights, packed or not. Such blocks lie side by side in large pages,
 * as fresh memory of small pages takes longer to get than to fill. Free with qe__free_lasting and the same size.
 */
void *qe__alloc_lasting(size_t size, size_t alignment);
void qe__free_lasting(void *ptr, size_t size);

char *qe__strdup(const char *text);
char *qe__strndup(const char *text, size_t length);
/* printf into a new string; NULL when out of memory. */
char *qe__format(const char *format, ...) QE__PRINTF(1, 2);

/* Makes room for one more element in a growing array. */
qe_status_t qe__grow(void **array, size_t *capacity, size_t count, size_t element_size);

/* a * b and a + b, false on overflow. */
bool qe__mul_size(size_t a, size_t b, size_t *out);
bool qe__add_size(size_t a, size_t b, size_t *out);
bool qe__mul_i64(int64_t a, int64_t b, int64_t *out);

/* Tests: the n-th allocation from now (0 = next) and every later one fails; negative: never. Process-wide. */
void qe__fail_allocations_after(long n);
/* Whether this allocation is one of those. For the allocating functions themselves. */
bool qe__injected_failure(void);

#endif
