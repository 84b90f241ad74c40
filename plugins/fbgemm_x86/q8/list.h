/*
 * The core for constant weights and many rows without a dot-product instruction (cores fb_q8_list__*; q8/core.h).
 *
 * vpmaddubsw multiplies u8 by s8 and adds pairs in int16, where 255 * 127 * 2 does not fit. Here lanes are rows and a
 * weight is the same in all lanes, so whether a sum can overflow is known when weights are packed: codes are 0..255, so
 * an int16 lane is safe if and only if its positive weights add up to at most 128 and its negative ones to at least
 * -128 (255 * 128 = 32640 <= 32767). Packing writes a column as a list of items, four weights on four neighbours of k
 * (a quad) each, and gathers those that are safe together in groups of up to four, whose products are added in int16:
 *
 *   one item: 1 vpmaddubsw,                               then per group: 1 vpmaddwd (with 1), 1 vpaddd
 *   every further item of a group: 1 vpmaddubsw, 1 vpaddw
 *
 * A quad that is not safe alone becomes two items that add up to it; a quad of zeros becomes none. The result is exact
 * for all codes and weights and costs 2.25 to 2.6 instructions a quad where saturating kernels pay 3.
 *
 * Lists are cut in chunks of k, so that the panel of rows that they work on stays in the first-level cache.
 */
#ifndef QE_FBGEMM_Q8_LIST_H
#define QE_FBGEMM_Q8_LIST_H

#include "q8/core.h"

enum {
  FB_LIST_QUADS = 128,     /* most quads of a chunk; the more, the fuller groups are */
  FB_LIST_WIDE_QUADS = 64, /* the same for wide vectors, more of which then stay in the cache */
  FB_LIST_GROUP = 4,       /* items of the largest group */
  FB_LIST_ITEM = 6,        /* bytes of an item: FB_LIST_UNIT times its quad, four weights */
  FB_LIST_UNIT = 32,       /* quads are counted in these: addressing makes that the offset for 8 vectors of AVX2 */
  FB_LIST_SAFE = 128,      /* what the weights of one sign may add up to in an int16 lane */
  FB_LIST_COLS = 64,       /* columns worked on at a time */
};

/*
 * Packed: the offsets of the lists, uint64_t [chunk][column], then the lists. A list: its head, then groups of 4 items,
 * of 3, of 2 and of 1; a group of g: g numbers of quads (uint16_t), g times four weights.
 */
typedef struct fb_list_head {
  uint16_t end[FB_LIST_GROUP]; /* of the groups of FB_LIST_GROUP - i items, from the list's start */
} fb_list_head;

static inline int64_t fb_list_quads(int64_t depth) {
  return fb_ceil_div(depth, 4);
}
/* Chunks of at most `most` quads. At least one, so that a product without depth has a place for its constants. */
static inline int64_t fb_list_chunks(int64_t depth, int64_t most) {
  return fb_max64(1, fb_ceil_div(fb_list_quads(depth), most));
}
/* Quads of every chunk but the last, which may be shorter. */
static inline int64_t fb_list_chunk(int64_t depth, int64_t most) {
  return fb_ceil_div(fb_list_quads(depth), fb_list_chunks(depth, most));
}

/* fb_q8_core.packed_size and pack, for chunks of at most `most` quads. */
uint64_t fb_list_packed_size(const fb_q8_weight *w, int64_t most);
void fb_list_pack(const fb_q8_weight *w, int64_t most, void *packed, int32_t *sums);

/*
 * Rows [0, rows) into a panel of [quad][row][4 bytes], with rows up to the next multiple of `step` (8 or 16), which
 * repeat the last one. Row r is made of `taps` runs of kc bytes at x[r * taps]. `room` has 16 * fb_list_row_room(depth)
 * bytes.
 */
void fb_list_rows(uint8_t *panel, const uint8_t *const *x, int64_t rows, int64_t step, int64_t taps, int64_t kc,
                  uint8_t flip, uint8_t *room);
/* The same of bytes [k0, k1) of each row (k0 a multiple of 4), where runs are whole. */
void fb_list_whole_rows(uint8_t *panel, const uint8_t *const *x, int64_t rows, int64_t step, int64_t taps, int64_t kc,
                        int64_t k0, int64_t k1, uint8_t flip);
static inline bool fb_list_whole(int64_t taps, int64_t kc) {
  return taps == 1 || (kc % 16 == 0 && kc > 0);
}
static inline int64_t fb_list_row_room(int64_t depth) {
  return fb_round_up(depth, 16) + 32;
}

/* The constants of up to FB_LIST_COLS columns; those of columns that are not there are zeros. */
typedef struct fb_list_constants {
  float m[FB_LIST_COLS], real_bias[FB_LIST_COLS];
  int32_t zero[FB_LIST_COLS];
  bool bounded; /* codes: no product of a sum and a multiplier reaches 2^31 */
} fb_list_constants;
void fb_list_find_constants(const fb_q8_block *b, int64_t n0, int64_t n1, fb_list_constants *c);

/* Real numbers or sums of columns [n0, n1) of rows [row, row + rows); sums: [column - n0][step], bias included. */
void fb_list_finish_wide(const fb_q8_block *b, const fb_list_constants *c, const int32_t *sums, int64_t step,
                         int64_t row, int64_t rows, int64_t n0, int64_t n1);

#endif
