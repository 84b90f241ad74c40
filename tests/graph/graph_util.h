/* Small graphs for tests. */
#ifndef QE_TESTS_GRAPH_UTIL_H
#define QE_TESTS_GRAPH_UTIL_H

#include "graph/model.h"

/* A tensor of ascending floats 0, 1, 2, ... times `step`. */
qe_tensor_t *ramp(uint32_t rank, const int64_t *dims, float step);
#define RAMP(step, ...) \
  ramp((uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}, step)

/* input "x" -> Relu "a" -> Add(a, constant "c") "b" -> output; plus Sigmoid "unused" that reads a. */
qe__graph *small_graph(void);
/* x -> Relu x n -> output, all values named v0, v1, ... */
qe__graph *chain(uint32_t n);

#endif
