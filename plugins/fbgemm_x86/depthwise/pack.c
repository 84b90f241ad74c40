/* Packed weights and what finishes the sums of each channel (depthwise.h). */
#include <float.h>
#include <string.h>

#include "depthwise.h"

fb_dw_packed fb_dw_packed_at(const fb_dw *s, void *memory) {
  const int64_t channels = s->vectors * s->form.lanes, array = fb_round_up(4 * channels, 64);
  char *at = memory;
  fb_dw_packed packed = {.bytes = 64 + 3 * array + s->vectors * s->weight_bytes};
  if (!memory) return packed;
  packed.wild = (int32_t *)(void *)at;
  packed.m = (float *)(void *)(at + 64);
  packed.bias = (float *)(void *)(at + 64 + array);
  packed.base = (int32_t *)(void *)(at + 64 + 2 * array);
  packed.weights = (uint8_t *)(at + 64 + 3 * array);
  return packed;
}

/* The weights of one channel less their zero point, one after the other. */
typedef struct weights {
  const uint8_t *codes;
  int64_t step[3];
  const int64_t *kernel;
  int32_t zero;
  bool is_signed;
} weights;

static int32_t weight(const weights *w, int64_t tap) {
  const int64_t *k = w->kernel;
  const uint8_t code =
      w->codes[tap / k[2] / k[1] * w->step[0] + tap / k[2] % k[1] * w->step[1] + tap % k[2] * w->step[2]];
  return (w->is_signed ? (int8_t)code : code) - w->zero;
}

/* The weights of one channel, to lane `lane` of the vectors at `to`. */
static void pack_channel(const fb_dw *s, const weights *w, int64_t lane, uint8_t *to) {
  for (int64_t row = 0; row < s->rows; ++row)
    for (int64_t chunk = 0; chunk < s->chunks; ++chunk)
      for (int64_t step = 0; step < s->steps; ++step, to += s->vector_bytes * (s->form.quads ? 1 : 2))
        for (int64_t i = 0; i < 4; ++i) {
          const int64_t tap = fb_dw_tap(s, row, 4 * chunk + i, step);
          const int16_t value = tap < 0 ? 0 : (int16_t)weight(w, tap);
          if (s->form.quads)
            to[4 * lane + i] = (uint8_t)value;
          else
            memcpy(to + i % 2 * s->vector_bytes + 4 * lane + i / 2 * 2, &value, sizeof value);
        }
}

void fb_dw_pack(const fb_dw *s, const qe_problem *p, const void *data, const void *bias, void *memory) {
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const bool real = y->dtype == QE_DT_F32;
  const uint32_t x_zero = (uint32_t)(x->zero_points[0] + (x->dtype == QE_DT_I8 ? 0x80 : 0));
  const fb_dw_packed packed = fb_dw_packed_at(s, memory);
  memset(memory, 0, (size_t)packed.bytes);
  weights one = {.kernel = s->g.kernel, .is_signed = w->dtype == QE_DT_I8};
  for (int d = 0; d < 3; ++d) one.step[d] = d + w->rank >= 5 ? w->strides[d + w->rank - 3] : 0;
  for (int64_t c = 0; c < s->g.channels; ++c) {
    const int64_t q = w->q_count > 1 ? c : 0;
    one.codes = (const uint8_t *)data + c * w->strides[0];
    one.zero = w->zero_points[q];
    pack_channel(s, &one, c % s->form.lanes, packed.weights + c / s->form.lanes * s->weight_bytes);
    uint32_t sum = 0;
    for (int64_t tap = 0; tap < s->g.taps; ++tap) sum += (uint32_t)weight(&one, tap);
    uint32_t base = 0 - x_zero * sum;
    if (bias && !real) base += ((const uint32_t *)bias)[c];
    memcpy(&packed.base[c], &base, sizeof base);
    packed.bias[c] = bias && real ? ((const float *)bias)[c] : -0.0f;
    const float product = x->scales[0] * w->scales[q];
    float m = real ? product : product / y->scales[0];
    if (!real && m > FLT_MAX) m = FLT_MAX; /* whatever is not 0 saturates, and 0 stays 0 */
    packed.m[c] = m;
    if (m >= 1.0f) *packed.wild = 1;
  }
}

int fb_dw_prepack(const qe_problem *p, void *packed, fb_dw_form form) {
  fb_dw s;
  fb_dw_init(&s, p, form);
  fb_dw_pack(&s, p, p->in[1]->data, fb_has_in(p, 2) ? p->in[2]->data : NULL, packed);
  return 0;
}
