/*
 * ConvInteger: y = sum of (x - x_zero) * (w - w_zero) in int32, padding contributing 0, channels last. Inputs: x, w,
 * zero point of x (one), zero points of w (one, or one per output channel); absent ones are 0.
 */
#include <string.h>

#include "q8conv.h"

int ref_conv_integer_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!ref_is_code8(p->in[0]) || !ref_is_code8(p->in[1]) || p->out[0]->dtype != QE_DT_I32)
    return ref_refuse(reason, reason_size, "ConvInteger: %s, %s -> %s, expected uint8 or int8 -> int32",
                      ref_dtype_name(p->in[0]->dtype), ref_dtype_name(p->in[1]->dtype),
                      ref_dtype_name(p->out[0]->dtype));
  for (uint32_t i = 2; i < 4; ++i)
    if (ref_has_in(p, i) && (p->in[i]->dtype != p->in[i - 2]->dtype ||
                             (p->in[i]->count != 1 && (i == 2 || p->in[i]->count != p->in[1]->dims[0]))))
      return ref_refuse(reason, reason_size, "ConvInteger: zero point %u is %s with %lld elements", i - 2,
                        ref_dtype_name(p->in[i]->dtype), (long long)p->in[i]->count);
  return ref_q8conv_check(p, reason, reason_size);
}

/* The weights can be packed once: they and their zero points are constant. */
static bool packs_once(const qe_problem *p) { return p->in[1]->data && (!ref_has_in(p, 3) || p->in[3]->data); }

static ref_q8_zeros zeros_of(const qe_problem *p, const void *codes) {
  if (!ref_has_in(p, 3))
    return (ref_q8_zeros){.count = 1};
  return (ref_q8_zeros){.codes = codes, .dtype = p->in[3]->dtype, .count = p->in[3]->count};
}

int ref_conv_integer_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.g.pixels, ref_q8conv_tile_pixels(&s, !packs_once(p)));
  plan->scratch_size = ref_q8conv_scratch_bytes(&s);
  if (packs_once(p))
    plan->packed_size = ref_q8conv_packed_bytes(&s);
  else
    plan->scratch_size += ref_q8conv_packed_bytes(&s);
  return 0;
}

int ref_conv_integer_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  const ref_q8_zeros zeros = zeros_of(p, ref_has_in(p, 3) ? p->in[3]->data : NULL);
  ref_q8conv_pack(&s, p->in[1], p->in[1]->data, &zeros, packed);
  return 0;
}

typedef struct store_arg {
  int32_t *y;
  int64_t channels;
} store_arg;

static void store(void *arg, int64_t pixel, int64_t channel, int32_t *acc, int64_t n) {
  const store_arg *a = arg;
  memcpy(a->y + pixel * a->channels + channel, acc, sizeof *acc * (size_t)n);
}

int ref_conv_integer_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  ref_q8conv s;
  ref_q8conv_init(&s, p);
  const int16_t *w = call->packed;
  char *scratch = call->scratch;
  if (!packs_once(p)) {
    const ref_q8_zeros zeros = zeros_of(p, ref_has_in(p, 3) ? call->in[3] : NULL);
    int16_t *packed = (void *)scratch;
    ref_q8conv_pack(&s, p->in[1], call->in[1], &zeros, packed);
    scratch += ref_q8conv_packed_bytes(&s);
    w = packed;
  }
  const int32_t x_zero = ref_has_in(p, 2) ? ref_code8(call->in[2], p->in[2]->dtype, 0) : 0;
  store_arg arg = {call->out[0], s.g.out_channels};
  const int64_t step = ref_q8conv_tile_pixels(&s, !packs_once(p));
  ref_q8conv_run(&s, ref_loops_of(self), call->in[0], p->in[0]->dtype, x_zero, w, scratch, tile_begin * step,
                 ref_min64(tile_end * step, s.g.pixels), store, &arg);
  return 0;
}
