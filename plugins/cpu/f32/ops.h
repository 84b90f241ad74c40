/* Functions of the float32 products for any core; entries.c binds them to cores. */
#ifndef QE_CPU_F32_OPS_H
#define QE_CPU_F32_OPS_H

#include "f32/core.h"

#define FB_F32_OP(name)                                                                                                \
  int fb_f32_##name##_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan);         \
  int fb_f32_##name##_prepack_on(const fb_f32_core *core, void *self, const qe_problem *p, void *packed);              \
  int fb_f32_##name##_run_on(const fb_f32_core *core, void *self, const qe_call *call, int64_t tile_begin,             \
                             int64_t tile_end);
FB_F32_OP(gemm)
FB_F32_OP(matmul)
FB_F32_OP(conv)
FB_F32_OP(conv_transpose)
#undef FB_F32_OP
int fb_f32_weight_grad_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan);
int fb_f32_weight_grad_run_on(const fb_f32_core *core, void *self, const qe_call *call, int64_t tile_begin,
                              int64_t tile_end);

#endif
