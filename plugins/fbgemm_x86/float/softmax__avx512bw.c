#include "float/softmax.inc"
