/* Instruction set levels: everybody who is compared is held to the same one. */
#ifndef BENCH_LEVEL_H
#define BENCH_LEVEL_H

#include <stdbool.h>

/* Does the processor have it: "avx2", "avxvnni", "avx512bw", "avx512vnni" or "amx_int8"? */
bool level_exists(const char *level);
/* The last one that it has; NULL: none. */
const char *level_best(void);
/*
 * Makes this process, from here on, see a processor of that level: QENGINE_CPU_MASK for us, the CPUID instruction for
 * everybody else. Call it before any library asks the processor. False: the kernel or the processor can't trap CPUID.
 */
bool level_cap(const char *level);

#endif
