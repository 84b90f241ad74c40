/* Packed weights and what finishes the sums of each channel (depthwise.h). */
#include <float.h>
#include <string.h>

#include "depthwise/depthwise.h"

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

/* The weights of one channel, to the four bytes (or, of each piece, two int16) of sum `lane` of vectors. */
static void pack_channel(const fb_dw *s, const weights *w, int64_t lane, uint8_t *to) {
  const int64_t vector = s->form.bytes;
  for (int64_t row = 0; row < s->rows; ++row)
    for (int64_t chunk = 0; chunk < s->chunks; ++chunk)
      for (int64_t step = 0; step < s->steps; ++step, to += s->column_bytes)
        for (int64_t i = 0; i < 4; ++i) {
          const int64_t tap = fb_dw_tap(s, row, 4 * chunk + i, step);
          const int16_t value = tap < 0 ? 0 : (int16_t)weight(w, tap);
          if (s->form.quads)
            to[4 * lane + i % 2 * 2 + i / 2] = (uint8_t)value;
          else
            memcpy(to + i / 2 * FB_DW_VECTORS * vector + 4 * lane + i % 2 * 2, &value, sizeof value);
        }
}

/*
 * The same as two digits of pairs: vectors [pair][half of the channels][digit], the digit's two weights at int16 `lane`.
 * The last row's first tap is half of the pair before its others, the half that windows with this stride read there.
 */
static void pack_digits(const fb_dw *s, const weights *w, int64_t lane, uint8_t *to) {
  const int first = s->stride == 1 ? 6 : -1, second = s->stride == 1 ? -1 : 6;
  const int taps[5][2] = {
      {0, 3}, {1, 4}, {2, 5}, {first, second}, {7, 8}
  };
  for (int64_t pair = 0; pair < 5; ++pair, to += 4 * s->form.bytes)
    for (int64_t i = 0; i < 2; ++i) {
      const int32_t value = taps[pair][i] < 0 ? 0 : weight(w, taps[pair][i]);
      const int32_t high = (value + (value < 0 ? -1 : 1) * (FB_DW_DIGIT / 2)) / FB_DW_DIGIT;
      to[2 * lane + i] = (uint8_t)(value - high * FB_DW_DIGIT);
      to[s->form.bytes + 2 * lane + i] = (uint8_t)high;
    }
}

static void pack_group(const fb_dw *s, const qe_problem *p, const void *data, const void *bias, int64_t number,
                       int32_t *wild, uint8_t *to) {
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const bool real = y->dtype == QE_DT_F32;
  const int64_t vector = s->form.bytes;
  const uint32_t x_zero = (uint32_t)(x->zero_points[0] + (x->dtype == QE_DT_I8 ? 0x80 : 0) - s->form.less);
  const fb_dw_group group = fb_dw_group_at(s, number);
  weights one = {.kernel = s->g.kernel, .is_signed = w->dtype == QE_DT_I8};
  for (int d = 0; d < 3; ++d) one.step[d] = d + w->rank >= 5 ? w->strides[d + w->rank - 3] : 0;
  for (int64_t c = 0; c < group.channels; ++c) {
    const int64_t channel = group.channel + c, q = w->q_count > 1 ? channel : 0;
    one.codes = (const uint8_t *)data + channel * w->strides[0];
    one.zero = w->zero_points[q];
    uint32_t sum = 0;
    for (int64_t tap = 0; tap < s->g.taps; ++tap) sum += (uint32_t)weight(&one, tap);
    uint32_t base = 0 - x_zero * sum;
    if (bias && !real) base += ((const uint32_t *)bias)[channel];
    const float real_bias = bias && real ? ((const float *)bias)[channel] : -0.0f;
    const float product = x->scales[0] * w->scales[q];
    float m = real ? product : product / y->scales[0];
    if (!real && m > FLT_MAX) m = FLT_MAX; /* whatever is not 0 saturates, and 0 stays 0 */
    if (m >= 1.0f) *wild = 1;
    for (int64_t part = 0; part < group.parts; ++part) {
      const int64_t lane = 4 * (part * group.width / 16 + c / 16) + c % 4; /* of vector j */
      uint8_t *at = to + c % 16 / 4 * vector + 4 * lane;
      memcpy(at + FB_DW_M * vector, &m, sizeof m);
      memcpy(at + FB_DW_BIAS * vector, &real_bias, sizeof real_bias);
      memcpy(at + FB_DW_BASE * vector, &base, sizeof base);
      if (s->direct && !s->form.quads)
        pack_digits(s, &one, 8 * (part * group.width / 16 + c / 16) + c % 8,
                    to + (FB_DW_WEIGHTS + c % 16 / 8 * 2) * vector);
      else
        pack_channel(s, &one, lane, to + (FB_DW_WEIGHTS + c % 16 / 4) * vector);
    }
  }
}

void fb_dw_pack(const fb_dw *s, const qe_problem *p, const void *w, const void *bias, void *packed) {
  int32_t wild = 0;
  memset(packed, 0, (size_t)fb_dw_packed_bytes(s));
  for (int64_t group = 0; group < s->groups; ++group)
    pack_group(s, p, w, bias, group, &wild, (uint8_t *)packed + 64 + group * s->group_bytes);
  memcpy(packed, &wild, sizeof wild);
}

int fb_dw_prepack(const qe_problem *p, void *packed, fb_dw_form form) {
  fb_dw s;
  fb_dw_init(&s, p, form);
  fb_dw_pack(&s, p, p->in[1]->data, fb_has_in(p, 2) ? p->in[2]->data : NULL, packed);
  return 0;
}
