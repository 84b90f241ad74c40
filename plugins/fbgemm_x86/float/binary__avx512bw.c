#include "float/binary.inc"
