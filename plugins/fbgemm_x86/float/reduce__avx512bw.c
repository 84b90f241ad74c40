#include "float/reduce.inc"
