/* SHA-256 as FIPS 180-4 writes it. It runs over every model that is read, so a slow one would be most of the reading. */
#include "base/sha256.h"

#include <string.h>

const uint32_t qe__sha256_constants[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n) { return (x >> n) | (x << (32 - n)); }

static uint32_t load_be32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void store_be32(uint8_t *p, uint32_t v) {
  for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* One round; the caller turns the eight names instead of moving the eight words. */
static inline void step(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g, uint32_t *h,
                        uint32_t word) {
  const uint32_t sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25), choice = g ^ (e & (f ^ g));
  const uint32_t sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22), majority = (a & b) | (c & (a | b));
  const uint32_t t1 = *h + sum1 + choice + word;
  *d += t1;
  *h = t1 + sum0 + majority;
}

static void compress(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64];
  for (unsigned t = 0; t < 16; t++) w[t] = load_be32(block + 4 * t);
  for (unsigned t = 16; t < 64; t++) {
    const uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
    const uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (unsigned t = 0; t < 64; t += 8) {
    const uint32_t *k = qe__sha256_constants + t;
    step(a, b, c, &d, e, f, g, &h, k[0] + w[t]);
    step(h, a, b, &c, d, e, f, &g, k[1] + w[t + 1]);
    step(g, h, a, &b, c, d, e, &f, k[2] + w[t + 2]);
    step(f, g, h, &a, b, c, d, &e, k[3] + w[t + 3]);
    step(e, f, g, &h, a, b, c, &d, k[4] + w[t + 4]);
    step(d, e, f, &g, h, a, b, &c, k[5] + w[t + 5]);
    step(c, d, e, &f, g, h, a, &b, k[6] + w[t + 6]);
    step(b, c, d, &e, f, g, h, &a, k[7] + w[t + 7]);
  }
  const uint32_t end[8] = {a, b, c, d, e, f, g, h};
  for (unsigned i = 0; i < 8; i++) state[i] += end[i];
}

void qe__sha256_blocks_portable(uint32_t h[8], const uint8_t *blocks, size_t count) {
  for (; count > 0; count--, blocks += 64) compress(h, blocks);
}

static void take_blocks(uint32_t h[8], const uint8_t *blocks, size_t count) {
  const qe__sha256_blocks_fn special = qe__sha256_blocks_special();
  (special != NULL ? special : qe__sha256_blocks_portable)(h, blocks, count);
}

void qe__sha256_init(qe__sha256_state *s) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(s->h, start, sizeof start);
  s->length = 0;
}

void qe__sha256_update(qe__sha256_state *s, const void *data, size_t size) {
  const uint8_t *p = data;
  while (size > 0) {
    const size_t used = (size_t)(s->length % 64);
    if (used == 0 && size >= 64) { /* whole blocks need no copy */
      const size_t whole = size / 64 * 64;
      take_blocks(s->h, p, whole / 64);
      p += whole;
      size -= whole;
      s->length += whole;
      continue;
    }
    const size_t part = size < 64 - used ? size : 64 - used;
    memcpy(s->block + used, p, part);
    p += part;
    size -= part;
    s->length += part;
    if (used + part == 64) take_blocks(s->h, s->block, 1);
  }
}

void qe__sha256_final(qe__sha256_state *s, uint8_t out[32]) {
  const uint64_t bits = s->length * 8;
  static const uint8_t padding[64] = {0x80};
  const size_t used = (size_t)(s->length % 64);
  qe__sha256_update(s, padding, used < 56 ? 56 - used : 120 - used);
  uint8_t length[8];
  store_be32(length, (uint32_t)(bits >> 32));
  store_be32(length + 4, (uint32_t)bits);
  qe__sha256_update(s, length, sizeof length);
  for (unsigned i = 0; i < 8; i++) store_be32(out + 4 * i, s->h[i]);
}

void qe__sha256(const void *data, size_t size, uint8_t out[32]) {
  qe__sha256_state s;
  qe__sha256_init(&s);
  qe__sha256_update(&s, data, size);
  qe__sha256_final(&s, out);
}

void qe__sha256_text(const uint8_t hash[32], char text[65]) {
  static const char digits[] = "0123456789abcdef";
  for (unsigned i = 0; i < 32; i++) {
    text[2 * i] = digits[hash[i] >> 4];
    text[2 * i + 1] = digits[hash[i] & 15];
  }
  text[64] = 0;
}
