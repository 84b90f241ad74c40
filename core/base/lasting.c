/*
 * Blocks that last: cut one after the other from chunks of address space that the kernel is asked to back with large
 * pages. A freed block gives its pages back at once, its addresses only with the last block of its chunk.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define PLAIN true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLAIN true
#endif
#endif
#ifndef PLAIN
#define PLAIN false /* true: AddressSanitizer watches the C allocator's blocks only */
#endif

/* Chunks begin at multiples of CHUNK and blocks less than that behind, so that a block tells its chunk. */
#define CHUNK ((size_t)32 << 20)
#define LARGE ((size_t)2 << 20)     /* page; the first chunk begins with small ones, which a small model fits better */
#define SMALLEST ((size_t)16 << 10) /* smaller blocks are the C allocator's */
#define PAGE ((size_t)64 << 10)     /* a multiple of the page size of every machine */

typedef struct chunk {
  size_t size, used; /* bytes */
  size_t blocks;     /* not freed */
} chunk;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static chunk *current; /* from which blocks are cut, or NULL */

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Maps more than is needed, and gives back what lies around the aligned part. Large pages from `from` to `to`. */
static chunk *map_chunk(size_t size, size_t from, size_t to) {
  char *base = mmap(NULL, size + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return NULL;
  const size_t before = (CHUNK - (uintptr_t)base % CHUNK) % CHUNK;
  char *at = base + before;
  if (before > 0) munmap(base, before);
  munmap(at + size, CHUNK - before);
  (void)madvise(at + from, to - from, MADV_HUGEPAGE);
  chunk *c = (chunk *)(void *)at;
  *c = (chunk){.size = size, .used = sizeof *c};
  return c;
}

static void drop_pages(chunk *c, size_t from, size_t to) {
  from = round_up(from, PAGE);
  to = to / PAGE * PAGE;
  if (to > from) (void)madvise((char *)c + from, to - from, MADV_DONTNEED);
}

/* A chunk with room for a block; one that has only that is no current one. */
static chunk *new_chunk(size_t block, size_t alignment) {
  const size_t used = round_up(sizeof(chunk), alignment) + block;
  if (used > CHUNK) return map_chunk(round_up(used, CHUNK), 0, used / LARGE * LARGE);
  chunk *c = map_chunk(CHUNK, current == NULL ? LARGE : 0, CHUNK);
  if (c == NULL) return NULL;
  if (current != NULL) drop_pages(current, current->used, current->size); /* the rest of its last large page */
  return current = c;
}

static void *cut(size_t size, size_t alignment) {
  size_t whole;
  if (!qe__add_size(size, alignment + CHUNK, &whole) || whole > PTRDIFF_MAX) return NULL;
  chunk *c = current;
  if (c == NULL || round_up(c->used, alignment) + size > c->size) c = new_chunk(size, alignment);
  if (c == NULL) return NULL;
  const size_t at = round_up(c->used, alignment);
  c->used = at + size;
  c->blocks++;
  return (char *)c + at;
}

static bool is_plain(size_t size) { return PLAIN || size < SMALLEST; }

void *qe__alloc_lasting(size_t size, size_t alignment) {
  if (is_plain(size)) return qe__alloc_aligned(size, alignment);
  void *ptr = NULL;
  if (!qe__injected_failure()) {
    pthread_mutex_lock(&lock);
    ptr = cut(size, alignment < 64 ? 64 : alignment);
    pthread_mutex_unlock(&lock);
  }
  if (ptr == NULL) qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory: %zu bytes were asked for", size);
  return ptr;
}

static void give_back(chunk *c, size_t at, size_t size) {
  if (--c->blocks > 0) {
    drop_pages(c, at, at + size);
    return;
  }
  if (current == c) current = NULL;
  munmap(c, c->size);
}

void qe__free_lasting(void *ptr, size_t size) {
  if (ptr == NULL || is_plain(size)) {
    qe__free_aligned(ptr);
    return;
  }
  pthread_mutex_lock(&lock);
  give_back((chunk *)(void *)((char *)ptr - (uintptr_t)ptr % CHUNK), (uintptr_t)ptr % CHUNK, size);
  pthread_mutex_unlock(&lock);
}
