/* Observer states as bytes, and the range rule that the kinds share. */
#include <string.h>

#include "observe/kinds.h"

void qe__bytes_u64(qe__bytes *b, uint64_t v) {
  for (size_t i = 0; b->data && i < 8; i++) b->data[b->size + i] = (unsigned char)(v >> (8 * i));
  b->size += 8;
}

void qe__bytes_f32(qe__bytes *b, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  for (size_t i = 0; b->data && i < 4; i++) b->data[b->size + i] = (unsigned char)(bits >> (8 * i));
  b->size += 4;
}

void qe__bytes_f64(qe__bytes *b, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  qe__bytes_u64(b, bits);
}

static uint64_t read_le(qe__source *s, size_t bytes) {
  uint64_t v = 0;
  if (s->left < bytes) {
    s->failed = true;
    return 0;
  }
  for (size_t i = 0; i < bytes; i++) v |= (uint64_t)s->data[i] << (8 * i);
  s->data += bytes;
  s->left -= bytes;
  return v;
}

uint64_t qe__source_u64(qe__source *s) {
  return read_le(s, 8);
}

float qe__source_f32(qe__source *s) {
  const uint32_t bits = (uint32_t)read_le(s, 4);
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

double qe__source_f64(qe__source *s) {
  const uint64_t bits = read_le(s, 8);
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

int qe__observer_choose(const qe_observer_args *args, float min, float max, float *scale, int32_t *zero_point) {
  return qe_choose_qparams(min, max, (qe_dtype_t)args->dtype, args->quant_min, args->quant_max, args->symmetric,
                           args->eps, scale, zero_point) == QE_OK
             ? 0
             : -1;
}
