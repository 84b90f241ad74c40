/* Instruction set levels: everybody who is compared is held to the same one. */
#ifndef BENCH_LEVEL_H
#define BENCH_LEVEL_H

#include <stdbool.h>

/* Does the processor have it: "avx2", "avxvnni", "avx512bw", "avx512vnni" or "amx_int8"? */
bool level_exists(const char *level);
/* The last one that it has; NULL: none. */
const char *level_best(void);
/*
 * From here on we see a processor of that level (QENGINE_CPU_MASK), and so do libraries whose CPUID instructions bench/hold
 * has replaced. Call it before any of them is loaded. False: the signal can't be caught.
 */
bool level_cap(const char *level);
/* Is ONNX Runtime, loaded meanwhile, at that level: did it ask, or is the level the processor's best? */
bool level_holds(const char *level);

#endif
