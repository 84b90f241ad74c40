/* BatchNormTrain and BatchNormGrad: how they are cut, and their scratch memory. */
#ifndef QE_CPU_TRAIN_BATCH_NORM_TRAIN_H
#define QE_CPU_TRAIN_BATCH_NORM_TRAIN_H

#include "train/channels.h"

/* Arrays of scratch memory, fb_channels_size floats each. */
enum { FB_BN_SUM, FB_BN_SUM2, FB_BN_MEAN, FB_BN_FACTOR, FB_BN_A, FB_BN_B, FB_BN_GAIN, FB_BN_MULTIPLIER, FB_BN_TOTAL, FB_BN_TOTAL2, FB_BN_ARRAYS };

#endif
