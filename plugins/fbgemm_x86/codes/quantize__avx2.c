#include "codes/quantize.inc"
