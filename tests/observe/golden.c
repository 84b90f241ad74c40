/* torch's observers on recorded batches: ranges after every batch and parameters at the end, bit for bit. */
#include "golden_util.h"
#include "base/memory.h"
#include "observe/kinds.h"

/* The ranges in a saved state of a range kind: check, range of everything, batches[, channels], then min/max pairs. */
static uint32_t ranges_of(const qe__observer *o, bool per_channel, float *min, float *max) {
  const saved s = save_of(o);
  qe__source in = {s.data, s.size, false};
  for (int i = 0; i < 3; i++) (void)qe__source_u64(&in);
  const uint64_t channels = per_channel ? qe__source_u64(&in) : 1;
  cr_assert_leq(channels, 64);
  for (uint64_t c = 0; c < channels; c++) {
    min[c] = qe__source_f32(&in);
    max[c] = qe__source_f32(&in);
  }
  cr_assert(!in.failed && in.left == 0);
  qe__free(s.data);
  return (uint32_t)channels;
}

static void check_ranges(const golden *g, const json_t *c, const qe__observer *o, bool per_channel, int batch) {
  const char *const names[2] = {"min_val", "max_val"};
  float ours[2][64];
  const uint32_t channels = ranges_of(o, per_channel, ours[0], ours[1]);
  for (int k = 0; k < 2; k++) {
    char name[32];
    snprintf(name, sizeof name, "%s_%d", names[k], batch);
    qe_tensor_t *theirs = golden_tensor(g, c, "expected", name);
    cr_assert_eq(theirs->count, channels, "%s: %u channels, torch %lld", golden_text(c, "name"), channels, (long long)theirs->count);
    for (uint32_t i = 0; i < channels; i++) {
      const float t = ((const float *)theirs->data)[i];
      cr_assert_eq(ours[k][i], t, "%s: %s[%u] is %a, torch %a", golden_text(c, "name"), name, i, (double)ours[k][i], (double)t);
    }
    qe_tensor_release(&theirs);
  }
}

static void check_range_case(const golden *g, const json_t *c, const qe_observer_config_t *config) {
  const json_t *expected = json_object_get(c, "expected");
  const bool per_channel = qe__observer_config_per_channel(config);
  int32_t qmin, qmax;
  qe__observer *o = new_observer(config);
  qe_tensor_t *x;
  for (int k = 0; (x = golden_batch(g, c, k)) != NULL; k++) {
    cr_assert_eq(qe__observer_observe(o, x), QE_OK, "%s: %s", golden_text(c, "name"), qe_last_error());
    check_ranges(g, c, o, per_channel, k);
    qe_tensor_release(&x);
  }
  qe__observer_range(o, &qmin, &qmax);
  cr_assert_eq(qmin, (int32_t)golden_number(expected, "quant_min"), "%s: quant_min %d", golden_text(c, "name"), qmin);
  cr_assert_eq(qmax, (int32_t)golden_number(expected, "quant_max"), "%s: quant_max %d", golden_text(c, "name"), qmax);
  golden_check_qparams(g, c, o);
  qe__observer_destroy(&o);
}

static bool is_range_class(const char *op) {
  return strcmp(op, "MinMaxObserver") == 0 || strcmp(op, "MovingAverageMinMaxObserver") == 0 ||
         strcmp(op, "PerChannelMinMaxObserver") == 0 || strcmp(op, "MovingAveragePerChannelMinMaxObserver") == 0;
}

Test(golden, observers_of_ranges) {
  golden g;
  unsigned checked = 0, float_zero_points = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    qe_observer_config_t config;
    if (!is_range_class(golden_text(c, "op"))) continue;
    if (!golden_config(golden_text(c, "op"), json_object_get(c, "params"), &config)) {
      float_zero_points++; /* per_channel_affine_float_qparams: of embeddings, not an activation or weight scheme here */
      continue;
    }
    check_range_case(&g, c, &config);
    checked++;
  }
  fprintf(stderr, "observers of ranges: %u cases bit for bit; %u with float zero points are not offered\n", checked, float_zero_points);
  cr_assert_eq(checked, 227, "%u cases", checked);
  cr_assert_eq(float_zero_points, 2);
  golden_close(&g);
}

Test(golden, fixed_unfed_and_refused_observers) {
  golden g;
  unsigned fixed = 0, unfed = 0, refused = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i), *params = json_object_get(c, "params");
    const char *op = golden_text(c, "op"), *name = golden_text(c, "name");
    qe_observer_config_t config;
    qe__observer *o = NULL;
    if (strcmp(op, "FixedQParamsObserver") == 0 || strcmp(op, "unfed_observer") == 0) {
      const bool is_fixed = op[0] == 'F';
      cr_assert(golden_config(is_fixed ? op : golden_text(params, "class"), params, &config), "%s", name);
      o = new_observer(&config);
      golden_check_qparams(&g, c, o);
      fixed += is_fixed;
      unfed += !is_fixed;
    } else if (strcmp(op, "constructor_error") == 0) {
      cr_assert(golden_config(golden_text(params, "observer"), params, &config), "%s", name);
      cr_assert_eq(qe__observer_create(&config, "weight", &o), QE_ERROR_INVALID_ARGUMENT, "%s was accepted", name);
      cr_assert_not_null(strstr(qe_last_error(), "reduce_range"), "%s: %s", name, qe_last_error());
      refused++;
    }
    qe__observer_destroy(&o);
  }
  cr_assert(fixed == 2 && unfed == 2 && refused == 7, "%u fixed, %u unfed, %u refused", fixed, unfed, refused);
  golden_close(&g);
}
