/* Words of the templates of this folder, which are built once for each instruction set with vectors. */
#ifndef QE_CPU_F32_TEMPLATE_H
#define QE_CPU_F32_TEMPLATE_H

#include "f32/vec.h" /* of the engine that is built */
#include "templates.h"

#define UNROLL FB_UNROLL_TO(16)
#define INLINE static FB_INLINE

/* Memory that will be wanted soon: near in the first-level cache, far in the second. It may lie outside of anything. */
INLINE void fetch_near(uintptr_t p) { __builtin_prefetch((const void *)p, 0, 3); }
INLINE void fetch_far(uintptr_t p) { __builtin_prefetch((const void *)p, 0, 2); }

#endif
