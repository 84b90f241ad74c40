/*
 * Loop nests over strided operands of one shape. Dimensions are put in the order of operand 0's memory (the output) and
 * joined where one stride walks them for every operand, so that dense operands end up as one long row. What is left is
 * walked in blocks: the two innermost dimensions, rows and columns.
 */
#ifndef QE_CPU_CODES_NEST_H
#define QE_CPU_CODES_NEST_H

#include "fb.h"

#define FB_NEST_MAX 5 /* operands of one nest */

typedef struct fb_nest {
  uint32_t rank; /* after fb_nest_close: at least 2 */
  uint32_t n;
  int64_t count; /* elements */
  int64_t dims[QE_MAX_RANK];
  int64_t strides[FB_NEST_MAX][QE_MAX_RANK];
} fb_nest;

/* Operands are added one by one, the output first: init, add..., close. */
void fb_nest_init(fb_nest *nest, uint32_t rank, const int64_t *dims);
void fb_nest_add(fb_nest *nest, const int64_t *strides);
/* Adds an operand that broadcasts to the nest's shape. */
void fb_nest_add_operand(fb_nest *nest, const qe_operand *o);
void fb_nest_close(fb_nest *nest);
/* Output 0, then all inputs, broadcast; closed. */
void fb_nest_of_problem(fb_nest *nest, const qe_problem *p);

/* Operand i's elements of a block: offset[i] + r * row_step[i] + c * col_step[i]. */
typedef struct fb_block {
  int64_t rows, cols;
  int64_t offset[FB_NEST_MAX], row_step[FB_NEST_MAX], col_step[FB_NEST_MAX];
} fb_block;
typedef void (*fb_block_fn)(const void *ctx, const fb_block *block);

/* Tiles of about `size` elements: a piece of a row, or some whole rows. */
int64_t fb_nest_tiles(const fb_nest *nest, int64_t size);
void fb_nest_run(const fb_nest *nest, int64_t size, int64_t tile_begin, int64_t tile_end, fb_block_fn fn,
                 const void *ctx);

/* 1 when all inputs broadcast to output 0 and a nest takes them; else 0 with the reason. */
int fb_broadcast_check(const qe_problem *p, char *reason, size_t reason_size);
/* Does each element of output 0 lie where that of input 0 lies? */
bool fb_same_place(const qe_problem *p);

#endif
