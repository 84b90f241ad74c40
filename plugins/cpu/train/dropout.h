/* RandomDropout: how it is cut. */
#ifndef QE_CPU_TRAIN_DROPOUT_H
#define QE_CPU_TRAIN_DROPOUT_H

#include "fb.h"

#define FB_DROPOUT_TILE 32768 /* elements */

#endif
