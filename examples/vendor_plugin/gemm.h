/* The int8 matrix product of the acme engine: what its files share. */
#ifndef ACME_GEMM_H
#define ACME_GEMM_H

#include <qengine_plugin.h>

/*
 * Blocks of MR x NR; the sum runs over pairs of k. Operands of `multiply`, int16 without zero points:
 *   a: for each pair of k, MR times two values    b: for each pair of k, NR times two values
 * An odd k is padded with a zero. acc[r][c] = sum over k of a * b, exact.
 */
enum { MR = 6, NR = 16, KR = 2 };

typedef void (*acme_multiply)(int64_t pairs, const int16_t *a, const int16_t *b, int32_t acc[MR][NR]);
void acme_multiply_6x16__c(int64_t pairs, const int16_t *a, const int16_t *b, int32_t acc[MR][NR]);
void acme_multiply_6x16__avx2(int64_t pairs, const int16_t *a, const int16_t *b, int32_t acc[MR][NR]);

int acme_gemm_supports(void *self, const qe_problem *p, char *reason, size_t size);
int acme_gemm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);
int acme_gemm_prepack(void *self, const qe_problem *p, void *packed);
/* run() with one of the inner loops. */
int acme_gemm_run(acme_multiply multiply, const qe_call *call, int64_t tile_begin, int64_t tile_end);

extern const qe_observer acme_observer_pow2;

/* What create makes and every other function gets back as `self`. */
typedef struct acme {
  const qe_host *host;
} acme;

#endif
