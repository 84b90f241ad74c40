/* Allocation with checked sizes. The only file of the core that calls the C allocator. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_ALIGNMENT = 64 };

/* Allocations left before the injected failures begin; negative: none are injected. */
static atomic_long allocations_left = -1;

void qe__fail_allocations_after(long n) { atomic_store(&allocations_left, n); }

bool qe__injected_failure(void) {
  long left = atomic_load_explicit(&allocations_left, memory_order_relaxed);
  while (left > 0) {
    if (atomic_compare_exchange_weak(&allocations_left, &left, left - 1)) return false;
  }
  return left == 0;
}

bool qe__mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
bool qe__add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
bool qe__mul_i64(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

static void *out_of_memory(size_t size) {
  qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory: %zu bytes were asked for", size);
  return NULL;
}

static bool checked_size(size_t count, size_t size, size_t *total) {
  if (qe__mul_size(count, size, total) && *total <= PTRDIFF_MAX) return true;
  qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory: %zu elements of %zu bytes exceed the address space", count, size);
  return false;
}

void *qe__calloc(size_t count, size_t size) {
  size_t total;
  if (!checked_size(count, size, &total)) return NULL;
  if (total == 0) total = 1;
  void *ptr = qe__injected_failure() ? NULL : calloc(1, total);
  return ptr != NULL ? ptr : out_of_memory(total);
}

void *qe__realloc(void *ptr, size_t count, size_t size) {
  size_t total;
  if (!checked_size(count, size, &total)) return NULL;
  if (total == 0) total = 1;
  void *grown = qe__injected_failure() ? NULL : realloc(ptr, total);
  return grown != NULL ? grown : out_of_memory(total);
}

void qe__free(void *ptr) { free(ptr); }

void *qe__alloc_aligned(size_t size, size_t alignment) {
  if (alignment < MIN_ALIGNMENT) alignment = MIN_ALIGNMENT;
  if (size > PTRDIFF_MAX - alignment) return out_of_memory(size);
  void *ptr = NULL;
  if (qe__injected_failure() || posix_memalign(&ptr, alignment, size == 0 ? 1 : size) != 0) return out_of_memory(size);
  return ptr;
}

void qe__free_aligned(void *ptr) { free(ptr); }

char *qe__strndup(const char *text, size_t length) {
  const size_t used = strnlen(text, length);
  char *copy = qe__calloc(used + 1, 1);
  if (copy != NULL) memcpy(copy, text, used);
  return copy;
}

char *qe__strdup(const char *text) { return qe__strndup(text, strlen(text)); }

char *qe__format(const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = length < 0 ? NULL : qe__calloc((size_t)length + 1, 1);
  if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

qe_status_t qe__grow(void **array, size_t *capacity, size_t count, size_t element_size) {
  if (count < *capacity) return QE_OK;
  size_t wanted;
  if (!qe__mul_size(count < 4 ? 4 : count, 2, &wanted)) wanted = SIZE_MAX;
  void *grown = qe__realloc(*array, wanted, element_size);
  if (grown == NULL) return QE_ERROR_OUT_OF_MEMORY;
  *array = grown;
  *capacity = wanted;
  return QE_OK;
}
