#include "float/layer_norm.inc"
