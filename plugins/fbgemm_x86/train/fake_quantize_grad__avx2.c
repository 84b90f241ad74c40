/* train/fake_quantize_grad.inc for AVX2. */
#include "train/fake_quantize_grad.inc"
