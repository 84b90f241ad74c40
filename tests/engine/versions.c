/* Plugins built against earlier and later versions of the header, and one that was built long ago. */
#include <sys/stat.h>

#include "engine/live.h"

static void expect_computes(const char *name) {
  qe_model_t *m = relu_model();
  for (uint32_t threads = 1; threads <= 3; threads++) {
    qe_session_t *s = NULL;
    cr_assert_eq(live_open(m, name, threads, &s), QE_OK, "%s", qe_last_error());
    cr_assert_eq(relu_run(s, RELU_COUNT), QE_OK, "%s", qe_last_error());
    cr_assert_str_eq(engine_of_step(s, 0), name);
    qe_session_destroy(&s);
  }
  qe_model_destroy(&m);
  cr_assert_eq(qe_engine_retire(name), QE_OK, "%s", qe_last_error());
}

Test(versions, a_later_minor_with_larger_rows) {
  const qe__engine *engine = live_load("newer_minor", "live_newer");
  cr_assert_eq(engine->table.abi_minor, QE_ABI_MINOR + 1);
  cr_assert_gt(engine->table.struct_size, sizeof(qe_plugin));
  cr_assert_gt(engine->table.kernel_stride, sizeof(qe_kernel));
  cr_assert_gt(engine->table.observer_stride, sizeof(qe_observer));
  cr_assert_eq(engine->n_kernels, 2);
  cr_assert_str_eq(engine->observers[0].name, "live_newer_range");
  expect_computes("live_newer");
}

Test(versions, the_first_minor) {
  const qe__engine *engine = live_load("first_minor", "old");
  cr_assert_eq(engine->table.abi_minor, 1);
  cr_assert_leq(engine->table.struct_size, sizeof(qe_plugin));
  expect_computes("old");
}

Test(versions, another_major_is_refused) {
  char text[128];
  cr_assert_eq(live_try("newer_major"), QE_ERROR_ENGINE);
  snprintf(text, sizeof text, "query: does not serve plugin ABI %d.%d; use an engine built for this version of qengine",
           QE_ABI_MAJOR, QE_ABI_MINOR);
  cr_assert(strstr(qe_last_error(), text), "%s", qe_last_error());
  cr_assert_eq(live_try("newer_major_any"), QE_ERROR_ENGINE);
  snprintf(text, sizeof text,
           "validate: is built for plugin ABI %d.%d, this host has %d.%d; the first number must be equal",
           QE_ABI_MAJOR + 1, QE_ABI_MINOR, QE_ABI_MAJOR, QE_ABI_MINOR);
  cr_assert(strstr(qe_last_error(), text), "'%s' lacks '%s'", qe_last_error(), text);
}

/* The file as it was built then, on the machines it was built for. */
Test(versions, a_binary_from_the_first_version) {
#if !defined(__x86_64__)
  cr_skip_test("the old binary is for x86-64");
#endif
  if (QE_PLUGIN_SANITIZER != QE_SANITIZER_NONE) cr_skip_test("the old binary has no sanitizer, this program has one");
  char directory[PATH_SIZE], path[PATH_SIZE + 16];
  size_t size;
  unsigned char *bytes = file_read(QE_SOURCE_DIR "/tests/engine/old/0.1/old_engine.so", &size);
  cr_assert(size < 20000, "%zu bytes", size);
  scratch_make(directory); /* a checkout may be writable by others */
  snprintf(path, sizeof path, "%s/old.so", directory);
  file_write(path, bytes, size);
  cr_assert_eq(chmod(path, 0644), 0);
  free(bytes);
  cr_assert_eq(qe_engine_load(path), QE_OK, "%s", qe_last_error());
  expect_computes("old");
  scratch_remove(directory);
}
