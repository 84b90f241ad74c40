/* Data of a case: random numbers, patterns, and what is filled into each operand. The text and the seed decide all of
 * it. */
#include <math.h>
#include <string.h>

#include "conform/case.h"
#include "registry/quant_rule.h"
#include "tensor/codes.h"

uint64_t qe__random(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

int64_t qe__random_int(uint64_t *state, int64_t lo, int64_t hi) {
  return lo + (int64_t)(qe__random(state) % ((uint64_t)hi - (uint64_t)lo + 1));
}

float qe__random_float(uint64_t *state, float lo, float hi) {
  return lo + (hi - lo) * (float)(qe__random(state) >> 40) * 0x1p-24f;
}

/* ---- patterns as positions between the ends of a range: -1 lo, 0 zero, 1 hi; anything between ---- */

typedef struct stream {
  const char *pattern;
  uint64_t state;
  int64_t hot, terms;
  bool second;
} stream;

static stream stream_of(const char *pattern, int64_t n, uint64_t seed, bool second) {
  stream s = {.pattern = pattern, .state = seed, .second = second};
  s.hot = n > 0 ? qe__random_int(&s.state, 0, n - 1) : 0;
  return s;
}

/* Where element i lies; NAN: a random one. */
static float position(stream *s, int64_t i) {
  const char *p = s->pattern;
  if (strcmp(p, "zero") == 0) return 0.0f;
  if (strcmp(p, "min") == 0) return -1.0f;
  if (strcmp(p, "max") == 0) return 1.0f;
  if (strcmp(p, "alt") == 0) return (i / (1 + (i >> 6) % 5)) % 2 ? 1.0f : -1.0f; /* runs of 1, then 2, 3, ... */
  if (strcmp(p, "ramp") == 0) return (float)(i % 257 - 128) / 128.0f;
  if (strcmp(p, "onehot") == 0) return i == s->hot ? 1.0f : s->second ? NAN : 0.0f;
  if (strcmp(p, "sparse") == 0) return qe__random(&s->state) % 10 < 9 ? 0.0f : NAN;
  return NAN;
}

static int64_t pick_code(stream *s, int64_t i, int64_t lo, int64_t hi, int64_t zero) {
  if (strcmp(s->pattern, "edge") == 0) {
    const int64_t edges[] = {lo, lo + 1, zero - 1, zero, zero + 1, hi - 1, hi};
    const int64_t v = edges[qe__random(&s->state) % 7];
    return v < lo ? lo : v > hi ? hi : v;
  }
  if (strcmp(s->pattern, "trap") == 0) { /* 211 * 71 + 171 * 107 = 33278: more than int16 holds */
    static const int64_t first[2] = {211, 171}, other[2] = {71, 107};
    return hi == 255 ? first[qe__random(&s->state) & 1] : other[qe__random(&s->state) & 1];
  }
  if (strcmp(s->pattern, "swing") == 0) { /* sums of rows of weights climb far up and come back down */
    const int64_t up = hi - (int64_t)(qe__random(&s->state) & 1), down = 2 * zero - up;
    return !s->second || s->terms <= 0 || i % s->terms * 2 < s->terms ? up : down < lo ? lo : down;
  }
  const float at = position(s, i);
  if (at != at) return qe__random_int(&s->state, lo, hi);
  const double v = at < 0.0f ? (double)zero + (double)at * ((double)zero - (double)lo)
                             : (double)zero + (double)at * ((double)hi - (double)zero);
  return v <= (double)lo ? lo : v >= (double)hi ? hi : (int64_t)v;
}

static float pick_float(stream *s, int64_t i) {
  static const float special[] = {0.0f,    -0.0f,    1.0f, -1.0f, INFINITY, -INFINITY, NAN,   1e-40f,  -1e-42f,
                                  3.4e38f, -3.4e38f, 0.5f, 1.5f,  2.5f,     -0.5f,     88.9f, -104.0f, 1e-38f};
  static const float edge[] = {0.0f,  1.0f, -1.0f, 0.5f,   -0.5f,  1.5f,   -2.5f,   3.0f,
                               -3.0f, 6.0f, 20.0f, -20.0f, 0.001f, 127.5f, -128.5f, 255.5f};
  if (strcmp(s->pattern, "special") == 0) return special[qe__random(&s->state) % (sizeof special / sizeof special[0])];
  if (strcmp(s->pattern, "edge") == 0) return edge[qe__random(&s->state) % (sizeof edge / sizeof edge[0])];
  const float at = position(s, i);
  return at == at ? 4.0f * at : qe__random_float(&s->state, -4.0f, 4.0f);
}

/* ---- storing ---- */

static uint16_t bits_of_half(float v) { /* exact for the small multiples of 1/64 that are stored */
  uint32_t u;
  if (v == 0.0f) return 0;
  memcpy(&u, &v, sizeof u);
  return (uint16_t)((u >> 16 & 0x8000u) | (((u >> 23 & 0xFFu) - 112u) << 10) | (u >> 13 & 0x3FFu));
}

static void store(qe_dtype_t dtype, void *data, int64_t i, int64_t code, float value) {
  switch (dtype) {
    case QE_FLOAT32: ((float *)data)[i] = value; return;
    case QE_FLOAT64: ((double *)data)[i] = (double)value; return;
    case QE_FLOAT16:
      ((uint16_t *)data)[i] = bits_of_half(nearbyintf(fmaxf(-4.0f, fminf(4.0f, value)) * 64.0f) / 64.0f);
      return;
    case QE_BFLOAT16: {
      uint32_t u;
      memcpy(&u, &value, sizeof u);
      ((uint16_t *)data)[i] = (uint16_t)(u >> 16);
      return;
    }
    case QE_BOOL: ((uint8_t *)data)[i] = code & 1; return;
    case QE_UINT8:
    case QE_INT8: ((uint8_t *)data)[i] = (uint8_t)code; return;
    case QE_UINT4:
    case QE_INT4: qe__codes_store(dtype, data, i, 1, &(int32_t){(int32_t)code}); return;
    case QE_UINT16:
    case QE_INT16: ((uint16_t *)data)[i] = (uint16_t)code; return;
    case QE_UINT32:
    case QE_INT32: ((uint32_t *)data)[i] = (uint32_t)code; return;
    case QE_UINT64:
    case QE_INT64: ((uint64_t *)data)[i] = (uint64_t)code; return;
    default: return;
  }
}

/* Plain integers stay small enough for products of a few of them; narrow types are used whole. */
static void code_range(qe_dtype_t dtype, int64_t *lo, int64_t *hi) {
  int32_t low = 0, high = 1;
  if (dtype == QE_BOOL) {
    *lo = 0;
    *hi = 1;
    return;
  }
  if (dtype == QE_UINT8 || dtype == QE_INT8 || dtype == QE_UINT16 || dtype == QE_INT16 ||
      dtype == QE_UINT4 || dtype == QE_INT4) {
    (void)qe__dtype_integer_range(dtype, &low, &high);
    *lo = low;
    *hi = high;
    return;
  }
  *lo = dtype == QE_UINT32 || dtype == QE_UINT64 ? 0 : -1000;
  *hi = 1000;
}

static bool is_float(qe_dtype_t t) {
  return t == QE_FLOAT32 || t == QE_FLOAT64 || t == QE_FLOAT16 || t == QE_BFLOAT16;
}

void qe__fill_pattern(const qe__built *b, const qe__case_operand *o, const char *pattern, uint64_t seed, bool second) {
  stream s = stream_of(pattern, o->count, seed, second);
  s.terms = b->terms;
  int64_t lo, hi;
  code_range(o->dtype, &lo, &hi);
  const bool narrow =
      b->terms > 0 && qe__case_is(&b->text, "sc", "half"); /* sums of a few units, so that halves are common */
  for (int64_t i = 0; i < o->count; i++) {
    if (is_float(o->dtype)) {
      store(o->dtype, o->data->data, i, 0, pick_float(&s, i));
      continue;
    }
    const int64_t zero = o->q.view.count ? o->q.zero_points[0] : 0;
    int64_t code = pick_code(&s, i, lo, hi, zero < lo ? lo : zero > hi ? hi : zero);
    if (narrow) {
      code = zero + qe__random_int(&s.state, -2, 2);
      code = code < lo ? lo : code > hi ? hi : code;
    }
    store(o->dtype, o->data->data, i, code, 0.0f);
  }
}

static void fill_bias(const qe__built *b, const qe__case_operand *o, uint64_t seed) {
  const bool big = qe__case_is(&b->text, "pat", "big"), zero = qe__case_is(&b->text, "pat", "zero");
  const bool narrow = qe__case_is(&b->text, "sc", "half");
  const int64_t reach = INT32_MAX - 1 - b->terms * 255 * 255;
  const int64_t normal = narrow ? 3 : (int64_t)(2000.0 * sqrt((double)(b->terms + 1)));
  for (int64_t i = 0; i < o->count; i++) {
    const int64_t v = zero               ? 0
                      : big && reach > 0 ? (qe__random(&seed) & 1 ? reach : -reach)
                                         : qe__random_int(&seed, -normal, normal);
    store(o->dtype, o->data->data, i, v, zero ? 0.0f : qe__random_float(&seed, -2.0f, 2.0f));
  }
}

static void fill_numbers(const qe__case_operand *o, uint64_t seed) {
  for (int64_t i = 0; i < o->count; i++) {
    switch (o->fill) {
      case QE__FILL_POSITIVE:
        store(o->dtype, o->data->data, i, qe__random_int(&seed, 1, 5), qe__random_float(&seed, 0.5f, 2.0f));
        break;
      case QE__FILL_INDEX:
        store(o->dtype, o->data->data, i, o->limit > 0 ? qe__random_int(&seed, -o->limit, o->limit - 1) : 0, 0.0f);
        break;
      case QE__FILL_LENGTH:
        store(o->dtype, o->data->data, i, qe__random_int(&seed, 0, o->limit),
              (float)qe__random_int(&seed, 0, o->limit));
        break;
      default:
        store(o->dtype, o->data->data, i, (int64_t)(qe__random(&seed) & 0xFF), qe__random_float(&seed, -1.0f, 1.0f));
        break;
    }
  }
}

/* The output's parameters of a product, so that most sums fit its codes: from a sample of the sums. */
static qe_status_t calibrate(qe__built *b) {
  qe__case_operand *y = &b->out[0];
  const char *sc = qe__case_text(&b->text, "sc");
  int32_t lo, hi;
  if (!b->terms || !y->q.view.count || !y->count || (sc && strcmp(sc, "mid") != 0) ||
      !qe__dtype_integer_range(y->dtype, &lo, &hi))
    return QE_OK;
  double least = INFINITY, most = -INFINITY;
  uint64_t state = b->seed ^ 0x5eed;
  const float old = y->q.scales[0];
  for (int k = 0; k < 48; k++) {
    qe__terms t;
    if (!qe__terms_at(b, qe__random_int(&state, 0, y->count - 1), &t)) return QE_OK;
    const double v = (double)t.acc * t.multiplier * (double)old;
    least = fmin(least, v);
    most = fmax(most, v);
  }
  const bool given = qe__case_text(&b->text, "zp") != NULL;
  double scale = (most - least) / 200.0,
         zero = given ? y->q.zero_points[0] : nearbyint((double)lo + 28.0 - least / (scale > 0 ? scale : 1.0));
  if (given && most > least) { /* the zero point stays; the scale makes both ends fit, unless that leaves few codes */
    const double up = most > 0 && zero < hi ? most / ((double)hi - zero) : 0.0,
                 down = least < 0 && zero > lo ? -least / (zero - (double)lo) : 0.0;
    scale = fmin(fmax(fmax(up, down), (most - least) / 240.0), (most - least) / 100.0);
  }
  if (!(scale > 0) || !isfinite((float)scale) || (float)scale == 0.0f) return QE_OK;
  y->q.scales[0] = (float)scale;
  y->q.zero_points[0] = zero < lo ? lo : zero > hi ? hi : (int32_t)zero;
  return QE_OK;
}

qe_status_t qe__case_fill(qe__built *b) {
  const char *pattern = qe__case_text(&b->text, "pat");
  if (!pattern) pattern = "rand";
  for (uint32_t i = 0; i < b->n_in; i++) {
    qe__case_operand *o = &b->in[i];
    if (!o->present || o->data) continue;
    const uint64_t seed = b->seed + (i + 1) * UINT64_C(0xD1B54A32D192ED03);
    QE_TRY(qe_tensor_create(o->dtype, o->rank, o->dims, &o->data));
    switch (o->fill) {
      case QE__FILL_DATA: qe__fill_pattern(b, o, pattern, seed, false); break;
      case QE__FILL_WEIGHT: qe__fill_pattern(b, o, pattern, seed, true); break;
      case QE__FILL_BIAS: fill_bias(b, o, seed); break;
      default: fill_numbers(o, seed); break;
    }
  }
  QE_TRY(calibrate(b));
  qe__case_clamp(b);
  return QE_OK;
}

void qe__case_clamp(qe__built *b) {
  const qe__case_operand *y = &b->out[0];
  if (b->quantized && y->present)
    qe__act_codes(&b->act, y->dtype, y->q.view.count ? &y->q.view : NULL, &b->clamp_lo, &b->clamp_hi);
}
