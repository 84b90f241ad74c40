/* The functions of kernels.def: an op with its maker of products, a core, and loops. */
#include "f32/core.h"
#include "q8/core.h"
#include "recurrent/recurrent.h"

/* clang-format off */
#define FB_RNN_ROW(maker_name, name, core_name, many_name, isa, loops_of, x, type, quantized, stem, op_name, ...)     \
  static const fb_rnn_kind name##_##stem##_##isa = {                                                                  \
      .op = &op_name, .maker = &maker_name, .core = &core_name, .many = &many_name,                                   \
      .loops = &fb_rnn_loops__##loops_of};                                                                            \
  int fb_##name##_##stem##_##isa##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {      \
    (void)self;                                                                                                       \
    return fb_rnn_supports(&name##_##stem##_##isa, p, reason, reason_size);                                           \
  }                                                                                                                   \
  int fb_##name##_##stem##_##isa##_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {                      \
    return fb_rnn_plan(&name##_##stem##_##isa, self, p, plan);                                                        \
  }                                                                                                                   \
  int fb_##name##_##stem##_##isa##_prepack(void *self, const qe_problem *p, void *packed) {                           \
    return fb_rnn_prepack(&name##_##stem##_##isa, self, p, packed);                                                   \
  }                                                                                                                   \
  int fb_##name##_##stem##_##isa##_run(void *self, const qe_call *call, int64_t begin, int64_t end) {                 \
    return fb_rnn_run(&name##_##stem##_##isa, self, call, begin, end);                                                \
  }
#include "recurrent/kernels.def"
