/* Two float32 operands with broadcasting: how they are cut. */
#ifndef QE_CPU_FLOAT_BINARY_H
#define QE_CPU_FLOAT_BINARY_H

#include "codes/nest.h"

#define FB_BINARY_TILE 32768 /* elements */

#endif
