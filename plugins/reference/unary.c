/* Unary float32 ops, element by element: y = act(f(x)). Each row below is the definition of its op. */
#include "ref.h"

#define UNARY(stem, expression)                                                              \
  int ref_##stem##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) { \
    (void)self;                                                                              \
    const qe_problem *p = call->problem;                                                     \
    const float *in = call->in[0];                                                           \
    float *out = call->out[0];                                                               \
    int64_t begin, end;                                                                      \
    ref_flat_range(p, tile_begin, tile_end, &begin, &end);                                   \
    for (int64_t i = begin; i < end; ++i) {                                                  \
      const float x = in[i];                                                                 \
      out[i] = ref_act((expression), p->act_lo, p->act_hi);                                  \
    }                                                                                        \
    return 0;                                                                                \
  }

UNARY(relu, x < 0.0f ? 0.0f : x)
