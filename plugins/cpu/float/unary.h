/* Unary float ops: how they are cut. */
#ifndef QE_CPU_FLOAT_UNARY_H
#define QE_CPU_FLOAT_UNARY_H

#include "fb.h"

/* Elements of a tile: of ops that are as fast as memory, and of those that call a function. */
#define FB_LIGHT_TILE 65536
#define FB_HEAVY_TILE 16384

#endif
