/* weight_only/embedding_bag.inc for AVX-512. */
#include "weight_only/embedding_bag.inc"
