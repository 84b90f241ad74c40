/* SHA-256 against the vectors of FIPS 180-4 and its examples. */
#include "base/sha256.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *text; size_t repeat; const char *hash; } vectors[] = {
  {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
  {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
  {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
  {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1,
   "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
  {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

Test(sha256, vectors) {
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
    const size_t n = strlen(vectors[i].text), total = n * vectors[i].repeat;
    char *data = malloc(total + 1), text[65];
    uint8_t hash[32];
    for (size_t r = 0; r < vectors[i].repeat; r++) memcpy(data + r * n, vectors[i].text, n);
    qe__sha256(data, total, hash);
    qe__sha256_text(hash, text);
    cr_assert_str_eq(text, vectors[i].hash, "vector %zu: %s", i, text);
    free(data);
  }
}

Test(sha256, any_split_gives_the_same_hash) {
  uint8_t data[300], whole[32], split[32];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7);
  for (size_t size = 0; size < sizeof data; size += 13) {
    qe__sha256(data, size, whole);
    for (size_t cut = 0; cut <= size; cut++) {
      qe__sha256_state s;
      qe__sha256_init(&s);
      qe__sha256_update(&s, data, cut);
      qe__sha256_update(&s, data + cut, size - cut);
      qe__sha256_final(&s, split);
      cr_assert_arr_eq(whole, split, 32, "size %zu, cut at %zu", size, cut);
    }
  }
}

Test(sha256, special_instructions_and_portable_code_agree) {
  const qe__sha256_blocks_fn special = qe__sha256_blocks_special();
  if (special == NULL) cr_skip_test("the processor has no instructions for SHA-256");
  uint8_t blocks[64 * 9];
  uint32_t seed = 1;
  for (size_t i = 0; i < sizeof blocks; i++) blocks[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  for (size_t count = 0; count <= 9; count++) {
    uint32_t a[8], b[8];
    for (size_t i = 0; i < 8; i++) a[i] = b[i] = (seed = seed * 1664525u + 1013904223u);
    special(a, blocks, count);
    qe__sha256_blocks_portable(b, blocks, count);
    cr_assert_arr_eq(a, b, sizeof a, "%zu blocks", count);
  }
}

Test(sha256, portable_code_gives_the_vector) {
  uint8_t block[64] = {'a', 'b', 'c', 0x80};
  qe__sha256_state s;
  qe__sha256_init(&s);
  block[63] = 24;
  qe__sha256_blocks_portable(s.h, block, 1);
  cr_assert_eq(s.h[0], 0xba7816bf);
  cr_assert_eq(s.h[7], 0xf20015ad);
}
