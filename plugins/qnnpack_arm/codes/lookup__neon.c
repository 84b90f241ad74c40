/*
 * Lookup on NEON: four tables of 64 entries, each held in four registers. An index beyond a table leaves the byte as it is,
 * so the one table that an index falls into writes it.
 */
#include <arm_neon.h>

#include "codes/lookup.h"

static inline uint8x16_t look_up(uint8x16_t x, const uint8x16x4_t table[4]) {
  uint8x16_t y = vqtbl4q_u8(table[0], x);
  for (int k = 1; k < 4; ++k) {
    x = vsubq_u8(x, vdupq_n_u8(64));
    y = vqtbx4q_u8(y, table[k], x);
  }
  return y;
}

int fb_lookup__neon_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const uint8_t *x = call->in[0], *table = call->in[1];
  uint8_t *y = call->out[0];
  int64_t i = tile_begin * FB_LOOKUP_TILE;
  const int64_t end = fb_min64(tile_end * FB_LOOKUP_TILE, call->problem->out[0]->count);
  uint8x16x4_t tables[4];
  for (int k = 0; k < 4; ++k)
    for (int r = 0; r < 4; ++r) tables[k].val[r] = vld1q_u8(table + 64 * k + 16 * r);
  for (; end - i >= 16; i += 16) vst1q_u8(y + i, look_up(vld1q_u8(x + i), tables));
  for (; i < end; ++i) y[i] = table[x[i]];
  return 0;
}
