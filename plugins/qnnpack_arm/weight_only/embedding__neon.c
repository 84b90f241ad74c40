/* weight_only/embedding.inc for NEON. */
#include "weight_only/embedding.inc"
