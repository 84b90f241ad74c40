/*
 * How exact an output is. Levels: E0 the same bytes (every NaN equals every NaN); E1 codes that differ by one only
 * where the exact result lies halfway; E2 codes that differ by one on at most 0.1 % of the elements; E3 floats within
 * n * eps * sum of magnitudes (products, training ops) or 128 * eps * max(|ref|, 1 % of the largest |ref|) (everything
 * else); E4 floats with a signal of at least 40 dB over the error. Integers that are no codes are equal or wrong.
 */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conform/case.h"

enum { NONE = 255, MAP_ROWS = 4, MAP_COLUMNS = 48 };

void qe__detail(qe__case_result *out, const char *format, ...) {
  const size_t used = strlen(out->detail);
  va_list args;
  if (used + 2 >= sizeof out->detail) return;
  if (used) {
    out->detail[used] = '\n';
    out->detail[used + 1] = '\0';
  }
  va_start(args, format);
  vsnprintf(out->detail + strlen(out->detail), sizeof out->detail - strlen(out->detail), format, args);
  va_end(args);
}

/* An element as a number; wide integers keep all their bits in *whole. */
static double value_at(qe_dtype_t t, const void *data, int64_t i, int64_t *whole) {
  *whole = 0;
  switch (t) {
    case QE_FLOAT32: return (double)((const float *)data)[i];
    case QE_FLOAT64: return ((const double *)data)[i];
    case QE_UINT8:
    case QE_BOOL: *whole = ((const uint8_t *)data)[i]; break;
    case QE_INT8: *whole = ((const int8_t *)data)[i]; break;
    case QE_UINT16:
    case QE_FLOAT16:
    case QE_BFLOAT16: *whole = ((const uint16_t *)data)[i]; break;
    case QE_INT16: *whole = ((const int16_t *)data)[i]; break;
    case QE_UINT32: *whole = ((const uint32_t *)data)[i]; break;
    case QE_INT32: *whole = ((const int32_t *)data)[i]; break;
    default: *whole = ((const int64_t *)data)[i]; break;
  }
  return (double)*whole;
}

static bool is_real(qe_dtype_t t) {
  return t == QE_FLOAT32 || t == QE_FLOAT64;
}

static bool same(qe_dtype_t t, const void *a, const void *b, int64_t i) {
  const size_t size = qe_dtype_bits(t) / 8;
  if (memcmp((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, size) == 0) return true;
  int64_t unused;
  return is_real(t) && isnan(value_at(t, a, i, &unused)) && isnan(value_at(t, b, i, &unused));
}

/* What one output's comparison found. */
typedef struct finding {
  int64_t n, wrong, worst_at;
  double worst, signal, noise, largest;
  bool one_off; /* no code differs by more than one */
  bool finite;
} finding;

static finding compare(const qe__case_operand *o, const void *want, const void *got) {
  finding f = {.n = o->count, .worst_at = -1, .one_off = true, .finite = true};
  for (int64_t i = 0; i < o->count; i++) {
    int64_t w, g;
    const double a = value_at(o->dtype, want, i, &w), b = value_at(o->dtype, got, i, &g);
    if (is_real(o->dtype) && isfinite(a)) {
      f.signal += a * a;
      f.largest = fmax(f.largest, fabs(a));
    }
    if (same(o->dtype, want, got, i)) continue;
    double d = is_real(o->dtype) ? fabs(a - b) / fmax(fabs(a), (double)FLT_MIN) : fabs((double)w - (double)g);
    if (!isfinite(a) || !isfinite(b)) {
      f.finite = false;
      d = INFINITY;
    } else if (is_real(o->dtype)) {
      f.noise += (a - b) * (a - b);
    }
    if (d > 1.0) f.one_off = false;
    f.wrong++;
    if (f.worst_at < 0 || d > f.worst) {
      f.worst = d;
      f.worst_at = i;
    }
  }
  return f;
}

/* Every wrong code lies beside an exact half. */
static bool only_ties(const qe__built *b, const qe__case_operand *o, const void *want, const void *got) {
  for (int64_t i = 0; i < o->count; i++) {
    qe__terms t;
    if (same(o->dtype, want, got, i)) continue;
    if (!qe__terms_at(b, i, &t)) return false;
    const float v = (float)t.acc * (float)t.multiplier;
    if (fabsf(v - truncf(v)) != 0.5f) return false;
  }
  return true;
}

static bool within_bound(const qe__built *b, const qe__case_operand *o, uint32_t index, const finding *f,
                         const void *want, const void *got) {
  qe__model m;
  const bool modeled = qe__model_train(b, index, &m);
  bool within = true;
  for (int64_t i = 0; i < o->count && within; i++) {
    int64_t unused;
    qe__terms t;
    if (same(o->dtype, want, got, i)) continue;
    const double a = value_at(o->dtype, want, i, &unused), y = value_at(o->dtype, got, i, &unused);
    const double eps = o->dtype == QE_FLOAT64 ? DBL_EPSILON : (double)FLT_EPSILON;
    if (modeled) {
      within = fabs(y - m.value[i]) <= qe__model_bound(&m, i);
    } else if (index == 0 && b->terms && !b->quantized && qe__terms_at(b, i, &t)) {
      const double exact = fmin(fmax(t.sum, (double)b->act.lo), (double)b->act.hi);
      within = fabs(y - exact) <= (double)(t.count + 2) * eps * t.magnitude;
    } else {
      within = fabs(a - y) <= 128.0 * eps * fmax(fabs(a), 0.01 * f->largest);
    }
  }
  qe__model_free(&m);
  return within;
}

static uint32_t level_of(const qe__built *b, uint32_t index, const finding *f, const void *want, const void *got) {
  const qe__case_operand *o = &b->out[index];
  if (f->wrong == 0) return QE_EXACT_E0;
  if (is_real(o->dtype)) {
    if (!f->finite) return NONE;
    if (within_bound(b, o, index, f, want, got)) return QE_EXACT_E3;
    return f->signal > 0 && f->noise * 1e4 <= f->signal ? QE_EXACT_E4 : NONE;
  }
  const bool codes = index == 0 && (b->quantized || b->text.op == QE__OP_DynamicQuantizeLinear);
  if (!codes || !f->one_off) return NONE;
  if (b->terms && only_ties(b, o, want, got)) return QE_EXACT_E1;
  return f->wrong * 1000 <= f->n ? QE_EXACT_E2 : NONE;
}

/* ---- words ---- */

static void coordinates(const qe__case_operand *o, int64_t index, char *text, size_t size) {
  int64_t at[QE_MAX_RANK];
  for (uint32_t d = o->rank; d-- > 0;) {
    at[d] = index % o->dims[d];
    index /= o->dims[d];
  }
  (void)qe__dims_text(o->rank, at, text, size);
}

/* Which elements differ around the worst one, in the plane of the last two dimensions. */
static void map(const qe__case_operand *o, int64_t at, const void *want, const void *got, qe__case_result *out) {
  const int64_t columns = o->rank > 0 ? o->dims[o->rank - 1] : 1, rows = o->rank > 1 ? o->dims[o->rank - 2] : 1;
  const int64_t column = at % columns, row = at / columns % rows, plane = at / columns / rows * rows;
  const int64_t top = row < MAP_ROWS - 1 ? 0 : row - MAP_ROWS + 2,
                left = column < MAP_COLUMNS - 8 ? 0 : column - MAP_COLUMNS + 8;
  for (int64_t r = top; r < rows && r < top + MAP_ROWS; r++) {
    char line[MAP_COLUMNS + 1];
    int64_t n = 0;
    for (int64_t c = left; c < columns && n < MAP_COLUMNS; c++)
      line[n++] = same(o->dtype, want, got, (plane + r) * columns + c) ? '.' : 'x';
    line[n] = '\0';
    qe__detail(out, "  %s   row %lld, from column %lld", line, (long long)r, (long long)left);
  }
}

static void explain(const qe__built *b, uint32_t index, const finding *f, const void *want, const void *got,
                    qe__case_result *out) {
  const qe__case_operand *o = &b->out[index];
  char where[160];
  int64_t w, g;
  qe__terms t;
  coordinates(o, f->worst_at, where, sizeof where);
  const double a = value_at(o->dtype, want, f->worst_at, &w), y = value_at(o->dtype, got, f->worst_at, &g);
  if (is_real(o->dtype))
    qe__detail(out, "output %u at %s: expected %.9g, got %.9g (relative error %.3g)", (unsigned)index, where, a, y,
               f->worst);
  else
    qe__detail(out, "output %u at %s: expected %lld, got %lld (off by %.0f)", (unsigned)index, where, (long long)w,
               (long long)g, f->worst);
  if (index == 0 && qe__terms_at(b, f->worst_at, &t)) {
    if (b->quantized && b->out[0].q.view.count) {
      qe__detail(out, "accumulator %lld of %lld products, multiplier %.9g, product %.9g, zero point %d",
                 (long long)t.acc, (long long)t.count, t.multiplier, (double)((float)t.acc * (float)t.multiplier),
                 (int)b->out[0].q.zero_points[0]);
    } else if (b->in[0].dtype == QE_FLOAT32 || b->in[0].dtype == QE_FLOAT64) {
      qe__detail(out, "in double: %.12g, sum of %lld magnitudes %.6g", t.sum, (long long)t.count, t.magnitude);
    } else {
      qe__detail(out, "accumulator %lld of %lld products", (long long)t.acc, (long long)t.count);
    }
  }
  qe__detail(out, "wrong: %lld of %lld elements", (long long)f->wrong, (long long)f->n);
  map(o, f->worst_at, want, got, out);
}

void qe__judge(const qe__kernel *kernel, const qe__built *b, const qe__run_result *want, const qe__run_result *got,
               qe__case_result *out) {
  uint32_t worst_level = 0, worst_output = 0;
  finding shown = {.worst_at = -1};
  (void)kernel;
  for (uint32_t i = 0; i < b->n_out; i++) {
    const finding f = compare(&b->out[i], want->out[i], got->out[i]);
    const uint32_t level = level_of(b, i, &f, want->out[i], got->out[i]);
    out->elements += f.n;
    out->wrong += f.wrong;
    out->worst = fmax(out->worst, f.worst);
    if (level > worst_level) {
      worst_level = level;
      worst_output = i;
      shown = f;
    }
  }
  out->level = worst_level;
  if (worst_level) explain(b, worst_output, &shown, want->out[worst_output], got->out[worst_output], out);
}

bool qe__judge_mistrusts(const qe__built *b, const qe__run_result *want, char *why, size_t size) {
  enum { ENOUGH = 64, FEW = 16 };
  const qe__case_operand *o = &b->out[0];
  const char *pattern = qe__case_text(&b->text, "pat"), *sc = qe__case_text(&b->text, "sc");
  const bool computes = b->terms || (b->quantized && (o->dtype == QE_UINT8 || o->dtype == QE_INT8));
  if (!computes || o->count < ENOUGH || pattern || (sc && strcmp(sc, "mid") != 0) || qe__case_text(&b->text, "act") ||
      qe__case_text(&b->text, "zp") || b->in[0].count < ENOUGH)
    return false;
  int64_t distinct = 0, saturated = 0;
  if (o->dtype == QE_UINT8 || o->dtype == QE_INT8) {
    bool seen[256] = {false};
    for (int64_t i = 0; i < o->count; i++) {
      int64_t v;
      (void)value_at(o->dtype, want->out[0], i, &v);
      seen[v & 255] = true;
      saturated += v <= b->clamp_lo || v >= b->clamp_hi;
    }
    for (int i = 0; i < 256; i++) distinct += seen[i];
  } else {
    int64_t v;
    const double first = value_at(o->dtype, want->out[0], 0, &v);
    for (int64_t i = 1; i < o->count && distinct < FEW; i++)
      distinct += value_at(o->dtype, want->out[0], i, &v) != first;
  }
  if (distinct >= FEW && saturated * 2 <= o->count) return false;
  snprintf(why, size, "the oracle's output has %lld distinct values and %lld of %lld saturated: it would hide errors",
           (long long)distinct, (long long)saturated, (long long)o->count);
  return true;
}
