/* Memory that lives as long as one export: blocks in a list, handed out front to back. */
#include "onnx/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

struct qe__arena_block {
  struct qe__arena_block *next;
  size_t used, size;
  alignas(max_align_t) char data[];
};

enum { BLOCK = 1 << 16 };

void *qe__arena_alloc(qe__arena *arena, size_t count, size_t size) {
  size_t bytes, total;
  if (!qe__mul_size(count, size, &bytes) || !qe__add_size(bytes, alignof(max_align_t) - 1, &bytes)) return NULL;
  bytes -= bytes % alignof(max_align_t);
  struct qe__arena_block *block = arena->blocks;
  if (block == NULL || block->size - block->used < bytes) {
    const size_t room = bytes > BLOCK ? bytes : BLOCK;
    if (!qe__add_size(room, sizeof *block, &total)) return NULL;
    block = qe__calloc(1, total);
    if (block == NULL) return NULL;
    block->size = room;
    block->next = arena->blocks;
    arena->blocks = block;
  }
  void *at = block->data + block->used;
  block->used += bytes;
  return at;
}

char *qe__arena_format(qe__arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = length < 0 ? NULL : qe__arena_alloc(arena, (size_t)length + 1, 1);
  if (text == NULL) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)length + 1, format, args);
  va_end(args);
  return text;
}

void qe__arena_free(qe__arena *arena) {
  while (arena->blocks != NULL) {
    struct qe__arena_block *next = arena->blocks->next;
    qe__free(arena->blocks);
    arena->blocks = next;
  }
}
