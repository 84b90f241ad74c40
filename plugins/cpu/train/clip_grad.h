/* ClipGrad: how it is cut. */
#ifndef QE_CPU_TRAIN_CLIP_GRAD_H
#define QE_CPU_TRAIN_CLIP_GRAD_H

#include "codes/nest.h"

#define FB_CLIP_GRAD_TILE 65536 /* elements */

#endif
