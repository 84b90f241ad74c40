/* weight_only/embedding_bag.inc for NEON. */
#include "weight_only/embedding_bag.inc"
