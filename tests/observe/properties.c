/* What holds for observers whatever the data: batches, order, merging, saving, refusals. */
#include <float.h>
#include <math.h>

#include "base/memory.h"
#include "observe_util.h"

enum { ROUNDS = 20, N = 4000 };

static const char *const PER_TENSOR[] = {"min_max", "moving_average_min_max", "histogram"};
static const char *const ALL[] = {"min_max",
                                  "moving_average_min_max",
                                  "per_channel_min_max",
                                  "moving_average_per_channel_min_max",
                                  "histogram",
                                  "fixed_qparams",
                                  "placeholder",
                                  "recording",
                                  "noop",
                                  "reuse_input"};
enum { N_ALL = sizeof ALL / sizeof ALL[0] };

/* Feeds x in pieces of random sizes, empty ones included. */
static void feed_in_pieces(rng *r, qe__observer *o, const float *x, int64_t n) {
  for (int64_t at = 0; at < n;) {
    const int64_t piece = rng_below(r, n - at + 1);
    feed(o, x + at, piece);
    at += piece;
  }
}

static void shuffle(rng *r, float *x, int64_t n) {
  for (int64_t i = n - 1; i > 0; i--) {
    const int64_t j = rng_below(r, i + 1);
    const float t = x[i];
    x[i] = x[j];
    x[j] = t;
  }
}

Test(observe_properties, min_max_depends_on_the_values_only) {
  rng r = rng_for("min_max_depends_on_the_values_only", 1);
  const qe_observer_config_t c = config_of("min_max");
  for (int round = 0; round < ROUNDS; round++) {
    float *x = random_values(&r, (shape)(round % SHAPES), N);
    x[1] = 0.0f;
    x[2] = -0.0f;
    qe__observer *whole = new_observer(&c), *pieces = new_observer(&c), *shuffled = new_observer(&c);
    feed(whole, x, N);
    feed_in_pieces(&r, pieces, x, N);
    same_qparams(whole, pieces, "whole and in pieces");
    shuffle(&r, x, N);
    feed(shuffled, x, N);
    same_state(whole, shuffled, "two orders of one batch");
    qe__observer_destroy(&whole);
    qe__observer_destroy(&pieces);
    qe__observer_destroy(&shuffled);
    free(x);
  }
}

Test(observe_properties, a_zeros_sign_does_not_matter) {
  const qe_observer_config_t c = config_of("min_max");
  qe__observer *a = new_observer(&c), *b = new_observer(&c);
  feed(a, (const float[]){0.0f, -0.0f, 1.0f}, 3);
  feed(b, (const float[]){-0.0f, 0.0f, 1.0f}, 3);
  same_state(a, b, "0 before -0 and after it");
  qe__observer_destroy(&a);
  qe__observer_destroy(&b);
}

Test(observe_properties, merged_ranges_are_those_of_all_data) {
  rng r = rng_for("merged_ranges_are_those_of_all_data", 2);
  const char *const kinds[] = {"min_max", "per_channel_min_max"};
  for (int k = 0; k < 2; k++) {
    const qe_observer_config_t c = config_of(kinds[k]);
    for (int round = 0; round < ROUNDS; round++) {
      const int64_t dims[] = {5, 1 + rng_below(&r, 60)}, n = dims[0] * dims[1];
      float *x = random_values(&r, GAUSSIAN, n), *y = random_values(&r, ONE_SIDED, n);
      qe__observer *a = new_observer(&c), *b = new_observer(&c), *both = new_observer(&c);
      feed_shaped(a, x, 2, dims);
      feed_shaped(b, y, 2, dims);
      feed_shaped(both, x, 2, dims);
      feed_shaped(both, y, 2, dims);
      cr_assert_eq(qe__observer_merge(a, b), QE_OK, "%s", qe_last_error());
      same_state(a, both, kinds[k]);
      qe__observer_destroy(&a);
      qe__observer_destroy(&b);
      qe__observer_destroy(&both);
      free(x);
      free(y);
    }
  }
}

Test(observe_properties, merging_with_nothing_changes_nothing) {
  rng r = rng_for("merging_with_nothing_changes_nothing", 3);
  for (int k = 0; k < N_ALL; k++) {
    const qe_observer_config_t c = config_of(ALL[k]);
    float *x = random_values(&r, GAUSSIAN, 60);
    qe__observer *a = new_observer(&c), *b = new_observer(&c), *empty = new_observer(&c);
    feed_shaped(a, x, 2, (int64_t[]){6, 10});
    feed_shaped(b, x, 2, (int64_t[]){6, 10});
    cr_assert_eq(qe__observer_merge(a, empty), QE_OK, "%s", qe_last_error());
    same_state(a, b, ALL[k]);
    cr_assert_eq(qe__observer_merge(empty, a), QE_OK, "%s", qe_last_error());
    same_state(empty, b, ALL[k]);
    qe__observer_destroy(&a);
    qe__observer_destroy(&b);
    qe__observer_destroy(&empty);
    free(x);
  }
}

Test(observe_properties, moving_averages_merge_weighted_by_batches) {
  const qe_observer_config_t c = config_of("moving_average_min_max");
  qe__observer *a = new_observer(&c), *b = new_observer(&c);
  qe__qparams q = {0};
  bool observed;
  for (int i = 0; i < 3; i++) feed(a, (const float[]){0.0f, 1.0f}, 2);
  feed(b, (const float[]){0.0f, 5.0f}, 2);
  cr_assert_eq(qe__observer_merge(a, b), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__observer_qparams(a, &q, &observed), QE_OK, "%s", qe_last_error());
  cr_assert_eq(q.scales[0], 2.0f / 255.0f, "three batches to 1 and one to 5 give 2; found %g",
               (double)q.scales[0] * 255.0);
  qe__qparams_clear(&q);
  qe__observer_destroy(&a);
  qe__observer_destroy(&b);
}

Test(observe_properties, only_equals_merge) {
  qe_observer_config_t c = config_of("min_max"), d = c;
  d.eps = 0.5f;
  const qe_observer_config_t other[] = {config_of("moving_average_min_max"), config_of("histogram"), d};
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
    qe__observer *a = new_observer(&c), *b = new_observer(&other[i]);
    cr_assert_eq(qe__observer_merge(a, b), QE_ERROR_STATE, "%zu", i);
    cr_assert_not_null(strstr(qe_last_error(), "can't be merged"), "%s", qe_last_error());
    qe__observer_destroy(&a);
    qe__observer_destroy(&b);
  }
}

/* ---- saving ---- */

static void round_trip(const qe__observer *o, const qe_observer_config_t *c, const char *what) {
  const saved s = save_of(o);
  qe__observer *back = new_observer(c);
  cr_assert_eq(qe__observer_load(back, s.data, s.size), QE_OK, "%s: %s", what, qe_last_error());
  same_state(o, back, what);
  same_qparams(o, back, what);
  float lo[2], hi[2];
  cr_assert_eq(qe__observer_min_max(o, &lo[0], &hi[0]), qe__observer_min_max(back, &lo[1], &hi[1]), "%s", what);
  cr_assert(lo[0] == lo[1] && hi[0] == hi[1], "%s: %g..%g and %g..%g", what, (double)lo[0], (double)hi[0],
            (double)lo[1], (double)hi[1]);
  qe__observer_destroy(&back);
  qe__free(s.data);
}

Test(observe_properties, saved_states_come_back_the_same_and_go_on_the_same) {
  rng r = rng_for("saved_states_come_back_the_same_and_go_on_the_same", 4);
  for (int k = 0; k < N_ALL; k++) {
    const qe_observer_config_t c = config_of(ALL[k]);
    qe__observer *o = new_observer(&c), *resumed = new_observer(&c);
    round_trip(o, &c, ALL[k]);
    for (int batch = 0; batch < 4; batch++) {
      float *x = random_values(&r, (shape)(batch % SHAPES), 240);
      const saved s = save_of(o);
      cr_assert_eq(qe__observer_load(resumed, s.data, s.size), QE_OK, "%s", qe_last_error());
      feed_shaped(o, x, 3, (int64_t[]){4, 6, 10});
      feed_shaped(resumed, x, 3, (int64_t[]){4, 6, 10});
      same_state(o, resumed, ALL[k]);
      round_trip(o, &c, ALL[k]);
      qe__free(s.data);
      free(x);
    }
    qe__observer_destroy(&o);
    qe__observer_destroy(&resumed);
  }
}

/* Every byte of a saved state matters, and none can be missing or added. */
static void refuse_damage(rng *r, const char *kind) {
  const qe_observer_config_t c = config_of(kind);
  qe__observer *o = new_observer(&c), *target = new_observer(&c);
  float *x = random_values(r, GAUSSIAN, 60);
  feed_shaped(o, x, 2, (int64_t[]){6, 10});
  feed_shaped(target, x, 2, (int64_t[]){6, 5});
  const saved s = save_of(o), before = save_of(target);
  unsigned char *bad = malloc(s.size + 1);
  for (size_t i = 0; i<s.size; i += s.size> 1000 ? 61 : 1) {
    memcpy(bad, s.data, s.size);
    bad[i] ^= (unsigned char)(1u << rng_below(r, 8));
    cr_assert_eq(qe__observer_load(target, bad, s.size), QE_ERROR_FORMAT, "%s: byte %zu of %zu flipped, accepted", kind,
                 i, s.size);
    unsigned char *exact = malloc(i + 1); /* so that a sanitizer sees reads past the end */
    memcpy(exact, s.data, i);
    cr_assert_eq(qe__observer_load(target, exact, i), QE_ERROR_FORMAT, "%s: %zu bytes of %zu accepted", kind, i,
                 s.size);
    free(exact);
  }
  memcpy(bad, s.data, s.size);
  bad[s.size] = 0;
  cr_assert_eq(qe__observer_load(target, bad, s.size + 1), QE_ERROR_FORMAT, "%s: one byte more accepted", kind);
  cr_assert_not_null(strstr(qe_last_error(), "'test'"), "%s", qe_last_error());
  const saved after = save_of(target);
  cr_assert(after.size == before.size && memcmp(after.data, before.data, before.size) == 0,
            "%s: a refused state changed the observer", kind);
  qe__free(s.data);
  qe__free(before.data);
  qe__free(after.data);
  free(bad);
  free(x);
  qe__observer_destroy(&o);
  qe__observer_destroy(&target);
}

Test(observe_properties, damaged_states_are_refused) {
  rng r = rng_for("damaged_states_are_refused", 5);
  for (int k = 0; k < N_ALL; k++) refuse_damage(&r, ALL[k]);
}

Test(observe_properties, states_of_other_kinds_or_arguments_are_refused) {
  qe_observer_config_t args = config_of("min_max");
  args.reduce_range = 1;
  const qe_observer_config_t c = config_of("min_max"),
                             other[] = {config_of("moving_average_min_max"), config_of("recording"), args};
  qe__observer *o = new_observer(&c);
  feed(o, (const float[]){-1.0f, 2.0f}, 2);
  const saved s = save_of(o);
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
    qe__observer *target = new_observer(&other[i]);
    cr_assert_eq(qe__observer_load(target, s.data, s.size), QE_ERROR_FORMAT, "%zu", i);
    cr_assert_not_null(strstr(qe_last_error(), "these arguments"), "%s", qe_last_error());
    qe__observer_destroy(&target);
  }
  qe__free(s.data);
  qe__observer_destroy(&o);
}

/* ---- what is fed ---- */

Test(observe_properties, empty_tensors_are_nothing) {
  const int64_t shapes[][3] = {
      {0, 6, 2},
      {4, 0, 2},
      {4, 6, 0}
  };
  for (int k = 0; k < N_ALL; k++) {
    const qe_observer_config_t c = config_of(ALL[k]);
    qe__observer *fed = new_observer(&c), *fresh = new_observer(&c);
    for (int i = 0; i < 3; i++) feed_shaped(fed, NULL, 3, shapes[i]);
    same_state(fed, fresh, ALL[k]);
    qe__observer_destroy(&fed);
    qe__observer_destroy(&fresh);
  }
}

Test(observe_properties, not_finite_values_are_named_by_tensor_and_place) {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  const char *const text[] = {"NaN", "+Inf", "-Inf"};
  const int64_t places[] = {0, 7, 15, 16, 31, 99};
  for (int k = 0; k < N_ALL; k++) {
    const qe_observer_config_t c = config_of(ALL[k]);
    qe__observer *o = NULL;
    float x[100] = {0};
    cr_assert_eq(qe__observer_create(&c, "block3/act", &o), QE_OK, "%s", qe_last_error());
    feed_shaped(o, x, 2, (int64_t[]){4, 25});
    const saved before = save_of(o);
    for (int b = 0; b < 3; b++) {
      for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        qe_tensor_t *t = NULL;
        char want[80];
        memset(x, 0, sizeof x);
        x[places[p]] = bad[b];
        x[99] = bad[b];
        cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 2, (int64_t[]){4, 25}, x, &t), QE_OK);
        cr_assert_eq(qe__observer_observe(o, t), QE_ERROR_NUMERIC, "%s took %s", ALL[k], text[b]);
        snprintf(want, sizeof want, "'block3/act': element %lld is %s", (long long)places[p], text[b]);
        cr_assert_not_null(strstr(qe_last_error(), want), "expected \"%s\" in \"%s\"", want, qe_last_error());
        qe_tensor_release(&t);
      }
    }
    const saved after = save_of(o);
    cr_assert(after.size == before.size && memcmp(after.data, before.data, before.size) == 0,
              "%s: refused data changed it", ALL[k]);
    qe__free(before.data);
    qe__free(after.data);
    qe__observer_destroy(&o);
  }
}

Test(observe_properties, other_types_and_shapes_are_refused) {
  const qe_observer_config_t tensor = config_of("min_max");
  qe_observer_config_t channel = config_of("per_channel_min_max");
  channel.ch_axis = 1;
  qe__observer *a = new_observer(&tensor), *b = new_observer(&channel);
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_create(QE_INT8, 1, (int64_t[]){3}, &t), QE_OK);
  cr_assert_eq(qe__observer_observe(a, t), QE_ERROR_DTYPE, "%s", qe_last_error());
  qe_tensor_release(&t);
  feed_shaped(b, (const float[]){1, 2, 3, 4}, 2, (int64_t[]){2, 2});
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 2, (int64_t[]){2, 3}, &t), QE_OK);
  cr_assert_eq(qe__observer_observe(b, t), QE_ERROR_SHAPE, "%s", qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), "2 channels first and 3 now"), "%s", qe_last_error());
  qe_tensor_release(&t);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 1, (int64_t[]){2}, &t), QE_OK);
  cr_assert_eq(qe__observer_observe(b, t), QE_ERROR_SHAPE, "%s", qe_last_error());
  qe_tensor_release(&t);
  qe__observer_destroy(&a);
  qe__observer_destroy(&b);
}

Test(observe_properties, every_finite_range_gives_parameters) {
  rng r = rng_for("every_finite_range_gives_parameters", 6);
  for (int k = 0; k < 3; k++) {
    for (int symmetric = 0; symmetric < 2; symmetric++) {
      for (int round = 0; round < 60; round++) {
        qe_observer_config_t c = config_of(PER_TENSOR[k]);
        qe__qparams q = {0};
        bool observed;
        float x[6];
        c.dtype = round % 2 ? QE_INT8 : QE_UINT8;
        c.qscheme = symmetric ? QE_PER_TENSOR_SYMMETRIC : QE_PER_TENSOR_AFFINE;
        c.method = (qe_histogram_method_t)(round % 4);
        qe__observer *o = new_observer(&c);
        for (int i = 0; i < 6; i++) { /* any exponent: subnormals and nearly FLT_MAX */
          x[i] = ldexpf((float)(rng_uniform(&r) * 2 - 1), (int)rng_below(&r, 278) - 149);
          if (round % 5 == 0) x[i] = i % 2 ? FLT_MAX : -FLT_MAX;
        }
        feed(o, x, 2);
        feed(o, x + 2, 2);
        feed(o, x + 4, 2);
        cr_assert_eq(qe__observer_qparams(o, &q, &observed), QE_OK, "%s, round %d: %s", PER_TENSOR[k], round,
                     qe_last_error());
        cr_assert(observed && isfinite(q.scales[0]) && q.scales[0] > 0.0f, "%s: scale %g", PER_TENSOR[k],
                  (double)q.scales[0]);
        qe__qparams_clear(&q);
        round_trip(o, &c, PER_TENSOR[k]);
        qe__observer_destroy(&o);
      }
    }
  }
}

/* ---- arguments ---- */

typedef struct refusal {
  const char *observer, *fragment;
  qe_dtype_t dtype;
  qe_qscheme_t scheme;
  int reduce, lo, hi, bins;
  float eps, averaging, percentile, scale;
} refusal;

Test(observe_properties, senseless_arguments_are_refused) {
  static const refusal rows[] = {
      {.observer = "histgram", .fragment = "did you mean 'histogram'"},
      {.observer = "nothing_like_it", .fragment = "there are min_max"},
      {.observer = "min_max", .fragment = "can't quantize to float32", .dtype = QE_FLOAT32},
      {.observer = "min_max", .fragment = "does not fit a per-channel scheme", .scheme = QE_PER_CHANNEL_AFFINE},
      {.observer = "per_channel_min_max", .fragment = "does not fit a per-tensor", .scheme = QE_PER_TENSOR_AFFINE},
      {.observer = "min_max", .fragment = "reduce_range", .scheme = QE_PER_TENSOR_SYMMETRIC, .reduce = 1},
      {.observer = "min_max", .fragment = "unknown qscheme", .scheme = (qe_qscheme_t)9},
      {.observer = "min_max", .fragment = "5..9 must contain 0", .lo = 5, .hi = 9},
      {.observer = "min_max", .fragment = "exceeds uint8", .lo = 0, .hi = 256},
      {.observer = "min_max", .fragment = "leaves nothing", .reduce = 1, .lo = 0, .hi = 1},
      {.observer = "min_max", .fragment = "eps is -1", .eps = -1},
      {.observer = "min_max", .fragment = "eps is nan", .eps = NAN},
      {.observer = "moving_average_min_max", .fragment = "averaging_constant is 2", .averaging = 2},
      {.observer = "histogram", .fragment = "bins is 1", .bins = 1},
      {.observer = "histogram", .fragment = "bins is 2000000", .bins = 2000000},
      {.observer = "histogram", .fragment = "percentile is 1.5", .percentile = 1.5f},
      {.observer = "fixed_qparams", .fragment = "fixed scale is -2", .scale = -2},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const refusal *x = &rows[i];
    qe_observer_config_t c = config_of(x->observer);
    qe__observer *o = NULL;
    c.dtype = x->dtype ? x->dtype : QE_UINT8;
    c.qscheme = x->scheme;
    c.reduce_range = x->reduce;
    c.has_range = x->hi != 0;
    c.quant_min = x->lo;
    c.quant_max = x->hi;
    if (x->bins) c.bins = x->bins;
    if (x->eps != 0.0f) c.eps = x->eps;
    if (x->averaging != 0.0f) c.averaging_constant = x->averaging;
    if (x->percentile != 0.0f) c.percentile = x->percentile;
    if (x->scale != 0.0f) c.scale = x->scale;
    cr_assert_neq(qe__observer_create(&c, "layer7", &o), QE_OK, "row %zu was accepted", i);
    cr_assert_null(o);
    cr_assert_not_null(strstr(qe_last_error(), x->fragment), "row %zu: expected \"%s\" in \"%s\"", i, x->fragment,
                       qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), "'layer7'"), "row %zu: %s", i, qe_last_error());
  }
  qe_observer_config_t endless = config_of("min_max");
  qe__observer *o = NULL;
  memset(endless.observer, 'x', sizeof endless.observer);
  cr_assert_eq(qe__observer_create(&endless, "layer7", &o), QE_ERROR_INVALID_ARGUMENT);
}

Test(observe_properties, allocations_may_fail_anywhere) {
  for (int k = 0; k < N_ALL; k++) {
    const qe_observer_config_t c = config_of(ALL[k]);
    const float x[] = {-1, 2, 3, 4, 5, 60};
    qe_tensor_t *t = NULL, *wide = NULL;
    cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 2, (int64_t[]){2, 2}, x, &t), QE_OK);
    cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 2, (int64_t[]){2, 2}, x + 2, &wide), QE_OK);
    long n = 0;
    qe_status_t status;
    do {
      qe__observer *o = NULL, *other = NULL;
      qe__qparams q = {0};
      void *bytes = NULL;
      size_t size = 0;
      bool observed;
      qe__fail_allocations_after(n++);
      status = qe__observer_create(&c, "x", &o);
      if (status == QE_OK) status = qe__observer_create(&c, "y", &other);
      if (status == QE_OK) status = qe__observer_observe(o, t);
      if (status == QE_OK) status = qe__observer_observe(o, wide);
      if (status == QE_OK) status = qe__observer_observe(other, t);
      if (status == QE_OK) status = qe__observer_merge(o, other);
      if (status == QE_OK) status = qe__observer_qparams(o, &q, &observed);
      if (status == QE_OK) status = qe__observer_save(o, &bytes, &size);
      if (status == QE_OK) status = qe__observer_load(other, bytes, size);
      qe__fail_allocations_after(-1);
      if (status != QE_OK)
        cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "%s, allocation %ld: %s", ALL[k], n, qe_last_error());
      qe__free(bytes);
      qe__qparams_clear(&q);
      qe__observer_destroy(&o);
      qe__observer_destroy(&other);
    } while (status != QE_OK && n < 1000);
    cr_assert_lt(n, 1000, "%s", ALL[k]);
    cr_assert_gt(n, 3, "%s: only %ld allocations", ALL[k], n);
    qe_tensor_release(&t);
    qe_tensor_release(&wide);
  }
}
