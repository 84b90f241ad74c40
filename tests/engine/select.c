/* quantized_engine: named > qe_set_engine > QUANTIZED_ENGINE > the best usable; kernels and observers of the chosen one. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/load.h"
#include "engine/places.h"

static char directory[PATH_SIZE];

static void setup(void) {
  scratch_make(directory);
  link_fake(directory, "good.so", "GOOD");
  link_fake(directory, "high.so", "HIGH");
  link_fake(directory, "inexact.so", "INEXACT");
  link_fake(directory, "bad.so", "CREATE_FAILS");
  setenv("QENGINE_PLUGIN_PATH", directory, 1);
  unsetenv("QUANTIZED_ENGINE");
}
static void teardown(void) { scratch_remove(directory); }
TestSuite(select, .init = setup, .fini = teardown);

static void expect_engine(const char *expected) {
  const char *name;
  cr_assert_eq(qe_get_engine(&name), QE_OK, "%s", qe_last_error());
  cr_assert_str_eq(name, expected, "'%s', expected '%s'", name, expected);
}

Test(select, order) {
  const qe__engine *engine;
  expect_engine("fake_high");
  setenv("QUANTIZED_ENGINE", "fake", 1);
  expect_engine("fake");
  cr_assert_eq(qe_set_engine("fake_inexact"), QE_OK);
  expect_engine("fake_inexact");
  cr_assert_eq(qe__engine_resolve("fake_high", &engine), QE_OK);
  cr_assert_str_eq(engine->name, "fake_high");
  cr_assert_eq(qe_set_engine("none"), QE_OK);
  expect_engine("none");
  cr_assert_eq(qe_set_engine(NULL), QE_OK);
  expect_engine("fake");
  setenv("QUANTIZED_ENGINE", "none", 1);
  expect_engine("none");
  cr_assert_eq(qe__engine_resolve(NULL, &engine), QE_OK);
  cr_assert_null(engine);
  setenv("QUANTIZED_ENGINE", "", 1);
  expect_engine("fake_high");
}

Test(select, an_unknown_name_lists_all_candidates) {
  cr_assert_eq(qe_set_engine("fake_hihg"), QE_ERROR_ENGINE);
  const char *parts[] = {"no engine is called 'fake_hihg'; did you mean 'fake_high'?", "/high.so) usable", "/good.so", "/create_fails.so",
                         "the licence dongle is missing", NULL};
  for (int i = 0; parts[i]; i++) cr_assert(strstr(qe_last_error(), parts[i]), "'%s' lacks '%s'", qe_last_error(), parts[i]);
  expect_engine("fake_high");
  setenv("QUANTIZED_ENGINE", "unheard_of", 1);
  const char *name = "";
  cr_assert_eq(qe_get_engine(&name), QE_ERROR_ENGINE);
  cr_assert_null(name);
  cr_assert(strstr(qe_last_error(), "no engine is called 'unheard_of' (from QUANTIZED_ENGINE); candidates: "), "%s", qe_last_error());
  cr_assert_eq(qe_set_engine(""), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_get_engine(NULL), QE_ERROR_INVALID_ARGUMENT);
}

Test(select, a_refused_engine_says_why) {
  setenv("QENGINE_PLUGIN_PATH", QE_FAKES "/nothing", 1);
  char path[PATH_SIZE];
  fake_path(path, "OTHER_ISA");
  cr_assert_eq(qe_engine_load(path), QE_ERROR_ENGINE);
  cr_assert_eq(qe_set_engine("fake"), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "engine 'fake' can't be used: validate: needs unknown(0x4000000000000000)"), "%s", qe_last_error());
}

Test(select, a_path_is_loaded) {
  char path[PATH_SIZE];
  fake_path(path, "NEWER_MINOR");
  setenv("QENGINE_PLUGIN_PATH", QE_FAKES "/nothing", 1);
  cr_assert_eq(qe_set_engine(path), QE_OK, "%s", qe_last_error());
  expect_engine("fake");
  cr_assert_eq(qe_set_engine("/nonexistent/x.so"), QE_ERROR_ENGINE);
  expect_engine("fake");
}

Test(select, fallback_order_leaves_out_engines_with_other_bytes) {
  const qe__engine *order[8], *inexact;
  cr_assert_eq(qe__engines_ready(), QE_OK);
  uint32_t count = qe__engine_order(NULL, 8, order);
  cr_assert(count >= 2, "%u", count);
  for (uint32_t i = 0; i < count; i++) cr_assert_str_neq(order[i]->name, "fake_inexact");
  for (uint32_t i = 1; i < count; i++) cr_assert(order[i - 1]->table.priority >= order[i]->table.priority);
  cr_assert_eq(qe__engine_resolve("fake_inexact", &inexact), QE_OK);
  const uint32_t more = qe__engine_order(inexact, 8, order);
  cr_assert_eq(more, count + 1, "%u after %u", more, count);
  cr_assert_eq(order[0], inexact);
  cr_assert_eq(qe__engine_order(inexact, 1, order), 1);
}

Test(select, kernels_of_a_key) {
  const qe__engine *engine;
  const qe__kernel *found[4];
  cr_assert_eq(qe__engine_resolve("fake", &engine), QE_OK, "%s", qe_last_error());
  qe_kernel_key key = {.op = "Add", .in = {QE_DT_F32, QE_DT_F32}, .out = QE_DT_F32, .layout = QE_LAYOUT_ROW_MAJOR};
  cr_assert_eq(qe__engine_kernels(engine, &key, 4, found), 2);
  cr_assert_str_eq(found[0]->row.name, "add_f32__fake_fast");
  cr_assert_str_eq(found[1]->row.name, "add_f32__fake");
  cr_assert_eq(found[0]->engine, engine);
  cr_assert_eq(qe__engine_kernels(engine, &key, 0, NULL), 2);
  key.quantized = 1;
  cr_assert_eq(qe__engine_kernels(engine, &key, 4, found), 0);
  key = (qe_kernel_key){.op = "Abs", .in = {QE_DT_I64}, .out = QE_DT_I64};
  cr_assert_eq(qe__engine_kernels(engine, &key, 4, found), 1);
  cr_assert_str_eq(found[0]->row.name, "abs_any__fake");
  key = (qe_kernel_key){.op = "Abs", .in = {QE_DT_I64, QE_DT_F32}, .out = QE_DT_I64};
  cr_assert_eq(qe__engine_kernels(engine, &key, 4, found), 0);
  key = (qe_kernel_key){.op = "Zebra"};
  cr_assert_eq(qe__engine_kernels(engine, &key, 4, found), 0);
}

Test(select, observers_and_qconfig) {
  const qe__engine *preferred;
  const qe__engine *owner;
  cr_assert_eq(qe__engine_resolve("fake", &preferred), QE_OK);
  const qe_observer *o = qe__engine_observer("fake_observer_2", preferred, &owner);
  cr_assert_eq(o, &preferred->observers[1]);
  cr_assert_eq(owner, preferred);
  qe__engine_release(owner);
  o = qe__engine_observer("fake_observer", NULL, &owner);
  cr_assert(o && owner);
  qe__engine_release(owner);
  cr_assert_null(qe__engine_observer("no_such_observer", preferred, &owner));
  cr_assert_null(owner);
  cr_assert_str_eq(qe__engine_default_qconfig("fake"), "{\"version\": 1}");
  cr_assert_null(qe__engine_default_qconfig("no_such_engine"));
  cr_assert_null(qe__engine_default_qconfig(NULL));
}
