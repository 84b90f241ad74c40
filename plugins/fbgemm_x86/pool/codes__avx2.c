/* Pools of 8-bit codes, AVX2. */
#include "pool/codes.inc"
