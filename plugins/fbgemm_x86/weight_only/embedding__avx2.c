/* weight_only/embedding.inc for AVX2. */
#include "weight_only/embedding.inc"
