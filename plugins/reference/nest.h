/*
 * Loop nests over several strided operands of one shape: element by element kernels and kernels that only move elements
 * walk memory with it. Dimensions are put in the order of operand 0's memory (the output) and joined where they can be.
 */
#ifndef QE_REFERENCE_NEST_H
#define QE_REFERENCE_NEST_H

#include "ref.h"

#define REF_NEST_MAX 66 /* operands of one nest */

typedef struct ref_nest {
  uint32_t rank; /* at least 1 */
  uint32_t n;
  int64_t count; /* elements; their numbers 0.. follow the nest's order */
  int64_t dims[QE_MAX_RANK];
  int64_t strides[REF_NEST_MAX][QE_MAX_RANK];
} ref_nest;

/* Adds operands one by one: init, then add (operand 0 first), then close. */
void ref_nest_init(ref_nest *nest, uint32_t rank, const int64_t *dims);
void ref_nest_add(ref_nest *nest, const int64_t *strides);
/* Adds an operand that broadcasts to the nest's shape. */
void ref_nest_add_operand(ref_nest *nest, const qe_operand *o);
void ref_nest_close(ref_nest *nest);
/* Output 0, then all inputs, broadcast; closed. */
void ref_nest_of_problem(ref_nest *nest, const qe_problem *p);

/* Walks elements [begin, end) in pieces of n elements; operand i's piece starts at offset[i] and has step[i]. */
typedef struct ref_walk {
  const ref_nest *nest;
  int64_t at, end;
  int64_t n; /* 0: done */
  int64_t index[QE_MAX_RANK];
  int64_t offset[REF_NEST_MAX], step[REF_NEST_MAX];
} ref_walk;

void ref_walk_start(ref_walk *w, const ref_nest *nest, int64_t begin, int64_t end);
void ref_walk_next(ref_walk *w);

/* 1 when all inputs broadcast to output 0 and there are no more than a nest takes; else 0 with the reason. */
int ref_broadcast_check(const qe_problem *p, char *reason, size_t reason_size);
/* Tiles of REF_FLAT_TILE elements; in place when input 0 has the output's shape, strides and element size. */
int ref_broadcast_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);

/* y[i * y_step] = x[i * x_step] for elements of `size` bytes (1, 2, 4 or 8). */
void ref_copy_elements(size_t size, void *y, int64_t y_step, const void *x, int64_t x_step, int64_t n);
/* Copies elements [begin, end) of operand 1 (x) to operand 0 (y) of a nest. */
void ref_nest_copy(const ref_nest *nest, size_t size, void *y, const void *x, int64_t begin, int64_t end);

/* supports of kernels that move elements of any byte-sized type: input 0 and output 0 have one type. */
int ref_move_supports(void *self, const qe_problem *p, char *reason, size_t reason_size);

static inline void *ref_at(void *base, size_t size, int64_t offset) { return (char *)base + offset * (int64_t)size; }
static inline const void *ref_at_const(const void *base, size_t size, int64_t offset) {
  return (const char *)base + offset * (int64_t)size;
}

#endif
