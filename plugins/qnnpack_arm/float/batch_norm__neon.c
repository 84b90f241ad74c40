#include "float/batch_norm.inc"
