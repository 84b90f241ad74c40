/* acme_pow2: scales that are powers of two, for machines that shift instead of multiplying. */
#include <string.h>

#include "gemm.h"

typedef struct pow2_state {
  qe_observer_args args;
  float min, max;
  uint64_t batches;
} pow2_state;

static int pow2_init(void *self, void *state, const qe_observer_args *args) {
  const acme *e = self;
  pow2_state *s = state;
  if (args->per_channel || (int64_t)args->quant_max - args->quant_min > 65535) {
    e->host->error(e->host->ctx, "acme_pow2 gives one scale per tensor, for codes of up to 16 bits");
    return 1;
  }
  s->args = *args;
  return 0;
}

/* Batches are finite: the host checks before it calls. */
static int pow2_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  pow2_state *s = state;
  int64_t count = 1;
  (void)self;
  for (uint32_t i = 0; i < rank; i++) count *= dims[i];
  for (int64_t i = 0; i < count; i++) { /* min and max begin at 0: real 0 always has a code */
    s->min = x[i] < s->min ? x[i] : s->min;
    s->max = x[i] > s->max ? x[i] : s->max;
  }
  s->batches++;
  return 0;
}

static int pow2_merge(void *self, void *state, const void *other) {
  pow2_state *s = state;
  const pow2_state *o = other;
  (void)self;
  s->min = o->min < s->min ? o->min : s->min;
  s->max = o->max > s->max ? o->max : s->max;
  s->batches += o->batches;
  return 0;
}

/* The power of two that is not below v: the next exponent where the mantissa is not 0. */
static float pow2_above(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (bits & 0x007fffffu) bits = (bits & 0x7f800000u) + 0x00800000u;
  if (bits > 0x7f000000u) bits = 0x7f000000u; /* 2^127, the largest there is */
  memcpy(&v, &bits, sizeof v);
  return v;
}

static int pow2_qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zeros,
                        uint32_t *count) {
  const pow2_state *s = state;
  const qe_observer_args *a = &s->args;
  const float span = (float)a->quant_max - (float)a->quant_min, magic = 12582912.0f;
  (void)self;
  *count = s->batches ? 1 : 0; /* nothing was seen: no parameters */
  if (*count == 0 || capacity == 0) return 0;
  const float reach = s->max > -s->min ? s->max : -s->min;
  float scale = a->symmetric ? reach / (span / 2) : s->max / span - s->min / span;
  scale = pow2_above(scale > a->eps ? scale : a->eps);
  const int32_t middle = a->dtype == QE_DT_U8 || a->dtype == QE_DT_U16 ? (a->quant_min + a->quant_max + 1) / 2 : 0;
  const int32_t zero = a->quant_min - (int32_t)((s->min / scale + magic) - magic);
  scales[0] = scale;
  zeros[0] = a->symmetric ? middle : zero > a->quant_max ? a->quant_max : zero;
  return 0;
}

static int pow2_save(void *self, const void *state, void *buffer, size_t *size) {
  const pow2_state *s = state;
  (void)self;
  *size = 16;
  if (!buffer) return 0;
  memcpy(buffer, &s->min, 4);
  memcpy((char *)buffer + 4, &s->max, 4);
  memcpy((char *)buffer + 8, &s->batches, 8);
  return 0;
}

static int pow2_load(void *self, void *state, const void *buffer, size_t size) {
  pow2_state *s = state;
  (void)self;
  if (size != 16) return 1;
  memcpy(&s->min, buffer, 4);
  memcpy(&s->max, (const char *)buffer + 4, 4);
  memcpy(&s->batches, (const char *)buffer + 8, 8);
  return 0;
}

const qe_observer acme_observer_pow2 = {.struct_size = sizeof(qe_observer),
                                        .name = "acme_pow2",
                                        .state_size = sizeof(pow2_state),
                                        .init = pow2_init,
                                        .observe = pow2_observe,
                                        .merge = pow2_merge,
                                        .qparams = pow2_qparams,
                                        .save = pow2_save,
                                        .load = pow2_load};
