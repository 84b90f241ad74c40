/* Pools of float32, AVX-512. */
#include "pool/f32.inc"
