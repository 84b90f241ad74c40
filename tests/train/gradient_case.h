/*
 * One op between inputs and a loss, differentiated and compared with central differences. A builder adds the op by the
 * functions of train/emit.h; the loss is the sum of its result under random weights.
 */
#ifndef QE_TESTS_GRADIENT_CASE_H
#define QE_TESTS_GRADIENT_CASE_H

#include <criterion/criterion.h>

#include "qengine.h"
#include "train/emit.h"

enum { CASE_INPUTS = 8, CASE_GRID = 256 };

typedef struct gradient_case {
  qe__emit e;
  uint64_t state;
  const char *name;
  uint64_t seed;
  uint32_t n_in;
  qe__value_id in[CASE_INPUTS];
  qe_tensor_t *data[CASE_INPUTS];
  bool wrt[CASE_INPUTS];
  int grid[CASE_GRID]; /* a shuffled order of the values that inputs take */
  uint32_t taken;
} gradient_case;

/* Returns the op's result. */
typedef qe__value_id (*gradient_builder)(gradient_case *t);

typedef struct gradient_test {
  const char *name;
  gradient_builder build;
} gradient_test;

/* 0..n-1 */
int64_t case_below(gradient_case *t, int64_t n);
bool case_coin(gradient_case *t);
/*
 * A float input that is differentiated: numbers in -1.5..1.5, all different as long as there are CASE_GRID, none within
 * 1/200 of a multiple of 3/256 (where a builder puts the kinks of its op), times scale, plus offset.
 */
qe__value_id case_input_at(gradient_case *t, uint32_t rank, const int64_t *dims, float scale, float offset);
qe__value_id case_input(gradient_case *t, uint32_t rank, const int64_t *dims);
/* All greater than 0.3. */
qe__value_id case_positive(gradient_case *t, uint32_t rank, const int64_t *dims);
/* An input that is not differentiated. Takes over the tensor. */
qe__value_id case_given(gradient_case *t, qe_tensor_t *data);
/* Random dimensions of 1..most, whose product is at most 64. */
uint32_t case_dims(gradient_case *t, uint32_t least_rank, uint32_t most_rank, int64_t most, int64_t *dims);
/* dims with some dimensions dropped in front and some made 1. */
uint32_t case_broadcast(gradient_case *t, uint32_t rank, const int64_t *dims, int64_t *out);

/* Builds, differentiates, compares; every test with `seeds` seeds. */
void check_gradients(const gradient_test *tests, size_t count, uint64_t seeds);
#define CHECK_GRADIENTS(tests, seeds) check_gradients(tests, sizeof tests / sizeof tests[0], seeds)

#endif
