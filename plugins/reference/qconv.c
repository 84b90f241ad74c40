/*
 * Conv on codes, channels last: sums of q8conv.h, finished as q8.h says. Packed memory: multipliers, then the
 * weights.
 */
#include "q8conv.h"

int ref_qconv_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!ref_q8conv_check(p, reason, reason_size))
    return 0;
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  if (!ref_q8_check(p, 0, s.g.out_channels, s.terms, reason, reason_size))
    return 0;
  if (ref_has_in(p, 2) && p->in[2]->count != s.g.out_channels)
    return ref_refuse(reason, reason_size, "Conv: the bias has %lld elements, expected %lld",
                      (long long)p->in[2]->count, (long long)s.g.out_channels);
  return 1;
}

int ref_qconv_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  const bool constant = p->in[1]->data != NULL;
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.g.pixels, ref_q8conv_tile_pixels(&s, !constant));
  plan->scratch_size = ref_q8conv_scratch_bytes(&s);
  plan->packed_size = ref_q8_multiplier_bytes(s.g.out_channels);
  if (constant)
    plan->packed_size += ref_q8conv_packed_bytes(&s);
  else
    plan->scratch_size += ref_q8conv_packed_bytes(&s);
  return 0;
}

int ref_qconv_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  ref_q8_multipliers(p, packed, s.g.out_channels);
  const ref_q8_zeros zeros = ref_q8_zeros_of(p->in[1]);
  if (p->in[1]->data)
    ref_q8conv_pack(&s, p->in[1], p->in[1]->data, &zeros,
                    (void *)((char *)packed + ref_q8_multiplier_bytes(s.g.out_channels)));
  return 0;
}

typedef struct store_arg {
  ref_q8_out out;
  int64_t channels;
} store_arg;

static void store(void *arg, int64_t pixel, int64_t channel, int32_t *acc, int64_t n) {
  const store_arg *a = arg;
  ref_q8_finish(&a->out, pixel * a->channels + channel, channel, acc, n);
}

int ref_qconv_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  const int16_t *w = (const void *)((const char *)call->packed + ref_q8_multiplier_bytes(s.g.out_channels));
  char *scratch = call->scratch;
  if (!p->in[1]->data) {
    const ref_q8_zeros zeros = ref_q8_zeros_of(p->in[1]);
    int16_t *packed = (void *)scratch;
    ref_q8conv_pack(&s, p->in[1], call->in[1], &zeros, packed);
    scratch += ref_q8conv_packed_bytes(&s);
    w = packed;
  }
  store_arg arg = {ref_q8_out_of(p, loops, call->packed, ref_has_in(p, 2) ? call->in[2] : NULL, call->out[0]),
                   s.g.out_channels};
  const int64_t step = ref_q8conv_tile_pixels(&s, !p->in[1]->data);
  ref_q8conv_run(&s, loops, call->in[0], p->in[0]->dtype, p->in[0]->zero_points[0], w, scratch, tile_begin * step,
                 ref_min64(tile_end * step, s.g.pixels), store, &arg);
  return 0;
}
