/* Making, feeding and comparing observers in tests. */
#include "observe_util.h"

#include <math.h>

#include "base/memory.h"

rng rng_for(const char *test, uint64_t seed) {
  const char *given = getenv("QE_TEST_SEED");
  if (given) seed = strtoull(given, NULL, 0);
  fprintf(stderr, "%s: seed %llu (QE_TEST_SEED=%llu repeats it)\n", test, (unsigned long long)seed,
          (unsigned long long)seed);
  return (rng){seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
}

uint64_t rng_next(rng *r) { /* splitmix64 */
  uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

double rng_uniform(rng *r) {
  return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_gaussian(rng *r) { /* the sum of twelve: close enough, and the same everywhere */
  double sum = -6.0;
  for (int i = 0; i < 12; i++) sum += rng_uniform(r);
  return sum;
}

int64_t rng_below(rng *r, int64_t n) {
  return (int64_t)(rng_next(r) % (uint64_t)n);
}

const char *const SHAPE_NAMES[SHAPES] = {"gaussian",     "relu of gaussian", "uniform",
                                         "heavy-tailed", "one-sided",        "negative"};

float *random_values(rng *r, shape s, int64_t n) {
  float *x = malloc((size_t)n * sizeof *x);
  cr_assert_not_null(x);
  for (int64_t i = 0; i < n; i++) {
    const double g = rng_gaussian(r);
    switch (s) {
      case GAUSSIAN: x[i] = (float)g; break;
      case RELU_GAUSSIAN: x[i] = g > 0.0 ? (float)g : 0.0f; break;
      case UNIFORM: x[i] = (float)(rng_uniform(r) * 7.0 - 2.5); break;
      case HEAVY_TAILED: x[i] = (float)(g / (0.02 + rng_uniform(r))); break;
      case ONE_SIDED: x[i] = (float)(g * g + 0.5); break;
      default: x[i] = (float)(-3.0 - g * g * 0.5); break;
    }
  }
  return x;
}

qe_observer_config_t config_of(const char *observer) {
  qe_observer_config_t c;
  qe_observer_config_default(&c);
  memset(c.observer, 0, sizeof c.observer);
  memcpy(c.observer, observer, strlen(observer));
  if (strstr(observer, "per_channel")) {
    c.qscheme = QE_PER_CHANNEL_SYMMETRIC;
    c.dtype = QE_INT8;
  }
  return c;
}

qe__observer *new_observer(const qe_observer_config_t *config) {
  qe__observer *o = NULL;
  cr_assert_eq(qe__observer_create(config, "test", &o), QE_OK, "%s", qe_last_error());
  return o;
}

void feed_shaped(qe__observer *o, const float *x, uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, rank, dims, x, &t), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__observer_observe(o, t), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
}

void feed(qe__observer *o, const float *x, int64_t n) {
  feed_shaped(o, x, 1, &n);
}

saved save_of(const qe__observer *o) {
  saved s = {NULL, 0};
  cr_assert_eq(qe__observer_save(o, &s.data, &s.size), QE_OK, "%s", qe_last_error());
  return s;
}

void same_state(const qe__observer *a, const qe__observer *b, const char *what) {
  const saved x = save_of(a), y = save_of(b);
  cr_assert_eq(x.size, y.size, "%s: %zu and %zu bytes", what, x.size, y.size);
  cr_assert_eq(memcmp(x.data, y.data, x.size), 0, "%s: the states differ", what);
  qe__free(x.data);
  qe__free(y.data);
}

void same_qparams(const qe__observer *a, const qe__observer *b, const char *what) {
  qe__qparams x = {0}, y = {0};
  bool seen_x, seen_y;
  cr_assert_eq(qe__observer_qparams(a, &x, &seen_x), QE_OK, "%s: %s", what, qe_last_error());
  cr_assert_eq(qe__observer_qparams(b, &y, &seen_y), QE_OK, "%s: %s", what, qe_last_error());
  cr_assert_eq(seen_x, seen_y, "%s: observed %d and %d", what, seen_x, seen_y);
  cr_assert(qe__qparams_equal(&x.view, &y.view), "%s: scale %a, zero point %d and scale %a, zero point %d", what,
            (double)x.scales[0], x.zero_points[0], (double)y.scales[0], y.zero_points[0]);
  qe__qparams_clear(&x);
  qe__qparams_clear(&y);
}
