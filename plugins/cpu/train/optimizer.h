/* SgdUpdate and AdamUpdate: how they are cut. */
#ifndef QE_CPU_TRAIN_OPTIMIZER_H
#define QE_CPU_TRAIN_OPTIMIZER_H

#include "fb.h"

#define FB_OPTIMIZER_TILE 32768 /* elements */

#endif
