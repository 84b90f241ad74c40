/* Chunked fused multiply-add reductions (accum.h). */
#include "accum.h"

#include <string.h>

void ref_accum_start(ref_accum *a, const ref_loops *loops, float *scratch, int64_t n) {
  a->loops = loops;
  a->total = scratch;
  a->part = scratch + n;
  a->n = n;
  a->chunk = 0;
  memset(a->part, 0, sizeof(float) * (size_t)n);
}

/* Adds part to total (the first chunk becomes the total) and starts the next chunk. */
static void next_chunk(ref_accum *a) {
  if (a->chunk == 0)
    memcpy(a->total, a->part, sizeof(float) * (size_t)a->n);
  else
    a->loops->add_f32(a->total, a->part, a->n);
  memset(a->part, 0, sizeof(float) * (size_t)a->n);
  ++a->chunk;
}

void ref_accum_seek(ref_accum *a, int64_t at) {
  while (a->chunk < at / REF_CHUNK)
    next_chunk(a);
}

void ref_accum_panel(ref_accum *a, int64_t at, const float *x, int64_t x_step, const float *w, int64_t w_step,
                     int64_t k) {
  while (k > 0) {
    ref_accum_seek(a, at);
    const int64_t count = ref_min64(k, REF_CHUNK - at % REF_CHUNK);
    a->loops->panel_f32(a->part, a->n, x, x_step, w, w_step, count);
    x += count * x_step;
    w += count * w_step;
    at += count;
    k -= count;
  }
}

void ref_accum_products(ref_accum *a, int64_t at, const float *x, const float *w) {
  ref_accum_seek(a, at);
  a->loops->fma_f32(a->part, x, w, a->n);
}

const float *ref_accum_finish(ref_accum *a, int64_t length) {
  const int64_t last = length > 0 ? (length - 1) / REF_CHUNK : 0;
  ref_accum_seek(a, last * REF_CHUNK);
  if (last == 0)
    return a->part;
  a->loops->add_f32(a->total, a->part, a->n);
  return a->total;
}
