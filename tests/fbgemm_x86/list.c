/*
 * The core for constant weights (q8/list.h): no sum of its lists can leave int16 and none is lost, and what the core
 * computes is exact on the codes and weights that break saturating kernels.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "q8/list.h"

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* Weights that are hard in one way each. */
typedef enum pattern { LOWEST, HIGHEST, ALTERNATE, PAIRS, EDGE, SPARSE, ZERO, SMALL, ANY, PATTERNS } pattern;

static int8_t weight_of(pattern p, int64_t n, int64_t k, uint32_t *state) {
  static const int8_t edge[] = {127,  1,  126, 2,   64,  64,  65,   64,   -128, 0,
                                -127, -1, -64, -65, 127, 127, -128, -128, 127,  -128};
  const uint32_t r = next_random(state) >> 8;
  switch (p) {
    case LOWEST: return -128;
    case HIGHEST: return 127;
    case ALTERNATE: return k % 2 ? -128 : 127;
    case PAIRS: return (k / 2 + n) % 2 ? -128 : 127;
    case EDGE: return edge[r % sizeof edge];
    case SPARSE: return r % 16 ? 0 : (int8_t)(r >> 8);
    case ZERO: return 0;
    case SMALL: return (int8_t)(r % 31 - 15);
    default: return (int8_t)r;
  }
}

typedef struct fixture {
  fb_q8_weight w;
  int8_t *weights; /* [n][k] */
  void *packed;
  uint64_t size;
  int32_t *sums;
} fixture;

static fixture make_weight(const fb_q8_core *core, pattern p, int64_t n, int64_t taps, int64_t kc, uint8_t flip,
                           uint32_t seed) {
  const int64_t depth = taps * kc;
  fixture f = {.weights = malloc((size_t)(n * depth + 1))};
  f.w = (fb_q8_weight){.data = (const uint8_t *)f.weights,
                       .flip = flip,
                       .n = n,
                       .taps = taps,
                       .kc = kc,
                       .step_n = depth,
                       .step_tap = kc,
                       .step_c = 1};
  for (int64_t j = 0; j < n; j++)
    for (int64_t k = 0; k < depth; k++) f.weights[j * depth + k] = (int8_t)(weight_of(p, j, k, &seed) ^ flip);
  f.size = core->packed_size(&f.w);
  f.packed = aligned_alloc(64, (size_t)fb_round_up((int64_t)f.size + 64, 64));
  memset(f.packed, 0xa5, (size_t)f.size + 64);
  f.sums = malloc((size_t)n * sizeof *f.sums + 1);
  core->pack(&f.w, f.packed, f.sums);
  return f;
}

static void free_weight(fixture *f) {
  free(f->weights);
  free(f->packed);
  free(f->sums);
}

static int32_t weight_at(const fixture *f, int64_t n, int64_t k) {
  return fb_q8_weight_at(&f->w, n, k / f->w.kc, k % f->w.kc);
}

/* Reads a list: adds its weights to `found` by k, checks that the int16 lanes of its groups hold; returns its end. */
static const uint8_t *check_list(const uint8_t *list, int64_t quads, int32_t *found) {
  fb_list_head head;
  memcpy(&head, list, sizeof head);
  const uint8_t *start = list;
  list += sizeof head;
  for (int size = FB_LIST_GROUP; size > 0; size--)
    for (; list < start + head.end[FB_LIST_GROUP - size]; list += FB_LIST_ITEM * size) {
      int32_t positive[2] = {0}, negative[2] = {0};
      for (int j = 0; j < size; j++) {
        uint16_t number;
        int8_t w[4];
        memcpy(&number, list + 2 * j, 2);
        memcpy(w, list + 2 * size + 4 * j, 4);
        cr_assert(number % FB_LIST_UNIT == 0 && number / FB_LIST_UNIT < quads, "number %d of %ld quads", number,
                  (long)quads);
        for (int k = 0; k < 4; k++) {
          found[number / FB_LIST_UNIT * 4 + k] += w[k];
          if (w[k] > 0)
            positive[k / 2] += w[k];
          else
            negative[k / 2] += w[k];
        }
        for (int lane = 0; lane < 2; lane++)
          cr_assert(255 * positive[lane] <= INT16_MAX && 255 * negative[lane] >= INT16_MIN,
                    "a group of %d adds up to %d and %d", size, positive[lane], negative[lane]);
      }
    }
  return list;
}

static void check_lists(const fb_q8_core *core, int64_t most, pattern p, int64_t n, int64_t taps, int64_t kc,
                        uint8_t flip) {
  fixture f = make_weight(core, p, n, taps, kc, flip, 77);
  const int64_t depth = taps * kc, chunks = fb_list_chunks(depth, most);
  const int64_t step = 4 * fb_list_chunk(depth, most);
  const uint64_t *starts = f.packed;
  const uint8_t *end = (const uint8_t *)f.packed + chunks * n * (int64_t)sizeof *starts;
  int64_t all = 0;
  for (int64_t j = 0; j < n; j++) {
    int32_t sum = 0;
    for (int64_t k = 0; k < depth; k++) sum += weight_at(&f, j, k);
    cr_assert_eq(sum, f.sums[j], "pattern %d: column %ld adds up to %d, not to %d", p, (long)j, f.sums[j], sum);
  }
  for (int64_t c = 0; c < chunks; c++)
    for (int64_t j = 0; j < n; j++) {
      const int64_t k0 = c * step, k1 = fb_min64(k0 + step, depth);
      int32_t found[4 * FB_LIST_QUADS] = {0};
      cr_assert_eq((const uint8_t *)f.packed + starts[c * n + j], end);
      end = check_list(end, fb_list_quads(k1 - k0), found);
      for (int64_t k = k0; k < k1; k++, all++)
        cr_assert_eq(found[k - k0], weight_at(&f, j, k), "pattern %d: weight %ld of column %ld is %d, not %d", p,
                     (long)k, (long)j, found[k - k0], weight_at(&f, j, k));
      for (int64_t k = k1 - k0; k < 4 * FB_LIST_QUADS; k++) cr_assert_eq(found[k], 0);
    }
  cr_assert_eq(all, n * depth);
  cr_assert_eq(end - (const uint8_t *)f.packed, (ptrdiff_t)f.size, "packed_size says %ld", (long)f.size);
  free_weight(&f);
}

static void check_lists_all(const fb_q8_core *core, int64_t most) {
  static const int64_t depths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 147, 511, 512, 513, 576, 1030, 2304};
  for (int p = 0; p < PATTERNS; p++)
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
      check_lists(core, most, (pattern)p, 3, 1, depths[i], i % 3 == 0 ? 0x80 : 0);
      if (depths[i] % 9 == 0) check_lists(core, most, (pattern)p, 35, 9, depths[i] / 9, 0);
    }
}

Test(list, lists_are_safe_and_complete_on_avx2) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) cr_skip_test("this processor has no AVX2");
  check_lists_all(&fb_q8_list__avx2, FB_LIST_QUADS);
}

Test(list, lists_are_safe_and_complete_on_avx512) {
  if (!__builtin_cpu_supports("avx512bw")) cr_skip_test("this processor has no AVX-512 BW");
  check_lists_all(&fb_q8_list__avx512bw, FB_LIST_WIDE_QUADS);
}

/* Codes 0, 255, or any. */
typedef enum code_pattern { ALL_255, ALL_0, STRIPES, RANDOM_CODES, CODE_PATTERNS } code_pattern;

static uint8_t code_of(code_pattern p, int64_t k, uint32_t *state) {
  const uint8_t r = (uint8_t)(next_random(state) >> 9);
  return p == ALL_255 ? 255 : p == ALL_0 ? 0 : p == STRIPES ? (uint8_t)(k % 2 ? 0 : 255) : r;
}

/* line: rows of a line whose taps are in the padding together; 0: none are. */
typedef struct shape {
  int64_t rows, n, taps, kc, line;
} shape;

/* Is a tap of a row in the padding? Of a line all are, or those at one end, or some in the middle. */
static bool is_padding(shape s, int64_t row, int64_t tap) {
  if (!s.line) return false;
  const int64_t line = row / s.line;
  return line == 0   ? tap < (s.taps + 1) / 2
         : line == 2 ? tap >= s.taps / 2
                     : line % 4 == 3 || (line * 7 + tap) % 5 == 0;
}

/* Runs a core and compares every output with the definition; each run of a row (but in the padding) is memory of its
 * own. */
static void check_core(const fb_q8_core *core, shape s, pattern wp, code_pattern xp, int to, bool zeros, uint8_t flip) {
  const int64_t depth = s.taps * s.kc, step = s.n + 5;
  const bool wild = ((int)wp + (int)xp) % 2; /* multipliers that are no numbers */
  fixture f = make_weight(core, wp, s.n, s.taps, s.kc, 0, 5);
  uint32_t seed = 99;
  uint8_t **x = malloc((size_t)(s.rows * s.taps + 1) * sizeof *x), *padding = calloc((size_t)s.kc + 1, 1);
  for (int64_t r = 0; r < s.rows; r++)
    for (int64_t t = 0; t < s.taps; t++) {
      x[r * s.taps + t] = padding;
      if (is_padding(s, r, t)) continue;
      uint8_t *run = x[r * s.taps + t] = malloc((size_t)s.kc + 1);
      for (int64_t c = 0; c < s.kc; c++) run[c] = code_of(xp, t * s.kc + c, &seed) ^ flip;
      x[r * s.taps + t] = realloc(run, (size_t)s.kc);
    }
  int32_t *bias = malloc((size_t)s.n * 4), *col_zero = malloc((size_t)s.n * 4), *row_sum = malloc((size_t)s.rows * 4);
  float *m = malloc((size_t)s.n * 4), *real_bias = malloc((size_t)s.n * 4);
  for (int64_t j = 0; j < s.n; j++) {
    bias[j] = (int32_t)(next_random(&seed) % 2000) - 1000;
    col_zero[j] = (int32_t)(next_random(&seed) % 256) - 128;
    m[j] = j == 3 && wild ? INFINITY : j == 4 && wild ? NAN : 0.5f / (float)(depth + 1) * (float)(1 + j % 7);
    real_bias[j] = (float)(next_random(&seed) % 100);
  }
  for (int64_t r = 0; r < s.rows; r++) row_sum[r] = (int32_t)(next_random(&seed) % 2000) - 1000;
  const int32_t lo = zeros ? -128 : 0, hi = zeros ? 100 : 255;
  const fb_q8_finish finish = {.to = (unsigned)to,
                               .bias = bias,
                               .m = m,
                               .real_bias = zeros ? real_bias : NULL,
                               .col_zero = zeros ? col_zero : NULL,
                               .zero = zeros ? -3 : 128,
                               .lo = lo,
                               .hi = hi,
                               .act_lo = zeros ? -50.0f : -INFINITY,
                               .act_hi = INFINITY};
  const size_t size = to == FB_Q8_CODES ? 1 : 4;
  uint8_t *y = malloc((size_t)(s.rows * step) * size);
  memset(y, 0x5a, (size_t)(s.rows * step) * size);
  void *scratch = aligned_alloc(64, (size_t)fb_round_up((int64_t)core->scratch_size(s.rows, s.n, s.taps, s.kc), 64));
  fb_q8_block b = {.x = (const uint8_t *const *)x,
                   .rows = s.rows,
                   .taps = s.taps,
                   .kc = s.kc,
                   .flip = flip,
                   .row_sum = zeros ? row_sum : NULL,
                   .packed = f.packed,
                   .n = s.n,
                   .finish = &finish,
                   .y = y,
                   .y_step = step,
                   .scratch = scratch,
                   .l1d = s.rows % 2 ? 1 << 14 : 1 << 16,
                   .x_run = s.line,
                   .zeros = padding,
                   .zeros_size = s.line ? s.kc : 0};
  const int64_t half = s.n / core->cols / 2 * core->cols;
  b.n1 = half;
  if (half > 0) core->block(&b);
  b.same_rows = half > 0;
  b.n0 = half;
  b.n1 = s.n;
  core->block(&b);
  for (int64_t r = 0; r < s.rows; r++)
    for (int64_t j = 0; j < step; j++) {
      const uint8_t *at = y + (size_t)(r * step + j) * size;
      if (j >= s.n) {
        for (size_t i = 0; i < size; i++) cr_assert_eq(at[i], 0x5a, "row %ld was written beyond its end", (long)r);
        continue;
      }
      uint32_t sum = (uint32_t)bias[j];
      for (int64_t k = 0; k < depth; k++)
        sum += (uint32_t)((x[r * s.taps + k / s.kc][k % s.kc] ^ flip) * weight_at(&f, j, k));
      if (zeros) sum -= (uint32_t)(col_zero[j] * row_sum[r]);
      float v = (float)(int32_t)sum * m[j];
      uint8_t want[4];
      if (to == FB_Q8_CODES) {
        v = v == v ? nearbyintf(v) : 0.0f;
        const float q = v + (float)finish.zero;
        want[0] = (uint8_t)(int32_t)(q < (float)lo ? (float)lo : q > (float)hi ? (float)hi : q);
      } else if (to == FB_Q8_REAL) {
        if (finish.real_bias) v += real_bias[j];
        v = v < finish.act_lo ? finish.act_lo : v > finish.act_hi ? finish.act_hi : v;
        memcpy(want, &v, 4);
      } else {
        memcpy(want, &sum, 4);
      }
      const bool nan = to == FB_Q8_REAL && v != v;
      if (nan) memcpy(&v, at, 4);
      cr_assert(nan ? v != v : memcmp(at, want, size) == 0,
                "%s: rows %ld columns %ld taps %ld kc %ld weights %d codes %d to %d: (%ld, %ld) is %02x%02x.., not "
                "%02x%02x..",
                core->name, (long)s.rows, (long)s.n, (long)s.taps, (long)s.kc, wp, xp, to, (long)r, (long)j, at[0],
                size > 1 ? at[1] : 0, want[0], size > 1 ? want[1] : 0);
    }
  for (int64_t i = 0; i < s.rows * s.taps; i++)
    if (x[i] != padding) free(x[i]);
  free(padding), free(x);
  free(bias), free(col_zero), free(row_sum), free(m), free(real_bias), free(y), free(scratch);
  free_weight(&f);
}

static void check_core_all(const fb_q8_core *core) {
  static const shape shapes[] = {
      {1,   1,   1, 1,    0 },
      {7,   3,   1, 2,    0 },
      {8,   16,  1, 3,    0 },
      {9,   17,  1, 4,    0 },
      {16,  33,  1, 64,   0 },
      {49,  20,  9, 16,   0 },
      {50,  80,  1, 515,  0 },
      {31,  18,  9, 3,    0 },
      {97,  16,  3, 37,   0 },
      {4,   70,  1, 1025, 0 },
      {145, 5,   2, 33,   0 },
      {224, 16,  1, 20,   0 },
      {65,  16,  1, 1021, 0 },
      {48,  130, 1, 640,  0 },
      {49,  20,  9, 16,   7 },
      {49,  70,  3, 1040, 7 },
      {12,  5,   2, 32,   3 },
      {196, 16,  9, 48,   14},
      {220, 17,  3, 144,  55},
      {40,  16,  3, 20,   8 }
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int wp = 0; wp < PATTERNS; wp++) {
      check_core(core, shapes[i], (pattern)wp, ALL_255, FB_Q8_SUMS, false, 0);
      const bool flips = shapes[i].line == 0; /* lines are copied flipped */
      check_core(core, shapes[i], (pattern)wp, (code_pattern)(i % CODE_PATTERNS), FB_Q8_CODES, i % 2,
                 flips && i % 3 == 0 ? 0x80 : 0);
      check_core(core, shapes[i], (pattern)wp, RANDOM_CODES, wp % 3, wp % 2, flips ? 0x80 : 0);
    }
}

Test(list, core_is_exact_on_avx2) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) cr_skip_test("this processor has no AVX2");
  check_core_all(&fb_q8_list__avx2);
}

Test(list, core_is_exact_on_avx512) {
  if (!__builtin_cpu_supports("avx512bw")) cr_skip_test("this processor has no AVX-512 BW");
  check_core_all(&fb_q8_list__avx512bw);
}

Test(list, blocks_without_depth_give_the_constants) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) cr_skip_test("this processor has no AVX2");
  int32_t bias[2] = {5, -7}, y[6];
  const uint8_t none = 0, *x[3] = {&none, &none, &none};
  const fb_q8_finish finish = {.to = FB_Q8_SUMS, .bias = bias};
  fixture f = make_weight(&fb_q8_list__avx2, ANY, 2, 1, 0, 0, 1);
  void *scratch = aligned_alloc(64, (size_t)fb_round_up((int64_t)fb_q8_list__avx2.scratch_size(3, 2, 1, 0), 64));
  fb_q8_list__avx2.block(&(fb_q8_block){.x = x,
                                        .rows = 3,
                                        .taps = 1,
                                        .packed = f.packed,
                                        .n = 2,
                                        .n1 = 2,
                                        .finish = &finish,
                                        .y = y,
                                        .y_step = 2,
                                        .scratch = scratch});
  for (int i = 0; i < 6; i++) cr_assert_eq(y[i], bias[i % 2]);
  free(scratch);
  free_weight(&f);
}
