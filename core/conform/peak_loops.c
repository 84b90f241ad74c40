/*
 * The loops of peak.h. Each multiplies chains of accumulators by a constant; a function says with an attribute which
 * instructions it may use, so that the file needs no flags and runs what the processor has.
 */
#include "conform/peak.h"
#include "qengine_plugin.h"

enum { LANES = 32, CHAINS = 13 };

static float float_portable(float factor) {
  float sum[LANES] = {0.0f}, all = 0.0f;
  for (int r = 0; r < QE__PEAK_ROUNDS; r++)
    for (int i = 0; i < LANES; i++) sum[i] = sum[i] * factor + 0.5f;
  for (int i = 0; i < LANES; i++) all += sum[i];
  return all;
}

static float integer_portable(float factor) {
  uint32_t sum[LANES] = {1}, all = 0;
  const uint32_t f = (uint32_t)(factor * 8.0f);
  for (int r = 0; r < QE__PEAK_ROUNDS; r++)
    for (int i = 0; i < LANES; i++) sum[i] += (sum[i] & 0xffffu) * f;
  for (int i = 0; i < LANES; i++) all ^= sum[i];
  return (float)all;
}

#if defined(__x86_64__)
#include <immintrin.h>

/*
 * vector: its type; set: an element from an int; step: one multiply-add of `f` and `one` to the accumulator sum[i]. The
 * empty asm makes the compiler believe that `f` changes, so that products are not taken out of the loop; the processor
 * sees chains of nothing but the accumulation.
 */
#define UNROLLED _Pragma("GCC unroll 13") for (int i = 0; i < CHAINS; i++)
#define CHAIN(name, features, vector, set, f_value, one_value, step, add, last) \
  __attribute__((target(features))) static float name(float factor) {           \
    vector sum[CHAINS], f = f_value;                                            \
    const vector one = one_value;                                               \
    (void)one;                                                                  \
    UNROLLED sum[i] = set(i);                                                   \
    for (int r = 0; r < QE__PEAK_ROUNDS; r++) {                                 \
      UNROLLED {                                                                \
        __asm__ volatile("" : "+v"(f));                                         \
        sum[i] = step;                                                          \
      }                                                                         \
    }                                                                           \
    vector all = set(0);                                                        \
    UNROLLED all = add(all, sum[i]);                                            \
    return (float)last(all);                                                    \
  }

#define SET_YMM(i) _mm256_set1_ps((float)(i))
#define SET_ZMM(i) _mm512_set1_ps((float)(i))
/* Sums of the type that the instruction has: as __m256i or __m512i they would be copied to and fro. */
typedef int32_t sums_ymm __attribute__((vector_size(32), may_alias));
typedef int32_t sums_zmm __attribute__((vector_size(64), may_alias));
#define SUMS_YMM(i) (sums_ymm)_mm256_set1_epi32(i)
#define SUMS_ZMM(i) (sums_zmm)_mm512_set1_epi32(i)
#define XOR(a, b)   ((a) ^ (b))
#define FIRST(v)    (v)[0]
#define INT_YMM     SUMS_YMM((int)(factor * 0x02040608)) /* small in every byte */
#define INT_ZMM     SUMS_ZMM((int)(factor * 0x02040608))
#define PAIRS_YMM   (sums_ymm)_mm256_madd_epi16
#define PAIRS_ZMM   (sums_zmm)_mm512_madd_epi16
#define QUADS_YMM   _mm256_maddubs_epi16((__m256i)f, (__m256i)f)
#define QUADS_ZMM   _mm512_maddubs_epi16((__m512i)f, (__m512i)f)
#define AVX512      "avx512f,avx512bw,avx512dq,avx512vl"

CHAIN(fma_ymm, "avx2,fma", __m256, SET_YMM, _mm256_set1_ps(factor), _mm256_set1_ps(0.5f),
      _mm256_fmadd_ps(sum[i], f, one), _mm256_add_ps, _mm256_cvtss_f32)
CHAIN(fma_zmm, AVX512, __m512, SET_ZMM, _mm512_set1_ps(factor), _mm512_set1_ps(0.5f),
      _mm512_fmadd_ps(sum[i], f, one), _mm512_add_ps, _mm512_cvtss_f32)
CHAIN(madd_ymm, "avx2", sums_ymm, SUMS_YMM, INT_YMM, SUMS_YMM(0x00010001),
      sum[i] + PAIRS_YMM((__m256i)f, (__m256i)one), XOR, FIRST)
CHAIN(madd_zmm, AVX512, sums_zmm, SUMS_ZMM, INT_ZMM, SUMS_ZMM(0x00010001),
      sum[i] + PAIRS_ZMM((__m512i)f, (__m512i)one), XOR, FIRST)
CHAIN(maddubs_ymm, "avx2", sums_ymm, SUMS_YMM, INT_YMM, SUMS_YMM(0x00010001),
      sum[i] + PAIRS_YMM(QUADS_YMM, (__m256i)one), XOR, FIRST)
CHAIN(maddubs_zmm, AVX512, sums_zmm, SUMS_ZMM, INT_ZMM, SUMS_ZMM(0x00010001),
      sum[i] + PAIRS_ZMM(QUADS_ZMM, (__m512i)one), XOR, FIRST)
CHAIN(dpbusd_vex, "avx2,avxvnni", sums_ymm, SUMS_YMM, INT_YMM, SUMS_YMM(0x01010101),
      (sums_ymm)_mm256_dpbusd_avx_epi32((__m256i)sum[i], (__m256i)f, (__m256i)one), XOR, FIRST)
CHAIN(dpbusd_zmm, AVX512 ",avx512vnni", sums_zmm, SUMS_ZMM, INT_ZMM, SUMS_ZMM(0x01010101),
      (sums_zmm)_mm512_dpbusd_epi32((__m512i)sum[i], (__m512i)f, (__m512i)one), XOR, FIRST)

enum { TILES = 6, ROWS = 16, ROW_BYTES = 64 };

/* Palette 1, sixteen rows of 64 bytes in each of the eight tiles. */
static const uint8_t tile_config[64] __attribute__((aligned(64))) = {
    [0] = 1,
    [16] = ROW_BYTES, [18] = ROW_BYTES, [20] = ROW_BYTES, [22] = ROW_BYTES,
    [24] = ROW_BYTES, [26] = ROW_BYTES, [28] = ROW_BYTES, [30] = ROW_BYTES,
    [48] = ROWS, [49] = ROWS, [50] = ROWS, [51] = ROWS, [52] = ROWS, [53] = ROWS, [54] = ROWS, [55] = ROWS,
};

/* Six accumulators of 16 x 16, 64 products each. The operands are zeros: the time does not depend on them. */
__attribute__((target("avx512f,amx-tile,amx-int8"))) static float dpbusd_tile(float factor) {
  _tile_loadconfig(tile_config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int r = 0; r < QE__PEAK_ROUNDS; r++) {
    _tile_dpbusd(0, 6, 7);
    _tile_dpbusd(1, 6, 7);
    _tile_dpbusd(2, 6, 7);
    _tile_dpbusd(3, 6, 7);
    _tile_dpbusd(4, 6, 7);
    _tile_dpbusd(5, 6, 7);
  }
  _tile_release();
  return factor;
}

#define ISA_AVX2   (QE_ISA_X86_AVX2 | QE_ISA_X86_FMA)
#define ISA_AVX512 (QE_ISA_X86_AVX512BW | ISA_AVX2)
#define ISA_VNNI   (QE_ISA_X86_AVX512VNNI | ISA_AVX512)
#endif

const qe__peak_loop qe__peak_loops[] = {
    {"float32", 0, false, LANES, float_portable},
    {"integers", 0, true, LANES, integer_portable},
#if defined(__x86_64__)
    {"fma ymm", ISA_AVX2, false, CHAINS * 8, fma_ymm},
    {"fma zmm", ISA_AVX512, false, CHAINS * 16, fma_zmm},
    {"pmaddwd paddd ymm", ISA_AVX2, true, CHAINS * 16, madd_ymm},
    {"pmaddubsw pmaddwd paddd ymm", ISA_AVX2, true, CHAINS * 32, maddubs_ymm},
    {"pmaddwd paddd zmm", ISA_AVX512, true, CHAINS * 32, madd_zmm},
    {"pmaddubsw pmaddwd paddd zmm", ISA_AVX512, true, CHAINS * 64, maddubs_zmm},
    {"vpdpbusd ymm", QE_ISA_X86_AVXVNNI | ISA_AVX2, true, CHAINS * 32, dpbusd_vex},
    {"vpdpbusd zmm", ISA_VNNI, true, CHAINS * 64, dpbusd_zmm},
    {"tdpbusd", QE_ISA_X86_AMX_INT8 | ISA_VNNI, true, (int64_t)TILES * ROWS * ROWS * ROW_BYTES, dpbusd_tile},
#endif
    {0},
};
