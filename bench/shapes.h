/* The products and convolutions that kernels are compared on: those of well-known networks, batch 1. */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct shape {
  bool conv;
  /* gemm: m x k times k x n. conv: c channels of size x size, o channels out. */
  int64_t m, n, k;
  int64_t c, size, o, kernel, stride, groups;
} shape;

extern const shape shapes[];
extern const int n_shapes;

/* "gemm 64x800x320", "conv 64,56 64,3,1,1". Valid until the next call. */
const char *shape_name(const shape *s);
/* "gemm:M,N,K" or "conv:C,H,O,k,stride,groups". False: it is neither. */
bool shape_parse(const char *text, shape *out);
int64_t shape_out_size(const shape *s);
int64_t shape_macs(const shape *s);

#endif
