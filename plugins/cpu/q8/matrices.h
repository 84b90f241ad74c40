/* Rows of a matrix as rows of a product. */
#ifndef QE_CPU_Q8_MATRICES_H
#define QE_CPU_Q8_MATRICES_H

#include "q8/product.h"

/* Strides of A along m and k, of B along n and k; sizes are set. */
void fb_q8_matrices_init(fb_q8_product *p, int64_t a_m, int64_t a_k, int64_t b_n, int64_t b_k);

#endif
