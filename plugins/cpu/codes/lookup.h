/* Lookup: how it is cut. */
#ifndef QE_CPU_CODES_LOOKUP_H
#define QE_CPU_CODES_LOOKUP_H

#include "fb.h"

#define FB_LOOKUP_TILE 131072 /* bytes */

#endif
