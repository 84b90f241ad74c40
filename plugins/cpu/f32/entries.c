/* The functions of the table: an op's, bound to one core. */
#include "f32/ops.h"

#define COMPUTED_ENTRY(isa, op)                                                                           \
  int fb_f32_##op##_##isa##_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {                 \
    return fb_f32_##op##_plan_on(&fb_f32_core__##isa, self, p, plan);                                     \
  }                                                                                                       \
  int fb_f32_##op##_##isa##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {  \
    return fb_f32_##op##_run_on(&fb_f32_core__##isa, self, call, tile_begin, tile_end);                   \
  }
#define ENTRY(isa, op)                                                                                    \
  COMPUTED_ENTRY(isa, op)                                                                                 \
  int fb_f32_##op##_##isa##_prepack(void *self, const qe_problem *p, void *packed) {                      \
    return fb_f32_##op##_prepack_on(&fb_f32_core__##isa, self, p, packed);                                \
  }
#define ENTRIES(op) FB_VECTORS(ENTRY, op)

ENTRIES(gemm)
ENTRIES(matmul)
ENTRIES(conv)
ENTRIES(conv_transpose)
FB_VECTORS(COMPUTED_ENTRY, weight_grad)
