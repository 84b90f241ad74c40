/* Pools of 8-bit codes, AVX-512. */
#include "pool/codes.inc"
