/* What Embedding and EmbeddingBag share: rows of a table of float32 or of codes with a scale and offset of every row. */
#ifndef QE_CPU_WEIGHT_ONLY_ROWS_H
#define QE_CPU_WEIGHT_ONLY_ROWS_H

#include "fb.h"

typedef struct fb_rows {
  const uint8_t *data;
  const void *indices;
  const float *scale, *offset; /* of row r at [r * step]; offset NULL: none */
  int64_t rows, size, step;
  uint8_t dtype;
  bool wide; /* indices are int64 */
} fb_rows;

/*
 * Constant scales and offsets are packed side by side, so that a row takes one line of memory less. Bytes of that, 0 when
 * there is nothing to pack.
 */
uint64_t fb_rows_packed(const qe_problem *p, uint32_t scale_at);
void fb_rows_pack(const qe_problem *p, uint32_t scale_at, float *to);
/* supports() of the table, its parameters (inputs scale_at and the next one) and the indices (input 1). */
int fb_rows_check(const qe_problem *p, uint32_t scale_at, bool plain, char *reason, size_t reason_size);
fb_rows fb_rows_of(const qe_call *call, uint32_t scale_at);

/* The row that index i names, or -1: out of range. */
static inline int64_t fb_rows_index(const fb_rows *r, int64_t i) {
  const int64_t at = r->wide ? ((const int64_t *)r->indices)[i] : ((const int32_t *)r->indices)[i];
  return at < -r->rows || at >= r->rows ? -1 : at < 0 ? at + r->rows : at;
}

static inline int64_t fb_rows_bits(const fb_rows *r) {
  return r->dtype == QE_DT_F32 ? 32 : r->dtype == QE_DT_U4 || r->dtype == QE_DT_I4 ? 4 : 8;
}

/* Fetches what index i will want: lines are far apart, and no processor guesses the next row. */
static inline void fb_rows_fetch(const fb_rows *r, int64_t i) {
  const int64_t row = fb_rows_index(r, i), bits = fb_rows_bits(r);
  if (row < 0) return;
  const uint8_t *from = r->data + row * r->size * bits / 8;
  const int64_t bytes = fb_min64(1024, r->size * bits / 8);
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 3);
  __builtin_prefetch(from + bytes - 1, 0, 3);
  if (r->scale) __builtin_prefetch(r->scale + row * r->step, 0, 3);
  if (r->offset && r->step == 1) __builtin_prefetch(r->offset + row, 0, 3);
}
enum { FB_ROWS_AHEAD = 8 };

/* Element d of a row, for the odd ones. */
static inline float fb_rows_value(const fb_rows *r, int64_t row, int64_t d) {
  const int64_t at = row * r->size + d;
  int32_t q;
  switch (r->dtype) {
  case QE_DT_F32: return ((const float *)(const void *)r->data)[at];
  case QE_DT_U8: q = r->data[at]; break;
  case QE_DT_I8: q = (int8_t)r->data[at]; break;
  default:
    q = r->data[at / 2] >> (at % 2 ? 4 : 0) & 15;
    if (r->dtype == QE_DT_I4) q = (q ^ 8) - 8;
  }
  const float v = (float)q * r->scale[row * r->step];
  return r->offset ? v + r->offset[row * r->step] : v;
}

#endif
