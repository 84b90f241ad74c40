/*
 * This engine: its name, its instruction sets and what it has on each, for the tables of plugins/cpu. A name here is the ending
 * of the files that are built for it (CMakeLists.txt) and of its kernels.
 */
#ifndef QE_FBGEMM_ISAS_H
#define QE_FBGEMM_ISAS_H

#define FB_ENGINE "fbgemm_x86"
#define FB_BUILD  "x86-64"

#define FB_ISA_avx2       (QE_ISA_X86_AVX2 | QE_ISA_X86_FMA)
#define FB_ISA_avx512bw   (QE_ISA_X86_AVX512BW | FB_ISA_avx2)
#define FB_ISA_avxvnni    (QE_ISA_X86_AVXVNNI | FB_ISA_avx2)
#define FB_ISA_avx512vnni (QE_ISA_X86_AVX512VNNI | FB_ISA_avx512bw)
#define FB_ISA_amx_int8   (QE_ISA_X86_AMX_INT8 | FB_ISA_avx512vnni)

enum { FB_RANK_avx2 = 100, FB_RANK_avx512bw = 200, FB_RANK_avxvnni = 300, FB_RANK_avx512vnni = 400, FB_RANK_amx_int8 = 500 };

/* What every machine that loads the engine has. */
#define FB_BASE avx2
/* Where there are vectors of float32 and int32 lanes. */
#define FB_VECTORS(X, ...) X(avx2, __VA_ARGS__) X(avx512bw, __VA_ARGS__)
/* Cores of the integer products (q8/core.h): core, isa, offset of the priority. */
#define FB_Q8_CORES(X, ...)          \
  X(nibble, avx2, 0, __VA_ARGS__)     \
  X(nibble, avx512bw, 0, __VA_ARGS__) \
  X(list, avx2, 10, __VA_ARGS__)      \
  X(list, avx512bw, 10, __VA_ARGS__)  \
  X(dot, avxvnni, 0, __VA_ARGS__)     \
  X(dot, avx512vnni, 0, __VA_ARGS__)  \
  X(tile, amx_int8, 0, __VA_ARGS__)
/* Cores of the recurrent products of codes: core, the one for constants times many rows, isa, the vectors that go with it. */
#define FB_RNN_CORES(X, ...)                       \
  X(nibble, list, avx2, avx2, __VA_ARGS__)         \
  X(nibble, list, avx512bw, avx512bw, __VA_ARGS__) \
  X(dot, dot, avxvnni, avx2, __VA_ARGS__)          \
  X(dot, dot, avx512vnni, avx512bw, __VA_ARGS__)   \
  X(tile, tile, amx_int8, avx512bw, __VA_ARGS__)
/* Forms of depthwise convolutions: isa, supports. */
#define FB_DEPTHWISE(X)        \
  X(avx2, depthwise)           \
  X(avx512bw, depthwise)       \
  X(avxvnni, depthwise_quads)  \
  X(avx512vnni, depthwise_quads)

#endif
