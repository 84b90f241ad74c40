/* The functions of kernels.def: an op with a core each. */
#include "q8/product.h"


#define FB_Q8_ROW(core, isa, offset, name, ...)                                                                         \
  int fb_##name##_##core##__##isa##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) { \
    (void)self;                                                                                                 \
    return fb_q8_supports(&fb_q8_##name, &fb_q8_##core##__##isa, p, reason, reason_size);                        \
  }                                                                                                             \
  int fb_##name##_##core##__##isa##_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {                \
    return fb_q8_plan(&fb_q8_##name, &fb_q8_##core##__##isa, self, p, plan);                                     \
  }                                                                                                             \
  int fb_##name##_##core##__##isa##_prepack(void *self, const qe_problem *p, void *packed) {                     \
    return fb_q8_prepack(&fb_q8_##name, &fb_q8_##core##__##isa, self, p, packed);                                \
  }                                                                                                             \
  int fb_##name##_##core##__##isa##_run(void *self, const qe_call *call, int64_t begin, int64_t end) {           \
    return fb_q8_run(&fb_q8_##name, &fb_q8_##core##__##isa, self, call, begin, end);                             \
  }
#include "q8/kernels.def"
