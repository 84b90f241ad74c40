/*
 * Packs weights as lists of items for the core of q8/list.h. Which items share a group is a bin packing problem with
 * four sizes (positive and negative weights of both int16 lanes); first fit, largest first, comes within 1 % of all
 * that was tried (best fit by several measures, other splits of unsafe quads), and is fast.
 */
#include <string.h>

#include "q8/list.h"

enum { ITEMS = 2 * FB_LIST_QUADS };

typedef struct item {
  uint64_t sums; /* four uint16: |positive|, |negative| of lane 0, of lane 1 */
  uint16_t quad;
  uint16_t size; /* all of sums */
  int8_t w[4];
} item;

static uint64_t lane_sums(const int8_t w[2]) {
  const int p = (w[0] > 0 ? w[0] : 0) + (w[1] > 0 ? w[1] : 0);
  return (uint64_t)p | (uint64_t)(p - w[0] - w[1]) << 16;
}

/* Whether no sum is larger than FB_LIST_SAFE; sums have room for carries of two items. */
static bool is_safe(uint64_t sums) {
  const uint64_t ones = UINT64_C(0x0001000100010001);
  return ((sums + ones * (0x7fff - FB_LIST_SAFE)) & (ones << 15)) == 0;
}

/* What must be taken off the lane's smaller weight to make it safe; 0: nothing. */
static int lane_excess(const int8_t w[2]) {
  const int sum = w[0] + w[1];
  if ((w[0] ^ w[1]) < 0) return 0;
  return sum > FB_LIST_SAFE ? sum - FB_LIST_SAFE : sum < -FB_LIST_SAFE ? sum + FB_LIST_SAFE : 0;
}

static void split_lane(int8_t w[2], int8_t rest[2]) {
  const int excess = lane_excess(w);
  const int small = (excess > 0) == (w[0] < w[1]) ? 0 : 1;
  w[small] = (int8_t)(w[small] - excess);
  rest[small] = (int8_t)excess;
}

static void set_item(item *it, int64_t quad, const int8_t w[4]) {
  memcpy(it->w, w, 4);
  it->quad = (uint16_t)quad;
  it->sums = lane_sums(w) | lane_sums(w + 2) << 32;
  it->size = (uint16_t)((it->sums * UINT64_C(0x0001000100010001)) >> 48);
}

/* Number of items of a quad. */
static int item_count(const int8_t w[4]) {
  if (!(w[0] | w[1] | w[2] | w[3])) return 0;
  return lane_excess(w) || lane_excess(w + 2) ? 2 : 1;
}

/* Items of a column's chunk; returns their number. */
static int make_items(item *items, const int8_t *w, int64_t quads) {
  int n = 0;
  for (int64_t q = 0; q < quads; q++, w += 4) {
    const int count = item_count(w);
    if (count == 0) continue;
    int8_t safe[4], rest[4] = {0};
    memcpy(safe, w, 4);
    if (count == 2) {
      split_lane(safe, rest);
      split_lane(safe + 2, rest + 2);
      set_item(&items[n++], q, rest);
    }
    set_item(&items[n++], q, safe);
  }
  return n;
}

/* Order of items by falling size. */
static void sort_items(const item *items, int n, uint16_t *order) {
  enum { SIZES = 4 * FB_LIST_SAFE + 1 };
  uint16_t start[SIZES + 1] = {0};
  for (int i = 0; i < n; i++) start[SIZES - items[i].size]++;
  for (int s = 1; s <= SIZES; s++) start[s] = (uint16_t)(start[s] + start[s - 1]);
  for (int i = 0; i < n; i++) order[start[SIZES - 1 - items[i].size]++] = (uint16_t)i;
}

/* The groups of a column's chunk: members[0 .. sizes[0]), then sizes[1] more, ...; returns their number. */
static int make_groups(const item *items, int n, uint16_t *members, uint8_t *sizes) {
  uint16_t order[ITEMS], next[ITEMS + 1]; /* the items that are left, a list that starts at next[n] */
  sort_items(items, n, order);
  for (int i = 0; i < n; i++) next[i] = (uint16_t)(i + 1);
  next[n] = 0;
  int groups = 0, done = 0;
  for (; done < n; groups++) {
    uint64_t sums = 0;
    int g = 0;
    for (int before = n, i = next[n]; i < n && g < FB_LIST_GROUP; i = next[i]) {
      const uint64_t both = sums + items[order[i]].sums;
      if (!is_safe(both)) {
        before = i;
        continue;
      }
      sums = both;
      next[before] = next[i];
      members[done + g++] = order[i];
    }
    sizes[groups] = (uint8_t)g;
    done += g;
  }
  return groups;
}

/* Writes the list of a column's chunk; returns its bytes. */
static uint32_t write_list(uint8_t *to, const int8_t *w, int64_t quads) {
  item items[ITEMS];
  uint16_t members[ITEMS];
  uint8_t sizes[ITEMS];
  const int n = make_items(items, w, quads), groups = make_groups(items, n, members, sizes);
  fb_list_head head;
  uint8_t *at = to + sizeof head;
  for (int g = FB_LIST_GROUP; g > 0; g--) {
    const uint16_t *m = members;
    for (int i = 0; i < groups; m += sizes[i++]) {
      if (sizes[i] != g) continue;
      for (int j = 0; j < g; j++) {
        const uint16_t offset = (uint16_t)(items[m[j]].quad * FB_LIST_QUAD);
        memcpy(at + 2 * j, &offset, 2);
        memcpy(at + 2 * g + 4 * j, items[m[j]].w, 4);
      }
      at += FB_LIST_ITEM * g;
    }
    head.end[FB_LIST_GROUP - g] = (uint16_t)(at - to);
  }
  memcpy(to, &head, sizeof head);
  return (uint32_t)(at - to);
}

/* Weights k0 .. k1 of column n, zeros up to whole quads. */
static void read_column(const fb_q8_weight *w, int64_t n, int64_t k0, int64_t k1, int8_t *to) {
  const uint8_t *from = w->data + n * fb_q8_depth(w);
  for (int64_t k = k0; k < k1; k++) *to++ = (int8_t)(from[k] ^ w->flip);
  for (int64_t k = k1 - k0; k % 4; k++) *to++ = 0;
}

uint64_t fb_list_packed_size(const fb_q8_weight *w) {
  const int64_t depth = fb_q8_depth(w), chunks = fb_list_chunks(depth), step = 4 * fb_list_chunk(depth);
  uint64_t items = 0;
  for (int64_t n = 0; n < w->n; n++)
    for (int64_t k0 = 0; k0 < depth; k0 += step) {
      int8_t column[4 * FB_LIST_QUADS];
      const int64_t k1 = fb_min64(k0 + step, depth);
      read_column(w, n, k0, k1, column);
      for (int64_t k = 0; k < k1 - k0; k += 4) items += (uint64_t)item_count(column + k);
    }
  return (uint64_t)(chunks * w->n) * (sizeof(uint32_t) + sizeof(fb_list_head)) + items * FB_LIST_ITEM;
}

void fb_list_pack(const fb_q8_weight *w, void *packed, int32_t *sums) {
  const int64_t depth = fb_q8_depth(w), chunks = fb_list_chunks(depth), step = 4 * fb_list_chunk(depth);
  uint32_t *starts = packed, at = (uint32_t)(chunks * w->n * (int64_t)sizeof(uint32_t));
  for (int64_t chunk = 0; chunk < chunks; chunk++)
    for (int64_t n = 0; n < w->n; n++, starts++) {
      int8_t column[4 * FB_LIST_QUADS];
      const int64_t k0 = chunk * step, k1 = fb_min64(k0 + step, depth);
      read_column(w, n, k0, k1, column);
      if (chunk == 0) sums[n] = 0;
      for (int64_t k = 0; k < k1 - k0; k++) sums[n] += column[k];
      *starts = at;
      at += write_list((uint8_t *)packed + at, column, fb_list_quads(k1 - k0));
    }
}
