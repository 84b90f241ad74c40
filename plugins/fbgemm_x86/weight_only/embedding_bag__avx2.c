/* weight_only/embedding_bag.inc for AVX2. */
#include "weight_only/embedding_bag.inc"
