/* Blocks that last: they never overlap, whatever is freed between them. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"

enum { BLOCKS = 200 };

typedef struct block {
  unsigned char *at;
  size_t size;
  unsigned char mark;
} block;

static void make(block *b, size_t size, size_t alignment, unsigned char mark) {
  *b = (block){qe__alloc_lasting(size, alignment), size, mark};
  cr_assert_not_null(b->at, "%s", qe_last_error());
  cr_assert_eq((uintptr_t)b->at % (alignment < 64 ? 64 : alignment), 0u);
  memset(b->at, mark, size);
}

static void drop(block *b) {
  for (size_t i = 0; i < b->size; i++) {
    if (b->at[i] != b->mark) cr_assert_fail("byte %zu of %zu was overwritten", i, b->size);
  }
  qe__free_lasting(b->at, b->size);
  b->at = NULL;
}

Test(lasting, blocks_keep_what_is_theirs) {
  static block all[BLOCKS];
  uint32_t state = 1;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < BLOCKS; i++) {
      state = state * 1664525u + 1013904223u;
      const size_t size = i == 7 ? (size_t)40 << 20 : i % 3 == 0 ? state >> 20 : state >> 14;
      if (all[i].at != NULL) drop(&all[i]);
      make(&all[i], size, (size_t)1 << (state >> 10) % 13, (unsigned char)(i + round));
    }
    for (int i = round; i < BLOCKS; i += 2) drop(&all[i]);
  }
  for (int i = 0; i < BLOCKS; i++) {
    if (all[i].at != NULL) drop(&all[i]);
  }
}

Test(lasting, sizes_at_the_ends) {
  const size_t chunk = (size_t)32 << 20, sizes[] = {0, 1, 16383, 16384, chunk - 64, chunk - 63, chunk, chunk + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    block a, b;
    make(&a, sizes[i], 64, 1);
    make(&b, 100000, 4096, 2);
    drop(&a);
    drop(&b);
  }
  qe__free_lasting(NULL, 100000);
}

Test(lasting, what_cannot_be_had) {
  cr_assert_null(qe__alloc_lasting(SIZE_MAX - 10, 64));
  cr_assert_null(qe__alloc_lasting((size_t)PTRDIFF_MAX, 64));
  qe__fail_allocations_after(0);
  cr_assert_null(qe__alloc_lasting(100000, 64));
  cr_assert_null(qe__alloc_lasting(10, 64));
  qe__fail_allocations_after(-1);
}
