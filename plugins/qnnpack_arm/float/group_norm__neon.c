#include "float/group_norm.inc"
