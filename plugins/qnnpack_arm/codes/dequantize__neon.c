#include "codes/dequantize.inc"
