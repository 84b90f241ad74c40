/* See measure.h. SLEEF's deterministic functions: the same numbers on every machine. */
#include "measure.h"

#include <math.h>
#include <sleef.h>
#include <stdlib.h>

void cli_difference_add(cli_difference *d, int64_t count, const float *x, const float *y) {
  for (int64_t i = 0; i < count; i++) {
    const double a = (double)x[i], b = (double)y[i];
    if (isnan(a) || isnan(b) || (isinf(a) && a != b) || (isinf(b) && a != b)) {
      d->invalid = true;
      continue;
    }
    if (isinf(a)) continue; /* the same infinity on both sides */
    const double e = a - b;
    d->signal += a * a;
    d->noise += e * e;
    d->dot += a * b;
    d->other += b * b;
    if (fabs(e) > d->max_error) d->max_error = fabs(e);
  }
  d->count += count;
}

double cli_difference_sqnr(const cli_difference *d) {
  if (d->invalid) return NAN;
  if (d->noise == 0.0) return CLI_SQNR_MOST;
  if (d->signal == 0.0) return -CLI_SQNR_MOST;
  const double db = 10.0 * Sleef_cinz_log10d1_u10purec(d->signal / d->noise);
  return db > CLI_SQNR_MOST ? CLI_SQNR_MOST : db < -CLI_SQNR_MOST ? -CLI_SQNR_MOST : db;
}

double cli_difference_cosine(const cli_difference *d) {
  if (d->invalid) return NAN;
  if (d->noise == 0.0) return 1.0;
  if (d->signal == 0.0 || d->other == 0.0) return 0.0;
  const double cosine = d->dot / (sqrt(d->signal) * sqrt(d->other));
  return cosine > 1.0 ? 1.0 : cosine < -1.0 ? -1.0 : cosine;
}

bool cli_score_add(cli_score *s, int64_t rows, int64_t classes, const float *logits, const int64_t *labels,
                   int64_t *bad) {
  for (int64_t r = 0; r < rows; r++, logits += classes) {
    const int64_t label = labels[r];
    if (label < 0 || label >= classes) {
      *bad = r;
      return false;
    }
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++)
      if (logits[c] > logits[best]) best = c;
    const double top = (double)logits[best];
    double sum = 0.0;
    for (int64_t c = 0; c < classes; c++) sum += Sleef_cinz_expd1_u10purec((double)logits[c] - top);
    s->loss += Sleef_cinz_logd1_u10purec(sum) + top - (double)logits[label];
    s->correct += best == label;
  }
  s->count += rows;
  return true;
}

qe_status_t cli_as_float(qe_tensor_t *tensor, qe_tensor_t **out) {
  *out = NULL;
  if (qe_tensor_dtype(tensor) == QE_FLOAT32) {
    *out = qe_tensor_retain(tensor);
    return QE_OK;
  }
  return qe_tensor_qparams(tensor) ? qe_dequantize(tensor, out) : QE_ERROR_DTYPE;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

cli_spread cli_spread_of(double *values, size_t count) {
  if (count == 0) return (cli_spread){ NAN, NAN, NAN };
  qsort(values, count, sizeof *values, by_value);
  const double median = count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
  return (cli_spread){ median, values[(count * 9 + 9) / 10 - 1], values[0] };
}
