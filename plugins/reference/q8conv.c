/*
 * The integer convolution (q8conv.h). The window of a pixel is gathered into a row of int16, zero where it lies in
 * the padding (that is real 0, the zero point being taken off); a row times the packed weights gives all channels of
 * a group.
 */
#include "q8conv.h"

#include <string.h>

int ref_q8conv_check(const qe_problem *p, char *reason, size_t reason_size) {
  if (!ref_window_check(p, reason, reason_size))
    return 0;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const int64_t groups = p->params->groups;
  bool fits = groups >= 1 && x->dims[1] % groups == 0 && y->dims[1] % groups == 0 && w->rank == x->rank &&
              w->dims[0] == y->dims[1] && w->dims[1] == x->dims[1] / groups;
  for (uint32_t i = 0; fits && i < p->params->spatial; ++i)
    fits = w->dims[2 + i] == p->params->kernel[i];
  if (!fits)
    return ref_refuse(reason, reason_size,
                      "%s: a weight of rank %d and [%lld,%lld,...] does not fit %lld groups, %lld -> %lld channels",
                      p->op, w->rank, (long long)w->dims[0], (long long)w->dims[1], (long long)groups,
                      (long long)x->dims[1], (long long)y->dims[1]);
  return 1;
}

void ref_q8conv_init(ref_q8conv *s, const qe_problem *p) {
  ref_window_init(&s->g, p);
  s->groups = p->params->groups;
  s->ic = s->g.channels / s->groups;
  s->oc = s->g.out_channels / s->groups;
  s->oc_padded = ref_q8_padded(s->oc);
  s->terms = s->g.taps * s->ic;
  s->row_size = 2 * ref_q8_pairs(s->terms);
  s->depthwise = s->groups > 1 && s->ic == 1 && s->oc == 1;
  s->rows = s->depthwise ? 1 : ref_max64(1, ref_min64(16, (1 << 15) / ref_max64(1, s->terms)));
  s->pointwise = s->groups == 1 && s->g.taps == 1 && s->terms == s->row_size;
  for (int d = 0; d < 3; ++d)
    s->pointwise = s->pointwise && s->g.stride[d] == 1 && s->g.pad[d] == 0 && s->g.in[d] == s->g.out[d];
}

uint64_t ref_q8conv_packed_bytes(const ref_q8conv *s) {
  const int64_t size = s->row_size * (s->depthwise ? 1 : s->oc_padded);
  return sizeof(int16_t) * (uint64_t)s->groups * (uint64_t)size;
}

/* Scratch: sums, then the gathered rows or, depthwise, the places of the taps and the zero points of the padding. */
static uint64_t sums_bytes(const ref_q8conv *s) {
  return ref_q8_multiplier_bytes(s->depthwise ? s->groups : s->rows * REF_Q8_COLS);
}

uint64_t ref_q8conv_scratch_bytes(const ref_q8conv *s) {
  const uint64_t taps = sizeof(uint8_t *) * (uint64_t)s->row_size + (uint64_t)s->groups;
  return sums_bytes(s) + (s->depthwise ? taps : sizeof(int16_t) * (uint64_t)(s->rows * s->row_size));
}

int64_t ref_q8conv_tile_pixels(const ref_q8conv *s, bool packs_in_run) {
  const int64_t per_pixel = ref_max64(1, s->terms * s->g.out_channels);
  const int64_t pixels = ref_max64(s->rows, ref_min64(4096, (INT64_C(1) << 20) / per_pixel));
  return packs_in_run ? ref_max64(1024, pixels) : pixels;
}

void ref_q8conv_pack(const ref_q8conv *s, const qe_operand *w, const void *data, const ref_q8_zeros *zeros,
                     int16_t *packed) {
  const int64_t *kernel = s->g.kernel;
  int64_t step[3] = {0, 0, 0};
  for (uint32_t i = 2; i < w->rank; ++i)
    step[3 + i - w->rank] = w->strides[i];
  memset(packed, 0, ref_q8conv_packed_bytes(s));
  for (int64_t group = 0; group < s->groups; ++group)
    for (int64_t tap = 0; tap < s->g.taps; ++tap) {
      const int64_t a = tap / kernel[2] / kernel[1], b = tap / kernel[2] % kernel[1], c = tap % kernel[2];
      const int64_t from = group * s->oc * w->strides[0] + a * step[0] + b * step[1] + c * step[2];
      int16_t *to = packed + (s->depthwise ? 0 : group * s->row_size * s->oc_padded);
      for (int64_t o = 0; o < s->oc; ++o) {
        const int32_t zero = ref_q8_zero(zeros, group * s->oc + o);
        for (int64_t i = 0; i < s->ic; ++i)
          to[s->depthwise ? ref_q8_place(tap, group, s->groups) : ref_q8_place(tap * s->ic + i, o, s->oc_padded)] =
              (int16_t)(ref_code8(data, w->dtype, from + o * w->strides[0] + i * w->strides[1]) - zero);
      }
    }
}

typedef struct input {
  const ref_loops *loops;
  const uint8_t *x;
  uint8_t dtype;
  int32_t zero;
} input;

/* The window of one pixel, channels [channel, channel + ic), as a row of s->row_size. */
static void gather(const ref_q8conv *s, const input *in, const ref_pixel *at, int64_t channel, int16_t *row) {
  const ref_window *g = &s->g;
  int64_t begin[3], end[3], first[3];
  bool whole = true;
  for (int d = 0; d < 3; ++d) {
    ref_window_range(g, d, at->at[d], &begin[d], &end[d]);
    first[d] = at->at[d] * g->stride[d] - g->pad[d];
    whole = whole && begin[d] == 0 && end[d] == g->kernel[d];
  }
  if (!whole)
    memset(row, 0, sizeof *row * (size_t)s->row_size);
  else if (s->terms < s->row_size)
    row[s->terms] = 0;
  /* Neighbouring taps of a kernel row lie side by side when nothing is between them. */
  const bool joined = g->dilation[2] == 1 && g->x_step[2] == s->ic;
  for (int64_t i = begin[0]; i < end[0]; ++i)
    for (int64_t j = begin[1]; j < end[1]; ++j) {
      const int64_t from = at->n * g->x_batch + channel + (first[0] + i * g->dilation[0]) * g->x_step[0] +
                           (first[1] + j * g->dilation[1]) * g->x_step[1] + first[2] * g->x_step[2];
      int16_t *to = row + (i * g->kernel[1] + j) * g->kernel[2] * s->ic;
      for (int64_t k = begin[2]; k < end[2]; ++k) {
        const int64_t taps = joined ? end[2] - k : 1;
        ref_q8_widen(in->loops, to + k * s->ic, in->x + from + k * g->dilation[2] * g->x_step[2], in->dtype, 1,
                     in->zero, taps * s->ic);
        k += taps - 1;
      }
    }
}

/* Where the taps of a pixel's window begin; `padding` for those outside x. */
static void find_taps(const ref_q8conv *s, const input *in, const ref_pixel *at, const uint8_t *padding,
                      const uint8_t **taps) {
  const ref_window *g = &s->g;
  const uint8_t *x = in->x + at->n * g->x_batch;
  for (int64_t i = 0; i < g->kernel[0]; ++i) {
    const int64_t a = at->at[0] * g->stride[0] - g->pad[0] + i * g->dilation[0];
    for (int64_t j = 0; j < g->kernel[1]; ++j) {
      const int64_t b = at->at[1] * g->stride[1] - g->pad[1] + j * g->dilation[1];
      const bool inside = a >= 0 && a < g->in[0] && b >= 0 && b < g->in[1];
      const uint8_t *row = x + (inside ? a * g->x_step[0] + b * g->x_step[1] : 0);
      int64_t c = at->at[2] * g->stride[2] - g->pad[2];
      for (int64_t k = 0; k < g->kernel[2]; ++k, c += g->dilation[2])
        *taps++ = inside && c >= 0 && c < g->in[2] ? row + c * g->x_step[2] : padding;
    }
  }
}

static void depthwise(const ref_q8conv *s, const input *in, const int16_t *w, void *scratch, int64_t begin, int64_t end,
                      ref_q8conv_store store, void *arg) {
  int32_t *acc = scratch;
  const uint8_t **taps = (const uint8_t **)(void *)((char *)scratch + sums_bytes(s));
  uint8_t *padding = (uint8_t *)(taps + s->row_size);
  const uint8_t flip = ref_q8_flip(in->dtype);
  memset(padding, (uint8_t)in->zero, (size_t)s->groups);
  taps[s->row_size - 1] = padding; /* behind an odd number of taps; its weights are 0 */
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const ref_pixel at = ref_window_pixel(&s->g, pixel);
    find_taps(s, in, &at, padding, taps);
    in->loops->depthwise_u8(acc, taps, flip, in->zero + flip, w, s->row_size / 2, s->groups);
    store(arg, pixel, 0, acc, s->groups);
  }
}

void ref_q8conv_run(const ref_q8conv *s, const ref_loops *loops, const void *x, uint8_t x_dtype, int32_t x_zero,
                    const int16_t *w, void *scratch, int64_t begin, int64_t end, ref_q8conv_store store, void *arg) {
  const input in = {loops, x, x_dtype, x_zero};
  if (s->depthwise) {
    depthwise(s, &in, w, scratch, begin, end, store, arg);
    return;
  }
  int32_t *acc = scratch;
  int16_t *rows = (int16_t *)(void *)((char *)scratch + sums_bytes(s));
  for (int64_t pixel = begin; pixel < end; pixel += s->rows) {
    const int64_t count = ref_min64(s->rows, end - pixel);
    for (int64_t group = 0; group < s->groups; ++group) {
      if (s->pointwise)
        ref_q8_widen(loops, rows, in.x + pixel * s->ic, in.dtype, 1, in.zero, count * s->ic);
      for (int64_t r = 0; !s->pointwise && r < count; ++r) {
        const ref_pixel at = ref_window_pixel(&s->g, pixel + r);
        gather(s, &in, &at, group * s->ic, rows + r * s->row_size);
      }
      const int16_t *weights = w + group * s->row_size * s->oc_padded;
      for (int64_t c = 0; c < s->oc; c += REF_Q8_COLS) {
        const int64_t n = ref_min64(REF_Q8_COLS, s->oc_padded - c);
        memset(acc, 0, sizeof *acc * (size_t)(count * REF_Q8_COLS));
        loops->panel_i16(acc, REF_Q8_COLS, count, n, rows, s->row_size, weights + 2 * c, s->oc_padded, s->row_size / 2);
        for (int64_t r = 0; r < count; ++r)
          store(arg, pixel + r, group * s->oc + c, acc + r * REF_Q8_COLS, ref_min64(n, s->oc - c));
      }
    }
  }
}
