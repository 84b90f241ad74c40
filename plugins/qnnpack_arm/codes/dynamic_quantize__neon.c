#include "codes/dynamic_quantize.inc"
