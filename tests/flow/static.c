/* The static flow on a small network with every kind of node. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "graph/model.h"
#include "qengine.h"
#include "support/models.h"

static qe_prepared_t *prepare(const qe_model_t *m, const qe_qconfig_mapping_t *mapping) {
  qe_prepared_t *p = NULL;
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
  return p;
}

static double sqnr(const qe_tensor_t *a, const qe_tensor_t *b) {
  double signal = 0, noise = 0;
  for (int64_t i = 0; i < qe_tensor_count(a); i++) {
    const double x = (double)((const float *)qe_tensor_const_data(a))[i], y = (double)((const float *)qe_tensor_const_data(b))[i];
    signal += x * x;
    noise += (x - y) * (x - y);
  }
  return noise > 0 ? 10 * log10(signal / noise) : 200;
}

static qe_model_t *quantized(const qe_model_t *m, const char *preset) {
  qe_qconfig_mapping_t *mapping = NULL;
  qe_model_t *out = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset(preset, &mapping), QE_OK, "%s", qe_last_error());
  qe_prepared_t *p = prepare(m, mapping);
  test_calibrate(p, 0, 8);
  cr_assert_eq(qe_convert(p, &out, NULL), QE_OK, "%s", qe_last_error());
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  return out;
}

/* A histogram whose range grew by more than it had to must not pass the clamp that is fused into the node. */
Test(static_flow, no_range_passes_a_fused_clamp) {
  qe_model_t *m = test_cnn(21);
  cr_assert_eq(qe_fuse(m), QE_OK);
  qe_qconfig_mapping_t *mapping = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK, "%s", qe_last_error());
  uint32_t clamped = 0;
  for (int first = 1; first <= 8; first++) { /* the first batch stays below the clamps, the second reaches them */
    qe_model_t *q = NULL;
    qe_prepared_t *p = prepare(m, mapping);
    for (int batch = 0; batch < 2; batch++) {
      qe_named_tensor_t in = {"x", test_random(4, (int64_t[]){4, 3, 8, 8}, batch ? 20.0f : 0.3f * (float)first, 1000)};
      cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
      qe_tensor_release(&in.tensor);
    }
    cr_assert_eq(qe_convert(p, &q, NULL), QE_OK, "%s", qe_last_error());
    for (uint32_t i = 0; i < q->graph->n_nodes; i++) {
      const qe__node *n = q->graph->nodes[i];
      const qe_qparams_t *y = &q->graph->values[n->out[0]].q.view;
      if (!n->quantized || y->count != 1 || !(n->act.hi < INFINITY)) continue;
      const float most = (float)(255 - y->zero_points[0]) * y->scales[0];
      cr_expect_leq(most, n->act.hi * 1.000001f, "'%s' reaches %g, its clamp is at %g", n->name, (double)most, (double)n->act.hi);
      clamped++;
    }
    qe_model_destroy(&q);
    qe_prepared_destroy(&p);
  }
  cr_assert_gt(clamped, 0);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

Test(static_flow, every_preset_gives_a_close_int8_model) {
  qe_model_t *m = test_cnn(21);
  cr_assert_eq(qe_fuse(m), QE_OK);
  qe_tensor_t *x = test_random(4, (int64_t[]){8, 3, 8, 8}, 1.0f, 77), *y = test_run(m, x, 0);
  for (const char *const *name = qe_qconfig_preset_names(); *name; name++) {
    qe_model_t *q = quantized(m, *name);
    qe_tensor_t *z = test_run(q, x, 0), *unfused = test_run(q, x, 1);
    cr_assert_gt(sqnr(y, z), 18.0, "%s: %.1f dB", *name, sqnr(y, z));
    cr_assert_gt(sqnr(z, unfused), 28.0, "%s: integer and float execution of one model differ: %.1f dB", *name, sqnr(z, unfused));
    qe_tensor_release(&z);
    qe_tensor_release(&unfused);
    qe_model_destroy(&q);
  }
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_model_destroy(&m);
}

Test(static_flow, excluded_nodes_stay_float_and_codes_are_converted_at_the_border) {
  qe_model_t *m = test_cnn(22), *q = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_report_t *report = NULL;
  cr_assert_eq(qe_fuse(m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name(mapping, "dw", NULL), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_op_type(mapping, "Gemm", NULL), QE_OK);
  qe_prepared_t *p = prepare(m, mapping);
  test_calibrate(p, 0, 4);
  cr_assert_eq(qe_convert(p, &q, &report), QE_OK, "%s", qe_last_error());
  uint32_t seen = 0;
  for (uint32_t i = 0; i < qe_report_count(report); i++) {
    const qe_report_row_t *row = qe_report_at(report, i);
    if (strcmp(row->node, "dw") == 0 || strcmp(row->node, "fc") == 0) {
      cr_assert_eq(row->quantized, 0);
      cr_assert(strstr(row->reason, "mapping"), "%s", row->reason);
      seen++;
    } else if (strcmp(row->op, "Conv") == 0) {
      cr_assert_eq(row->quantized, 1, "%s: %s", row->node, row->reason);
      cr_assert_gt(row->weight_sqnr_db, 30.0);
    }
  }
  cr_assert_eq(seen, 2u);
  qe_tensor_t *x = test_random(4, (int64_t[]){8, 3, 8, 8}, 1.0f, 78), *y = test_run(m, x, 0), *z = test_run(q, x, 0);
  cr_assert_gt(sqnr(y, z), 20.0, "%.1f dB", sqnr(y, z));
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_report_destroy(&report);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

Test(static_flow, a_rule_that_matches_nothing_is_an_error_that_names_it) {
  qe_model_t *m = test_cnn(23);
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name(mapping, "conv9", NULL), QE_OK);
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_ERROR_NOT_FOUND);
  cr_assert(strstr(qe_last_error(), "conv9"), "%s", qe_last_error());
  cr_assert_null(p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

static void same_model_bytes(const qe_model_t *a, const qe_model_t *b) {
  cr_assert_eq(qe_model_value_count(a), qe_model_value_count(b));
  for (uint32_t v = 0; v < qe_model_value_count(a); v++) {
    qe_value_info_t x, y;
    cr_assert_eq(qe_model_value(a, v, &x), QE_OK);
    cr_assert_eq(qe_model_value(b, v, &y), QE_OK);
    cr_assert_str_eq(x.name, y.name);
    cr_assert_eq(x.qparams == NULL, y.qparams == NULL, "%s", x.name);
    if (x.qparams) {
      cr_assert_eq(memcmp(x.qparams->scales, y.qparams->scales, x.qparams->count * sizeof(float)), 0, "%s: %g, %g", x.name, (double)x.qparams->scales[0], (double)y.qparams->scales[0]);
    }
    if (x.constant) cr_assert_eq(memcmp(qe_tensor_const_data(x.constant), qe_tensor_const_data(y.constant), qe_tensor_bytes(x.constant)), 0, "%s", x.name);
  }
}

Test(static_flow, statistics_survive_a_file_and_shards_merge) {
  qe_model_t *m = test_cnn(24), *direct = NULL, *loaded = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  char a[] = "/tmp/qe_stats_a_XXXXXX", b[] = "/tmp/qe_stats_b_XXXXXX", c[] = "/tmp/qe_stats_c_XXXXXX";
  close(mkstemp(a));
  close(mkstemp(b));
  close(mkstemp(c));
  cr_assert_eq(qe_fuse(m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  qe_prepared_t *p = prepare(m, mapping);
  test_calibrate(p, 0, 4);
  cr_assert_eq(qe_prepared_save_stats(p, a, 1), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepared_save_stats(p, a, 0), QE_ERROR_EXISTS);
  cr_assert_eq(qe_convert(p, &direct, NULL), QE_OK);
  qe_prepared_t *again = prepare(m, mapping);
  cr_assert_eq(qe_prepared_load_stats(again, a), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepared_batches(again), 4u);
  cr_assert_eq(qe_convert(again, &loaded, NULL), QE_OK, "%s", qe_last_error());
  same_model_bytes(direct, loaded);
  /* a second shard, merged in memory and through files */
  qe_prepared_t *shard = prepare(m, mapping);
  test_calibrate(shard, 4, 8);
  cr_assert_eq(qe_prepared_save_stats(shard, b, 1), QE_OK);
  cr_assert_eq(qe_prepared_merge_stats(p, b), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepared_batches(p), 8u);
  cr_assert_eq(qe_stats_merge(a, b, c, 1), QE_OK, "%s", qe_last_error());
  qe_prepared_t *merged = prepare(m, mapping);
  cr_assert_eq(qe_prepared_load_stats(merged, c), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&direct);
  qe_model_destroy(&loaded);
  cr_assert_eq(qe_convert(p, &direct, NULL), QE_OK);
  cr_assert_eq(qe_convert(merged, &loaded, NULL), QE_OK);
  same_model_bytes(direct, loaded);
  char *json = NULL;
  cr_assert_eq(qe_stats_dump(c, &json), QE_OK, "%s", qe_last_error());
  cr_assert(strstr(json, "\"schema_version\": 1"));
  qe_string_free(json);
  qe_prepared_t *all[] = {p, again, shard, merged};
  for (size_t i = 0; i < 4; i++) qe_prepared_destroy(&all[i]);
  qe_model_destroy(&direct);
  qe_model_destroy(&loaded);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
  unlink(a);
  unlink(b);
  unlink(c);
}

Test(static_flow, damaged_statistics_are_refused) {
  qe_model_t *m = test_cnn(25);
  qe_qconfig_mapping_t *mapping = NULL;
  char path[] = "/tmp/qe_stats_d_XXXXXX";
  close(mkstemp(path));
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  qe_prepared_t *p = prepare(m, mapping);
  test_calibrate(p, 0, 1);
  cr_assert_eq(qe_prepared_save_stats(p, path, 1), QE_OK);
  FILE *f = fopen(path, "r+b");
  cr_assert_eq(fseek(f, 60, SEEK_SET), 0);
  const int byte = fgetc(f);
  cr_assert_eq(fseek(f, 60, SEEK_SET), 0);
  fputc(byte ^ 1, f);
  fclose(f);
  cr_assert_eq(qe_prepared_load_stats(p, path), QE_ERROR_FORMAT);
  cr_assert_eq(truncate(path, 50), 0);
  cr_assert_eq(qe_prepared_load_stats(p, path), QE_ERROR_FORMAT);
  cr_assert_eq(qe_prepared_batches(p), 1u, "a refused file changes nothing");
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
  unlink(path);
}

Test(static_flow, bad_calibration_data_is_refused_by_name) {
  qe_model_t *m = test_cnn(26);
  qe_qconfig_mapping_t *mapping = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  qe_prepared_t *p = prepare(m, mapping);
  qe_named_tensor_t in = {"x", test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 5)};
  ((float *)qe_tensor_data(in.tensor))[17] = NAN;
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_ERROR_NUMERIC);
  cr_assert(strstr(qe_last_error(), "x"), "%s", qe_last_error());
  qe_tensor_release(&in.tensor);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){0, 3, 8, 8}, &in.tensor), QE_OK);
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "an empty batch is a no-op: %s", qe_last_error());
  cr_assert_eq(qe_prepared_batches(p), 0u);
  qe_tensor_release(&in.tensor);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

Test(static_flow, every_allocation_may_fail) {
  qe_model_t *m = test_cnn(27);
  qe_qconfig_mapping_t *mapping = NULL;
  qe_set_log_level(QE_LOG_ERROR);
  cr_assert_eq(qe_fuse(m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  qe_tensor_t *x = test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 5);
  qe_tensor_t *warm = test_run(m, x, 0); /* engines are loaded once */
  qe_tensor_release(&warm);
  int failures = 0;
  for (long n = 0; n < 20000; n += n < 200 ? 1 : 37) {
    qe_prepared_t *p = NULL;
    qe_model_t *q = NULL;
    qe_named_tensor_t in = {"x", x};
    qe__fail_allocations_after(n);
    qe_status_t status = qe_prepare(m, mapping, NULL, &p);
    if (status == QE_OK) status = qe_calibrate(p, 1, &in);
    if (status == QE_OK) status = qe_convert(p, &q, NULL);
    qe__fail_allocations_after(-1);
    qe_prepared_destroy(&p);
    qe_model_destroy(&q);
    if (status == QE_OK) break;
    failures++;
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s: %s", n, qe_status_text(status), qe_last_error());
  }
  cr_assert_gt(failures, 100);
  qe_tensor_release(&x);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

/* 80 products of their own: none comes near the int32 limit, all together would. */
Test(static_flow, a_batch_of_weights_is_judged_matrix_by_matrix) {
  qe_model_t *m = NULL;
  const int64_t dims[3] = {80, 1, 1024}, w_dims[3] = {80, 1024, 1};
  qe_tensor_t *x = test_random(3, dims, 1.0f, 5), *w = NULL;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 3, w_dims, &w), QE_OK);
  for (int64_t i = 0; i < qe_tensor_count(w); i++) ((float *)qe_tensor_data(w))[i] = i % 2 ? 1.0f : -1.0f;
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  qe_output(m, "y", qe_matmul(m, "product", qe_input(m, "x", QE_FLOAT32, 3, dims), qe_constant(m, "w", w)));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_qconfig_mapping_t *mapping = NULL;
  qe_model_t *q = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK, "%s", qe_last_error());
  qe_prepared_t *p = prepare(m, mapping);
  const qe_named_tensor_t in = {NULL, x};
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_convert(p, &q, NULL), QE_OK, "%s", qe_last_error());
  qe_tensor_t *y = test_run(m, x, 0), *z = test_run(q, x, 0);
  cr_assert_gt(sqnr(y, z), 25.0, "%.1f dB", sqnr(y, z));
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_tensor_release(&x);
  qe_tensor_release(&w);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

static const char *reason_of(const qe_report_t *r, const char *node) {
  for (uint32_t i = 0; i < qe_report_count(r); i++) {
    if (strcmp(qe_report_at(r, i)->node, node) == 0) return qe_report_at(r, i)->reason;
  }
  return "no such node";
}

/* Shapes that nobody has checked, as the batch is dynamic, reach convert when nothing was run before. */
Test(static_flow, a_bias_of_another_length_keeps_its_node_float) {
  qe_model_t *m = NULL, *q = NULL;
  qe_report_t *report = NULL;
  test_pool pool = {.seed = 3};
  float one = 1.0f;
  qe_tensor_t *scalar = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &one, &scalar), QE_OK);
  test_keep(&pool, scalar);
  qe_tensor_t *w = test_weight(&pool, 4, (int64_t[]){64, 3, 1, 1}), *b = test_weight(&pool, 1, (int64_t[]){3});
  qe_tensor_t *column = test_weight(&pool, 2, (int64_t[]){3, 1});
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 8, 8});
  qe_output(m, "y", qe_op(m, "Conv", "conv", 3, (qe_value_t[]){x, qe_constant(m, "w", w), qe_constant(m, "b", b)}, NULL));
  const qe_value_t v = qe_input(m, "v", QE_FLOAT32, 2, (int64_t[]){-1, 3});
  qe_value_t gemm[3] = {v, qe_constant(m, "c", column), qe_constant(m, "one", scalar)};
  qe_output(m, "z", qe_op(m, "Gemm", "gemm", 3, gemm, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_qconfig_mapping_t *mapping = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK, "%s", qe_last_error());
  qe_prepared_t *p = prepare(m, mapping);
  cr_assert_eq(qe_convert(p, &q, &report), QE_OK, "%s", qe_last_error());
  cr_assert_str_eq(reason_of(report, "conv"), "its bias is not one number per output");
  cr_assert_str_eq(reason_of(report, "gemm"), "", "one output, one number");
  qe_report_destroy(&report);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
  test_pool_free(&pool);
}
