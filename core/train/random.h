/* Counter-based random numbers (splitmix64): element i of a stream is known without those before it, everywhere the same. */
#ifndef QE_CORE_TRAIN_RANDOM_H
#define QE_CORE_TRAIN_RANDOM_H

#include <stdint.h>

#define QE__RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t qe__random_mix(uint64_t v) {
  v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
  return v ^ (v >> 31);
}

/* 64 bits: number `index` of the stream. */
static inline uint64_t qe__random_at(uint64_t stream, uint64_t index) {
  return qe__random_mix(stream + (index + 1) * QE__RANDOM_STEP);
}

/* A stream of its own for each pair. */
static inline uint64_t qe__random_stream(uint64_t seed, uint64_t which) {
  return qe__random_mix(seed ^ qe__random_mix(which + QE__RANDOM_STEP));
}

#endif
