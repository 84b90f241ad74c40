/* Pools of float32, AVX2. */
#include "pool/f32.inc"
