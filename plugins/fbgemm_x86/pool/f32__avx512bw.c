#include "pool/f32.inc"
