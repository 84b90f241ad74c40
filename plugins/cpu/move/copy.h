/*
 * Copying between strides: all that Relayout, Transpose, Slice, Concat and their kin are made of. Rows that are dense on
 * both sides are copied; where x is dense along another dimension than y, blocks are transposed in registers.
 */
#ifndef QE_CPU_MOVE_COPY_H
#define QE_CPU_MOVE_COPY_H

#include "codes/nest.h"

typedef struct fb_copy {
  fb_nest nest;    /* y, x */
  size_t size;     /* bytes of an element */
  bool transposes; /* x is dense along the nest's second innermost dimension */
} fb_copy;

size_t fb_dtype_size(uint8_t dtype); /* bytes of an element; 0 for types narrower than a byte and unknown ones */
/* 1 when input 0 and output 0 have one type of whole bytes; else 0 with the reason. */
int fb_move_supports(const qe_problem *p, char *reason, size_t reason_size);

/* y[i] = x[i] over dims; strides in elements. */
void fb_copy_init(fb_copy *c, size_t size, uint32_t rank, const int64_t *dims, const int64_t *y_strides,
                  const int64_t *x_strides);
int64_t fb_copy_tiles(const fb_copy *c);
void fb_copy_run(const fb_copy *c, void *y, const void *x, int64_t tile_begin, int64_t tile_end);

/* y[r * y_row + c] = x[r + c * x_col], elements of `size` bytes (the engine's transpose). */
void fb_transpose(size_t size, void *y, int64_t y_row, const void *x, int64_t x_col, int64_t rows, int64_t cols);

static inline void *fb_element(void *base, size_t size, int64_t offset) { return (char *)base + offset * (int64_t)size; }
static inline const void *fb_element_const(const void *base, size_t size, int64_t offset) {
  return (const char *)base + offset * (int64_t)size;
}

#endif
