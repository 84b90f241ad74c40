/* The contract's tree over 16 lanes of many sums at once (docs/numerics.md). */
#ifndef QE_CPU_TRAIN_LANES_TREE_H
#define QE_CPU_TRAIN_LANES_TREE_H

#include <stdint.h>

/* Lanes of n sums each, lane by lane; the results are in the first lane's place. */
static inline void lanes_tree(float *sum, int64_t n) {
  for (int64_t lanes = 8; lanes > 0; lanes /= 2)
    for (int64_t i = 0; i < lanes * n; ++i) sum[i] += sum[lanes * n + i];
}

#endif
