/* And, Or, Xor of bool with broadcasting, any strides. Any byte but 0 counts as true; results are 0 or 1. */
#include "nest.h"

int ref_logical_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_broadcast_check(p, reason, reason_size);
}

int ref_logical_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const char op = p->op[0]; /* A, O or X */
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w)) {
    uint8_t *y = (uint8_t *)call->out[0] + w.offset[0];
    const uint8_t *a = (const uint8_t *)call->in[0] + w.offset[1], *b = (const uint8_t *)call->in[1] + w.offset[2];
    for (int64_t i = 0; i < w.n; ++i) {
      const bool u = a[i * w.step[1]] != 0, v = b[i * w.step[2]] != 0;
      y[i * w.step[0]] = op == 'A' ? u && v : op == 'O' ? u || v : u != v;
    }
  }
  return 0;
}
