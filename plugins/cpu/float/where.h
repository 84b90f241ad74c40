/* Where: how it is cut. */
#ifndef QE_CPU_FLOAT_WHERE_H
#define QE_CPU_FLOAT_WHERE_H

#define FB_WHERE_TILE 32768 /* elements */

#endif
