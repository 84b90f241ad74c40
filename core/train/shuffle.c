/* See shuffle.h. */
#include "train/shuffle.h"

#include "train/random.h"

/* Streams of a seed must not meet those that initial weights or dropout are drawn from. */
enum { SHUFFLE = 0x73687566, AUGMENT = 0x6175676d };

static uint64_t stream_of(uint64_t seed, uint32_t use, uint32_t epoch) {
  return qe__random_stream(qe__random_stream(seed, use), epoch);
}

/* Uniform in 0..n - 1: the few draws that would favour small numbers are thrown away. */
static uint64_t below(uint64_t n, uint64_t stream, uint64_t *index) {
  const uint64_t excess = (UINT64_MAX % n + 1) % n; /* 2^64 mod n */
  for (;;) {
    const uint64_t r = qe__random_at(stream, (*index)++);
    if (r <= UINT64_MAX - excess) return r % n;
  }
}

void qe__shuffle(uint64_t seed, uint32_t epoch, int64_t count, int64_t *order) {
  const uint64_t stream = stream_of(seed, SHUFFLE, epoch);
  uint64_t index = 0;
  for (int64_t i = 0; i < count; i++) order[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    const int64_t k = (int64_t)below((uint64_t)i + 1, stream, &index);
    const int64_t t = order[i];
    order[i] = order[k];
    order[k] = t;
  }
}

uint64_t qe__augment_stream(uint64_t seed, uint32_t epoch) { return stream_of(seed, AUGMENT, epoch); }
