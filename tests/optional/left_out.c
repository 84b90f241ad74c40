/* What a build without hwloc, jansson, minizip and pthreadpool still does, and how it refuses the rest. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/formats.h"
#include "engine/load.h"
#include "qengine.h"
#include "runtime/pool.h"
#include "support/scratch.h"

/* hwloc's answer under another name. */
#define qe__topology hwloc_topology
void hwloc_topology(qe_cpu *cpu);
#include "../../core/engine/topology.c"
#undef qe__topology

static void expect_refusal(qe_status_t status, const char *option) {
  cr_assert_eq(status, QE_ERROR_UNSUPPORTED, "%s", qe_status_text(status));
  cr_assert(strstr(qe_last_error(), option), "the message does not name %s: %s", option, qe_last_error());
}

Test(left_out, cores_and_caches_are_those_of_hwloc) {
  qe_cpu here = {0}, there = {0};
  qe__topology(&here);
  hwloc_topology(&there);
  cr_assert_gt(here.cores, 0);
  cr_assert_eq(here.cores, there.cores, "%u cores, hwloc says %u", here.cores, there.cores);
  if (here.l1d != 0) cr_assert_eq(here.l1d, there.l1d);
  if (here.l2 != 0) cr_assert_eq(here.l2, there.l2);
  if (here.l3 != 0) cr_assert_eq(here.l3, there.l3);
  if (here.cache_line != 0) cr_assert_eq(here.cache_line, there.cache_line);
}

Test(left_out, packed_data_is_refused) {
  static const unsigned char zip[] = "PK\3\4rest of an archive", gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0};
  qe_tensor_t *t = (qe_tensor_t *)(uintptr_t)1;
  expect_refusal(qe__data_parse(zip, sizeof zip, "a.npz", NULL, &t), "QE_NPZ");
  cr_assert_null(t);
  expect_refusal(qe__data_parse(gzip, sizeof gzip, "a.gz", NULL, &t), "QE_NPZ");
  cr_assert_null(t);
}

Test(left_out, json_is_refused) {
  qe_qconfig_mapping_t *m;
  char *text;
  expect_refusal(qe_qconfig_mapping_parse("{}", 2, &m), "QE_JSON");
  expect_refusal(qe_qconfig_mapping_load("/nowhere.json", &m), "QE_JSON");
  expect_refusal(qe_stats_dump("/nowhere", &text), "QE_JSON");
  cr_assert_null(text);
  cr_assert_eq(qe_qconfig_mapping_preset("default", &m), QE_OK, "%s", qe_last_error());
  expect_refusal(qe_qconfig_mapping_dump(m, &text), "QE_JSON");
  qe_qconfig_mapping_destroy(&m);
}

static int add_one(void *arg, uint32_t thread, int64_t begin, int64_t end) {
  cr_assert_eq(thread, 0);
  for (int64_t i = begin; i < end; i++) ((int *)arg)[i]++;
  return 0;
}

Test(left_out, the_pool_is_the_caller) {
  qe__pool *pool;
  int done[100] = {0};
  cr_assert_eq(qe__pool_create(0, &pool), QE_OK);
  cr_assert_eq(qe__pool_threads(pool), 1);
  cr_assert_eq(qe__pool_run(pool, 100, add_one, done), 0);
  for (int i = 0; i < 100; i++) cr_assert_eq(done[i], 1);
  qe__pool_destroy(&pool);
  cr_assert_null(pool);
  expect_refusal(qe__pool_create(2, &pool), "QE_PTHREADPOOL");
}

/* A network with weights of simple numbers. */
static qe_model_t *network(void) {
  qe_model_t *m;
  qe_tensor_t *w, *b;
  float weight[8 * 3 * 3 * 3], bias[8];
  for (size_t i = 0; i < sizeof weight / sizeof weight[0]; i++) weight[i] = (float)((int)(i * 37 % 29) - 14) / 16.0f;
  for (size_t i = 0; i < 8; i++) bias[i] = (float)i / 8.0f;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 4, (int64_t[]){8, 3, 3, 3}, weight, &w), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 1, (int64_t[]){8}, bias, &b), QE_OK);
  cr_assert_eq(qe_model_create("network", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){1, 3, 8, 8});
  qe_output(m, "y", qe_global_avg_pool(m, "pool", qe_relu(m, "relu", qe_conv2d(m, "conv", x, w, b, NULL))));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  return m;
}

Test(left_out, a_model_is_quantized_saved_loaded_and_run) {
  qe_model_t *m = network(), *int8, *loaded;
  qe_qconfig_mapping_t *mapping;
  qe_prepared_t *prepared;
  qe_session_t *session;
  qe_named_tensor_t x = {NULL, NULL}, y = {NULL, NULL};
  char path[] = "/tmp/qe_left_out_XXXXXX";
  const int fd = mkstemp(path);
  cr_assert_geq(fd, 0);
  close(fd);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){1, 3, 8, 8}, &x.tensor), QE_OK);
  for (int i = 0; i < 3 * 8 * 8; i++) ((float *)qe_tensor_data(x.tensor))[i] = (float)(i * 53 % 97) / 97.0f;
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  cr_assert_eq(qe_fuse(m), QE_OK);
  cr_assert_eq(qe_prepare(m, mapping, NULL, &prepared), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_calibrate(prepared, 1, &x), QE_OK, "%s", qe_last_error());
  expect_refusal(qe_prepared_save_stats(prepared, path, 1), "QE_JSON");
  cr_assert_eq(qe_convert(prepared, &int8, NULL), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_save(int8, path, QE_FORMAT_QDQ, 1), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_load(path, &loaded), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_create(loaded, NULL, &session), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(session, 1, &x, 1, &y), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_count(y.tensor), 8);
  unlink(path);
  qe_tensor_release(&x.tensor);
  qe_tensor_release(&y.tensor);
  qe_session_destroy(&session);
  qe_model_destroy(&loaded);
  qe_model_destroy(&int8);
  qe_model_destroy(&m);
  qe_prepared_destroy(&prepared);
  qe_qconfig_mapping_destroy(&mapping);
}
