/* The entry that libFuzzer and the replay program call. */
#ifndef QE_TESTS_FUZZ_H
#define QE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0. Crashes and sanitizer reports are what is looked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
