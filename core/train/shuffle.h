/* The order of samples in an epoch, and each sample's random number: they depend on the seed and the epoch, on nothing before. */
#ifndef QE_CORE_TRAIN_SHUFFLE_H
#define QE_CORE_TRAIN_SHUFFLE_H

#include <stdint.h>

/* A permutation of 0..count - 1 (Fisher-Yates; every order is equally likely). */
void qe__shuffle(uint64_t seed, uint32_t epoch, int64_t count, int64_t *order);
/* The stream of random numbers that augmentation takes one of per sample in this epoch. */
uint64_t qe__augment_stream(uint64_t seed, uint32_t epoch);

#endif
