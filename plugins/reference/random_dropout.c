/*
 * RandomDropout, row-major: element i stays when mix(s + (i + 1) * G) >> 40 >= floor(ratio * 2^24), with s = mix(key0 ^
 * mix(key1 + stream * G)), modulo 2^64; y = x * (1 / (1 - ratio)), or +0. The same key drops the same elements, so the op is
 * its own gradient.
 */
#include "ref.h"

#define G UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t v) {
  v ^= v >> 30;
  v *= UINT64_C(0xbf58476d1ce4e5b9);
  v ^= v >> 27;
  v *= UINT64_C(0x94d049bb133111eb);
  return v ^ v >> 31;
}

int ref_random_dropout_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const int64_t *key = call->in[1];
  const float ratio = p->params->alpha, factor = 1.0f / (1.0f - ratio), *x = call->in[0];
  const uint64_t seed = mix((uint64_t)key[0] ^ mix((uint64_t)key[1] + (uint64_t)p->params->starts[0] * G)),
                 least = (uint64_t)(ratio * 0x1p24f);
  float *y = call->out[0];
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  for (int64_t i = begin; i < end; ++i)
    y[i] = mix(seed + ((uint64_t)i + 1) * G) >> 40 >= least ? x[i] * factor : 0.0f;
  return 0;
}
