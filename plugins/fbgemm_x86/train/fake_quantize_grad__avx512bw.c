/* train/fake_quantize_grad.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/fake_quantize_grad.inc"
