/* loops.c once more; the build gives this file the flags for AVX2 and FMA. */
#if defined(__x86_64__)
#define REF_LOOPS_TABLE ref_loops_avx2
#define REF_LOOPS_NAME  "avx2"
#include "loops.c"
#else
typedef int ref_loops_avx2_is_empty; /* a translation unit must not be empty */
#endif
