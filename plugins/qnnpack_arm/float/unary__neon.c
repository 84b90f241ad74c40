#include "float/unary.inc"
