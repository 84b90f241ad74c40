/* Making, feeding and comparing observers in tests. */
#ifndef QE_TESTS_OBSERVE_UTIL_H
#define QE_TESTS_OBSERVE_UTIL_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe/observe.h"

typedef struct rng {
  uint64_t state;
} rng;

/* Prints the seed; QE_TEST_SEED=n runs with n instead. */
rng rng_for(const char *test, uint64_t seed);
uint64_t rng_next(rng *r);
double rng_uniform(rng *r); /* 0 <= u < 1 */
double rng_gaussian(rng *r);
int64_t rng_below(rng *r, int64_t n);

typedef enum shape { GAUSSIAN, RELU_GAUSSIAN, UNIFORM, HEAVY_TAILED, ONE_SIDED, NEGATIVE, SHAPES } shape;
extern const char *const SHAPE_NAMES[SHAPES];
/* n values of a distribution. The caller frees (free). */
float *random_values(rng *r, shape s, int64_t n);

qe_observer_config_t config_of(const char *observer);
qe__observer *new_observer(const qe_observer_config_t *config);
void feed(qe__observer *o, const float *x, int64_t n);
void feed_shaped(qe__observer *o, const float *x, uint32_t rank, const int64_t *dims);

typedef struct saved {
  void *data;
  size_t size;
} saved;
saved save_of(const qe__observer *o); /* data: qe__free */
/* Fails the test, naming `what`, unless both have the same bytes. */
void same_state(const qe__observer *a, const qe__observer *b, const char *what);
void same_qparams(const qe__observer *a, const qe__observer *b, const char *what);

#endif
