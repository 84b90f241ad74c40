/* Tiles of Embedding (rows of the output) and of EmbeddingBag (bags). */
#ifndef QE_CPU_WEIGHT_ONLY_EMBEDDING_H
#define QE_CPU_WEIGHT_ONLY_EMBEDDING_H

#include "fb.h"

int64_t fb_embedding_rows_per_tile(const qe_problem *p);
int64_t fb_embedding_bag_bags_per_tile(const qe_problem *p);

#endif
