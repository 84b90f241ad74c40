/* train/fake_quantize.inc for NEON. */
#include "train/fake_quantize.inc"
