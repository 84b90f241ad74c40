#include "codes/elementwise.inc"
