#include "float/where.inc"
