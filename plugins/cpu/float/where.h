/* Where: how it is cut. */
#ifndef QE_FBGEMM_FLOAT_WHERE_H
#define QE_FBGEMM_FLOAT_WHERE_H

#define FB_WHERE_TILE 32768 /* elements */

#endif
