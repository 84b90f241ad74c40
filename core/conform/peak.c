/* See peak.h. Chains of multiply-adds that stay in registers, enough of them to hide the latency. */
#include "conform/peak.h"

#include "conform/conform.h"
#include "conform/worker_process.h"

enum { ROUNDS = 20000 };
#define SECONDS 0.02

typedef float (*chain)(float factor);

#if defined(__x86_64__)
#include <immintrin.h>
enum { CHAINS = 12 };

__attribute__((target("avx2,fma"))) static float float_avx2(float factor) {
  __m256 sum[CHAINS];
  const __m256 f = _mm256_set1_ps(factor), one = _mm256_set1_ps(0.5f);
  for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_ps((float)i);
  for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_fmadd_ps(sum[i], f, one);
  for (int i = 1; i < CHAINS; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
  return _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx2,fma"))) static float integer_avx2(float factor) {
  __m256i sum[CHAINS];
  const __m256i f = _mm256_set1_epi16((short)(factor * 8.0f));
  for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_epi32(i);
  for (int r = 0; r < ROUNDS; r++)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(sum[i], f));
  for (int i = 1; i < CHAINS; i++) sum[0] = _mm256_xor_si256(sum[0], sum[i]);
  return (float)_mm256_extract_epi32(sum[0], 0);
}
#endif

enum { LANES = 32 };

static float float_portable(float factor) {
  float sum[LANES] = {0.0f}, all = 0.0f;
  for (int r = 0; r < ROUNDS; r++)
    for (int i = 0; i < LANES; i++) sum[i] = sum[i] * factor + 0.5f;
  for (int i = 0; i < LANES; i++) all += sum[i];
  return all;
}

static float integer_portable(float factor) {
  uint32_t sum[LANES] = {1}, all = 0;
  const uint32_t f = (uint32_t)(factor * 8.0f);
  for (int r = 0; r < ROUNDS; r++)
    for (int i = 0; i < LANES; i++) sum[i] += (sum[i] & 0xffffu) * f;
  for (int i = 0; i < LANES; i++) all ^= sum[i];
  return (float)all;
}

double qe__peak_gmacs(bool integer) {
  chain run = integer ? integer_portable : float_portable;
  double macs = (double)ROUNDS * LANES, best = 0.0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    run = integer ? integer_avx2 : float_avx2;
    macs = (double)ROUNDS * CHAINS * (integer ? 16 : 8);
  }
#endif
  volatile float factor = 0.5f, sink;
  const double end = qe__seconds() + SECONDS;
  double start, now;
  do {
    start = qe__seconds();
    sink = run(factor);
    now = qe__seconds();
    if (now > start && macs / (now - start) > best) best = macs / (now - start);
  } while (now < end);
  (void)sink;
  return best * 1e-9;
}
