/* train/fake_quantize.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/fake_quantize.inc"
