/* Checked allocation and failure injection. */
#include "base/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(memory, overflowing_sizes_are_refused) {
  cr_assert_null(qe__calloc(SIZE_MAX / 2, 3));
  cr_assert_null(qe__calloc(SIZE_MAX, 1));
  cr_assert_neq(qe_last_error()[0], 0);
  cr_assert_null(qe__realloc(NULL, SIZE_MAX / 4, 8));
  cr_assert_null(qe__alloc_aligned(SIZE_MAX - 10, 64));
}

Test(memory, nothing_is_still_something) {
  void *a = qe__calloc(0, 8), *b = qe__alloc_aligned(0, 0), *c = qe__realloc(NULL, 0, 1);
  cr_assert_not_null(a);
  cr_assert_not_null(b);
  cr_assert_not_null(c);
  qe__free(a);
  qe__free_aligned(b);
  qe__free(c);
  qe__free(NULL);
  qe__free_aligned(NULL);
}

Test(memory, alignment) {
  for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    void *p = qe__alloc_aligned(100, alignment);
    cr_assert_not_null(p);
    cr_assert_eq((uintptr_t)p % (alignment < 64 ? 64 : alignment), 0u, "alignment %zu", alignment);
    qe__free_aligned(p);
  }
}

Test(memory, strings) {
  char *a = qe__strdup("abc"), *b = qe__strndup("abcdef", 3), *c = qe__strndup("ab", 10),
       *d = qe__format("%s-%d", "x", 12);
  cr_assert_str_eq(a, "abc");
  cr_assert_str_eq(b, "abc");
  cr_assert_str_eq(c, "ab");
  cr_assert_str_eq(d, "x-12");
  qe__free(a);
  qe__free(b);
  qe__free(c);
  qe__free(d);
}

Test(memory, grow_keeps_elements) {
  int *array = NULL;
  size_t capacity = 0;
  for (int i = 0; i < 1000; i++) {
    cr_assert_eq(qe__grow((void **)&array, &capacity, (size_t)i, sizeof *array), QE_OK);
    cr_assert_gt(capacity, (size_t)i);
    array[i] = i;
  }
  for (int i = 0; i < 1000; i++) cr_assert_eq(array[i], i);
  qe__free(array);
  void *empty = NULL;
  capacity = 0;
  cr_assert_eq(qe__grow(&empty, &capacity, SIZE_MAX / 2 + 5, 8), QE_ERROR_OUT_OF_MEMORY);
  cr_assert_null(empty);
  cr_assert_eq(capacity, 0u);
}

Test(memory, injected_failures) {
  qe__fail_allocations_after(2);
  void *a = qe__calloc(1, 1), *b = qe__alloc_aligned(1, 0), *c = qe__calloc(1, 1), *d = qe__strdup("x");
  qe__fail_allocations_after(-1);
  cr_assert_not_null(a);
  cr_assert_not_null(b);
  cr_assert_null(c);
  cr_assert_null(d);
  qe__free(a);
  qe__free_aligned(b);
}

Test(memory, checked_arithmetic) {
  size_t s;
  int64_t i;
  cr_assert(qe__mul_size(3, 4, &s) && s == 12);
  cr_assert_not(qe__mul_size(SIZE_MAX, 2, &s));
  cr_assert(qe__add_size(3, 4, &s) && s == 7);
  cr_assert_not(qe__add_size(SIZE_MAX, 1, &s));
  cr_assert(qe__mul_i64(-3, 4, &i) && i == -12);
  cr_assert_not(qe__mul_i64(INT64_MIN, -1, &i));
}
