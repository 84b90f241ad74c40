/*
 * This engine: its name, its instruction sets and what it has on each, for the tables of plugins/cpu. A name here is the
 * ending of the files that are built for it (CMakeLists.txt) and of its kernels.
 */
#ifndef QE_QNNPACK_ISAS_H
#define QE_QNNPACK_ISAS_H

#define FB_ENGINE "qnnpack_arm"
#define FB_BUILD  "aarch64"

#define FB_ISA_neon    QE_ISA_ARM_NEON
#define FB_ISA_dotprod (QE_ISA_ARM_DOTPROD | FB_ISA_neon)
#define FB_ISA_i8mm    (QE_ISA_ARM_I8MM | FB_ISA_dotprod)

enum { FB_RANK_neon = 100, FB_RANK_dotprod = 200, FB_RANK_i8mm = 300 };

/* What every machine that loads the engine has. */
#define FB_BASE neon
/* Where there are vectors of float32 and int32 lanes. */
#define FB_VECTORS(X, ...) X(neon, __VA_ARGS__)
/* Cores of the integer products (q8/core.h): core, isa, offset of the priority. */
#define FB_Q8_CORES(X, ...)      \
  X(widen, neon, 0, __VA_ARGS__) \
  X(dot, dotprod, 0, __VA_ARGS__) \
  X(tile, i8mm, 0, __VA_ARGS__)
/* Cores of the recurrent products of codes: core, the one for constants times many rows, isa, the vectors that go with it. */
#define FB_RNN_CORES(X, ...)                \
  X(widen, widen, neon, neon, __VA_ARGS__)  \
  X(dot, dot, dotprod, neon, __VA_ARGS__)   \
  X(tile, tile, i8mm, neon, __VA_ARGS__)
/* Forms of depthwise convolutions: isa, supports. */
#define FB_DEPTHWISE(X) X(neon, depthwise) X(dotprod, depthwise_quads)

#endif
