/* train/fake_quantize.inc for AVX2. */
#include "train/fake_quantize.inc"
