/* Contributions to a gradient that one node can compute together. */
#ifndef QE_CORE_TRAIN_MERGE_H
#define QE_CORE_TRAIN_MERGE_H

#include "train/emit.h"

/*
 * The sum of n values, in order, when it can be had at once: products a_i^T * b_i, as every step of a recurrent layer
 * contributes one to the gradient of its weights, are one product of what they read, joined. QE__NO_VALUE: not these
 * values. The nodes that made them are left to be swept.
 */
qe__value_id qe__merge_products(qe__emit *e, uint32_t n, const qe__value_id *parts);

#endif
