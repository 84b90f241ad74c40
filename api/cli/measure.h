/* Numbers about tensors: how far apart two are, how well logits agree with labels. Double accumulators, fixed order. */
#ifndef QE_CLI_MEASURE_H
#define QE_CLI_MEASURE_H

#include "cli.h"

#define CLI_SQNR_MOST 300.0 /* stands for "equal in every bit", so that outputs stay finite */

/* Running sums over pairs of tensors. Zero it to start. */
typedef struct cli_difference {
  double signal, noise, dot, other; /* sum x^2, sum (x-y)^2, sum x*y, sum y^2 */
  double max_error;
  int64_t count;
  bool invalid; /* a NaN, or an infinity on one side only */
} cli_difference;

void cli_difference_add(cli_difference *d, int64_t count, const float *x, const float *y);
/* 10 log10(signal / noise), kept within +-CLI_SQNR_MOST; NaN when invalid. */
double cli_difference_sqnr(const cli_difference *d);
double cli_difference_cosine(const cli_difference *d);

/* Running score of logits against labels. Zero it to start. */
typedef struct cli_score {
  double loss; /* sum of cross-entropies */
  int64_t count, correct;
} cli_score;

/* rows x classes logits; false when a label is out of range, with its row in *bad. The first of equal maxima counts. */
bool cli_score_add(cli_score *s, int64_t rows, int64_t classes, const float *logits, const int64_t *labels,
                   int64_t *bad);

/* A float32 view: the tensor itself (retained) or dequantized. DTYPE without an error message when it is neither. */
qe_status_t cli_as_float(qe_tensor_t *tensor, qe_tensor_t **out);

/* The middle, the 90th percentile (nearest rank) and the least; sorts `values`. NaN when there are none. */
typedef struct cli_spread {
  double median, p90, min;
} cli_spread;
cli_spread cli_spread_of(double *values, size_t count);

#endif
