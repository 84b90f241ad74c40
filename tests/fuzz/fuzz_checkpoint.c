/* The reader of checkpoints: as whole files, and, past the checksum that a fuzzer cannot guess, as what is inside. */
#include "fuzz.h"
#include "train/checkpoint.h"

static unsigned touch(const qe__checkpoint *c) {
  unsigned sum = 0;
  for (uint64_t i = 0; i < c->count; i++) {
    const qe__checkpoint_entry *e = &c->entries[i];
    for (size_t k = 0; k < e->bytes; k++) sum += e->data[k];
    for (uint32_t k = 0; k < e->kind_length; k++) sum += (unsigned char)e->kind[k];
    for (uint32_t k = 0; k < e->name_length; k++) sum += (unsigned char)e->name[k];
  }
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static volatile unsigned sum;
  qe__checkpoint c;
  if (qe__checkpoint_parse(data, size, "fuzz", &c) == QE_OK) {
    sum += touch(&c);
    qe__free(c.entries);
  }
  if (qe__checkpoint_body(data, size, "fuzz", &c) == QE_OK) {
    sum += touch(&c);
    qe__free(c.entries);
  }
  (void)sum; /* every byte was read */
  return 0;
}
