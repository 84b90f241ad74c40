/* Pools of float32, NEON. */
#include "pool/f32.inc"
