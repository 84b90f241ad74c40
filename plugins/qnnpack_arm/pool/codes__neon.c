/* Pools of 8-bit codes, NEON. */
#include "pool/codes.inc"
