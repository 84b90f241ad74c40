/*
 * Packs weights as lists of items for the core of q8/list.h. Which items share a group is a bin packing problem with
 * four sizes (positive and negative weights of both int16 lanes); first fit, largest first, comes within 1 % of all
 * that was tried (best fit by several measures, other splits of unsafe quads), and is fast: eight items at a time.
 */
#include <immintrin.h>
#include <string.h>

#include "q8/list.h"

enum {
  ITEMS = 2 * FB_LIST_QUADS,
  STEP = 8,  /* quads looked at together */
  MANY = 32, /* items looked at together */
  SIZE = 8,  /* items are sorted by their size, in steps of this */
  SIZES = 4 * FB_LIST_SAFE / SIZE + 1,
};

/* Items of a column's chunk. Sums: a byte each for positive and negative weights of lane 0, then of lane 1. */
typedef struct items {
  int n;
  uint32_t w[ITEMS];
  _Alignas(32) uint32_t sums[ITEMS];
  uint8_t quad[ITEMS];
} items;

/* Adds up weights of one sign in each int16 lane, and tells which of 8 quads are unsafe, which all zeros (bits). */
static inline __m256i sum_quads(__m256i w, int *unsafe, int *zero) {
  const __m256i none = _mm256_setzero_si256(), ones = _mm256_set1_epi8(1), most = _mm256_set1_epi16(FB_LIST_SAFE);
  const __m256i p = _mm256_maddubs_epi16(_mm256_max_epi8(w, none), ones);
  const __m256i n = _mm256_maddubs_epi16(_mm256_sub_epi8(none, _mm256_min_epi8(w, none)), ones);
  const __m256i over = _mm256_or_si256(_mm256_cmpgt_epi16(p, most), _mm256_cmpgt_epi16(n, most));
  *unsafe = 0xff ^ _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(over, none)));
  *zero = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(w, none)));
  return _mm256_or_si256(p, _mm256_slli_epi16(n, 8));
}

/* Cuts a lane's smaller weight so that it is safe; the rest goes to `rest`. */
static void split_lane(int8_t w[2], int8_t rest[2]) {
  const int sum = w[0] + w[1];
  if ((w[0] ^ w[1]) < 0 || (sum <= FB_LIST_SAFE && sum >= -FB_LIST_SAFE)) return;
  const int excess = sum > 0 ? sum - FB_LIST_SAFE : sum + FB_LIST_SAFE, small = (sum > 0) == (w[0] < w[1]) ? 0 : 1;
  w[small] = (int8_t)(w[small] - excess);
  rest[small] = (int8_t)excess;
}

static void add_item(items *it, int64_t quad, const int8_t w[4]) {
  const int i = it->n++;
  int unsafe, zero;
  memcpy(&it->w[i], w, 4);
  it->quad[i] = (uint8_t)quad;
  const __m256i sums = sum_quads(_mm256_castsi128_si256(_mm_cvtsi32_si128((int32_t)it->w[i])), &unsafe, &zero);
  it->sums[i] = (uint32_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(sums));
}

/* w: zeros up to a multiple of STEP quads. */
static void make_items(items *it, const int8_t *w, int64_t quads) {
  it->n = 0;
  for (int64_t q = 0; q < quads; q += STEP, w += 4 * STEP) {
    int unsafe, zero;
    uint32_t sums[STEP];
    _mm256_storeu_si256((__m256i *)sums, sum_quads(_mm256_loadu_si256((const __m256i *)w), &unsafe, &zero));
    for (int i = 0; i < STEP; i++) {
      if (unsafe >> i & 1) {
        int8_t safe[4], rest[4] = {0};
        memcpy(safe, w + 4 * i, 4);
        split_lane(safe, rest);
        split_lane(safe + 2, rest + 2);
        add_item(it, q + i, safe);
        add_item(it, q + i, rest);
      } else if (!(zero >> i & 1)) {
        memcpy(&it->w[it->n], w + 4 * i, 4);
        it->sums[it->n] = sums[i];
        it->quad[it->n++] = (uint8_t)(q + i);
      }
    }
  }
}

/* Number of items of a column's chunk. */
static uint64_t count_items(const int8_t *w, int64_t quads) {
  int n = 0;
  for (int64_t q = 0; q < quads; q += STEP, w += 4 * STEP) {
    int unsafe, zero;
    (void)sum_quads(_mm256_loadu_si256((const __m256i *)w), &unsafe, &zero);
    n += STEP - __builtin_popcount((unsigned)zero) + __builtin_popcount((unsigned)unsafe);
  }
  return (uint64_t)n;
}

static inline uint32_t size_of(uint32_t sums) {
  const uint32_t both = (sums & 0xff00ff) + (sums >> 8 & 0xff00ff);
  return ((both & 0xffff) + (both >> 16)) / SIZE;
}

/* The items by falling size. */
static void sort_items(const items *from, items *to) {
  int start[SIZES + 1] = {0};
  for (int i = 0; i < from->n; i++) start[SIZES - size_of(from->sums[i])]++;
  for (int s = 1; s <= SIZES; s++) start[s] += start[s - 1];
  for (int i = 0; i < from->n; i++) {
    const int at = start[SIZES - 1 - size_of(from->sums[i])]++;
    to->w[at] = from->w[i];
    to->sums[at] = from->sums[i];
    to->quad[at] = from->quad[i];
  }
  to->n = from->n;
}

/* Which of MANY items are safe together with `sum` (bits). */
static inline uint32_t fitting(const uint32_t *sums, uint32_t sum) {
  const __m256i now = _mm256_set1_epi32((int32_t)sum), most = _mm256_set1_epi8((char)FB_LIST_SAFE);
  uint32_t fits = 0;
  for (int i = 0; i < MANY; i += STEP) {
    const __m256i both = _mm256_adds_epu8(_mm256_load_si256((const __m256i *)(sums + i)), now);
    const __m256i safe = _mm256_cmpeq_epi32(_mm256_subs_epu8(both, most), _mm256_setzero_si256());
    fits |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(safe)) << i;
  }
  return fits;
}

/* The groups of sorted items: members[0 .. sizes[0]), then sizes[1] more, ...; returns their number. */
static int make_groups(items *it, uint8_t *members, uint8_t *sizes) {
  uint32_t left[ITEMS / MANY]; /* of each MANY items, those that are in no group yet (bits) */
  const int end = (it->n + MANY - 1) / MANY;
  memset(it->sums + it->n, 0, (size_t)(end * MANY - it->n) * sizeof *it->sums);
  memset(left, 0xff, sizeof left);
  if (it->n % MANY) left[end - 1] = (UINT32_C(1) << it->n % MANY) - 1;
  int groups = 0, done = 0;
  for (int first = 0; done < it->n; groups++) {
    while (!left[first]) first++;
    uint32_t sum = 0;
    int g = 0;
    for (int at = first; at < end && g < FB_LIST_GROUP;) {
      const uint32_t fits = fitting(it->sums + at * MANY, sum) & left[at];
      if (!fits) {
        at++;
        continue;
      }
      const int i = at * MANY + __builtin_ctz(fits);
      left[at] ^= fits & -fits;
      sum += it->sums[i];
      members[done + g++] = (uint8_t)i;
    }
    sizes[groups] = (uint8_t)g;
    done += g;
  }
  return groups;
}

/* Writes the list of a column's chunk; returns its bytes. */
static uint32_t write_list(uint8_t *to, const int8_t *w, int64_t quads) {
  items found, sorted;
  uint8_t members[ITEMS], sizes[ITEMS];
  make_items(&found, w, quads);
  sort_items(&found, &sorted);
  const int groups = make_groups(&sorted, members, sizes);
  uint16_t bytes[FB_LIST_GROUP + 1] = {0};
  for (int i = 0; i < groups; i++) bytes[sizes[i]] = (uint16_t)(bytes[sizes[i]] + FB_LIST_ITEM * sizes[i]);
  fb_list_head head;
  uint8_t *at[FB_LIST_GROUP + 1], *next = to + sizeof head;
  for (int g = FB_LIST_GROUP; g > 0; g--) {
    at[g] = next;
    next += bytes[g];
    head.end[FB_LIST_GROUP - g] = (uint16_t)(next - to);
  }
  memcpy(to, &head, sizeof head);
  const uint8_t *m = members;
  for (int i = 0; i < groups; i++) {
    const int g = sizes[i];
    for (int j = 0; j < g; j++, m++) {
      const uint16_t number = (uint16_t)(sorted.quad[*m] * FB_LIST_UNIT);
      memcpy(at[g] + 2 * j, &number, 2);
      memcpy(at[g] + 2 * g + 4 * j, &sorted.w[*m], 4);
    }
    at[g] += FB_LIST_ITEM * g;
  }
  return (uint32_t)(next - to);
}

/* Weights k0 .. k1 of column n, then zeros up to a multiple of STEP quads; returns their sum. */
static int32_t read_column(const fb_q8_weight *w, int64_t n, int64_t k0, int64_t k1, int8_t *to) {
  const uint8_t *from = w->data + n * fb_q8_depth(w) + k0;
  int32_t sum = 0;
  for (int64_t k = 0; k < k1 - k0; k++) {
    to[k] = (int8_t)(from[k] ^ w->flip);
    sum += to[k];
  }
  memset(to + (k1 - k0), 0, (size_t)(fb_round_up(k1 - k0, 4 * STEP) - (k1 - k0)));
  return sum;
}

uint64_t fb_list_packed_size(const fb_q8_weight *w, int64_t most) {
  const int64_t depth = fb_q8_depth(w), chunks = fb_list_chunks(depth, most);
  const int64_t step = 4 * fb_list_chunk(depth, most);
  uint64_t count = 0;
  for (int64_t n = 0; n < w->n; n++)
    for (int64_t k0 = 0; k0 < depth; k0 += step) {
      int8_t column[4 * FB_LIST_QUADS];
      const int64_t k1 = fb_min64(k0 + step, depth);
      (void)read_column(w, n, k0, k1, column);
      count += count_items(column, fb_list_quads(k1 - k0));
    }
  return (uint64_t)(chunks * w->n) * (sizeof(uint64_t) + sizeof(fb_list_head)) + count * FB_LIST_ITEM;
}

void fb_list_pack(const fb_q8_weight *w, int64_t most, void *packed, int32_t *sums) {
  const int64_t depth = fb_q8_depth(w), chunks = fb_list_chunks(depth, most);
  const int64_t step = 4 * fb_list_chunk(depth, most);
  uint64_t *starts = packed, at = (uint64_t)(chunks * w->n) * sizeof *starts;
  memset(sums, 0, (size_t)w->n * sizeof *sums);
  for (int64_t chunk = 0; chunk < chunks; chunk++)
    for (int64_t n = 0; n < w->n; n++, starts++) {
      int8_t column[4 * FB_LIST_QUADS];
      const int64_t k0 = chunk * step, k1 = fb_min64(k0 + step, depth);
      sums[n] += read_column(w, n, k0, k1, column);
      *starts = at;
      at += write_list((uint8_t *)packed + at, column, fb_list_quads(k1 - k0));
    }
}
