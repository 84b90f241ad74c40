/* train/fake_quantize_grad.inc for NEON. */
#include "train/fake_quantize_grad.inc"
