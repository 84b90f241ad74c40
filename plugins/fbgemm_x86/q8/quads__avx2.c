/*
 * Packs weights in quads of codes (quads.h), eight columns at a time. Weights that are no constants are packed in every
 * run, so the two ways in which they lie, k or columns side by side, have quick paths.
 */
#include "q8/quads.h"
#include "q8/turn.h"

#include <immintrin.h>
#include <string.h>

typedef struct packing {
  const fb_q8_weight *w;
  int64_t n, columns; /* first of the eight columns, and how many of them exist, perhaps none */
  int8_t *to;         /* quad 0 of column n */
  int64_t step;       /* bytes from one quad to the next one's */
  __m256i sums;
} packing;

static inline void store(packing *p, int64_t quad, __m256i codes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
  p->sums = _mm256_add_epi32(p->sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  _mm256_storeu_si256((void *)(p->to + quad * p->step), codes);
}

static inline __m128i load_columns(const uint8_t *from, int64_t n) {
  uint64_t eight = 0;
  if (n == 8)
    memcpy(&eight, from, 8);
  else
    memcpy(&eight, from, (size_t)n);
  return _mm_cvtsi64_si128((long long)eight);
}

/* Columns side by side: four rows of them make a quad. */
static void pack_rows(packing *p) {
  const fb_q8_weight *w = p->w;
  const uint8_t *from = w->data + p->n;
  const int64_t depth = fb_q8_depth(w);
  const __m128i flip = _mm_cvtsi64_si128((long long)(UINT64_C(0x0101010101010101) * w->flip >> 8 * (8 - p->columns)));
  for (int64_t k = 0; k < depth; k += 4) {
    __m128i row[4];
    for (int i = 0; i < 4; ++i)
      row[i] = k + i < depth ? _mm_xor_si128(load_columns(from + (k + i) * w->step_c, p->columns), flip)
                             : _mm_setzero_si128();
    const __m128i a = _mm_unpacklo_epi8(row[0], row[1]), b = _mm_unpacklo_epi8(row[2], row[3]);
    store(p, k / 4, _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b)));
  }
}

/* k side by side */
static void pack_columns(packing *p) {
  const fb_q8_weight *w = p->w;
  const int64_t depth = fb_q8_depth(w);
  const __m256i flip = _mm256_set1_epi8((char)w->flip);
  for (int64_t k = 0; k < depth; k += 32) {
    const int64_t bytes = fb_min64(32, depth - k);
    __m256i v[8];
    for (int i = 0; i < 8; ++i) {
      uint8_t codes[32];
      const uint8_t *from = w->data + (p->n + (i < p->columns ? i : 0)) * w->step_n + k;
      if (bytes < 32) {
        memset(codes, w->flip, sizeof codes);
        memcpy(codes, from, (size_t)bytes);
        from = codes;
      }
      v[i] = i < p->columns ? _mm256_xor_si256(_mm256_loadu_si256((const void *)from), flip) : _mm256_setzero_si256();
    }
    fb_turn8(v);
    for (int64_t i = 0; 4 * i < bytes; ++i) store(p, k / 4 + i, v[i]);
  }
}

static void pack_any(packing *p) {
  const fb_q8_weight *w = p->w;
  const int64_t depth = fb_q8_depth(w);
  int64_t tap = 0, c = 0;
  for (int64_t k = 0; k < depth; k += 4) {
    int8_t codes[8][4] = {{0}};
    for (int i = 0; i < 4 && k + i < depth; ++i) {
      for (int n = 0; n < p->columns; ++n) codes[n][i] = fb_q8_weight_at(w, p->n + n, tap, c);
      if (++c == w->kc) ++tap, c = 0;
    }
    store(p, k / 4, _mm256_loadu_si256((const void *)codes));
  }
}

void fb_q8_pack_quads(const fb_q8_weight *w, int64_t lanes, int64_t depth_step, void *packed, int32_t *sums) {
  const int64_t depth = fb_q8_depth(w), padded = fb_round_up(depth, depth_step);
  const bool flat = w->taps == 1 || w->step_tap == w->kc * w->step_c;
  for (int64_t first = 0; first < w->n; first += 2 * lanes) {
    const int64_t columns = fb_min64(2 * lanes, fb_round_up(w->n - first, lanes));
    int8_t *to = (int8_t *)packed + first * padded;
    for (int64_t n = 0; n < columns; n += 8) {
      packing p = {.w = w,
                   .n = first + n,
                   .columns = fb_max64(0, fb_min64(8, w->n - first - n)),
                   .to = to + 4 * n,
                   .step = 4 * columns,
                   .sums = _mm256_setzero_si256()};
      if (flat && w->step_n == 1 && p.columns > 0)
        pack_rows(&p);
      else if (flat && w->step_c == 1 && p.columns > 0)
        pack_columns(&p);
      else
        pack_any(&p);
      int32_t eight[8];
      _mm256_storeu_si256((void *)eight, p.sums);
      if (p.columns > 0) memcpy(sums + p.n, eight, sizeof *sums * (size_t)p.columns);
    }
    const int64_t used = fb_round_up(depth, 4);
    memset(to + used * columns, 0, (size_t)((padded - used) * columns));
  }
}
