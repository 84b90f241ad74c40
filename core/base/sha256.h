/* SHA-256 (FIPS 180-4): model hashes and other fingerprints that must be the same everywhere. */
#ifndef QE_CORE_SHA256_H
#define QE_CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct qe__sha256_state {
  uint32_t h[8];
  uint64_t length; /* bytes so far */
  uint8_t block[64];
} qe__sha256_state;

/* Takes `count` blocks of 64 bytes into h. */
typedef void (*qe__sha256_blocks_fn)(uint32_t h[8], const uint8_t *blocks, size_t count);
extern const uint32_t qe__sha256_constants[64];
void qe__sha256_blocks_portable(uint32_t h[8], const uint8_t *blocks, size_t count);
/* What the processor has instructions for, or NULL. */
qe__sha256_blocks_fn qe__sha256_blocks_special(void);

void qe__sha256_init(qe__sha256_state *s);
/* data may be NULL when size is 0. */
void qe__sha256_update(qe__sha256_state *s, const void *data, size_t size);
void qe__sha256_final(qe__sha256_state *s, uint8_t out[32]);

/* All at once. */
void qe__sha256(const void *data, size_t size, uint8_t out[32]);
/* 64 hexadecimal digits and a zero. */
void qe__sha256_text(const uint8_t hash[32], char text[65]);

#endif
