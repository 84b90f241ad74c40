/* What one core can multiply and add at most, for comparing kernels' times with. */
#ifndef QE_CORE_CONFORM_PEAK_H
#define QE_CORE_CONFORM_PEAK_H

#include <stdbool.h>

/* Measured, about 20 ms: 1e9 multiply-adds a second, of float32 or of 16-bit integers (AVX2 where there is one). */
double qe__peak_gmacs(bool integer);

#endif
