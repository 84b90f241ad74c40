/* weight_only/embedding.inc for AVX-512. */
#include "weight_only/embedding.inc"
