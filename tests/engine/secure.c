/* A program with more rights than its caller takes no files and no choices from the environment. */
#include "base/env.h"
#include "engine/live.h"

static bool yes(void) {
  return true;
}
static bool no(void) {
  return false;
}

static char directory[PATH_SIZE];

static void setup(void) {
  scratch_make(directory);
  link_fake(directory, "high.so", "HIGH");
  setenv("QENGINE_PLUGIN_PATH", directory, 1);
  setenv("QUANTIZED_ENGINE", "fake_high", 1);
}
static void teardown(void) {
  qe__set_secure_mode(NULL);
  scratch_remove(directory);
}
TestSuite(secure, .init = setup, .fini = teardown);

static bool in_directory(const qe__paths *paths) {
  for (size_t i = 0; i < paths->count; i++) {
    if (strncmp(paths->path[i], directory, strlen(directory)) == 0) return true;
  }
  return false;
}

Test(secure, variables_are_read_or_not) {
  qe__set_secure_mode(no);
  cr_assert_str_eq(qe__secure_getenv("QUANTIZED_ENGINE"), "fake_high");
  qe__set_secure_mode(yes);
  cr_assert_null(qe__secure_getenv("QUANTIZED_ENGINE"));
  qe__set_secure_mode(NULL);
  cr_assert_str_eq(qe__secure_getenv("QUANTIZED_ENGINE"), "fake_high");
  cr_assert_null(qe__secure_getenv("QENGINE_NO_SUCH_VARIABLE"));
}

Test(secure, the_search_path_is_the_installed_one) {
  qe__paths paths;
  qe__set_secure_mode(no);
  cr_assert_eq(qe__engine_discover(&paths), QE_OK);
  cr_assert(in_directory(&paths));
  qe__paths_free(&paths);
  qe__set_secure_mode(yes);
  cr_assert_eq(qe__engine_discover(&paths), QE_OK);
  cr_assert(!in_directory(&paths), "QENGINE_PLUGIN_PATH was followed");
  qe__paths_free(&paths);
}

Test(secure, nothing_of_the_caller_is_loaded_or_chosen) {
  const char *name;
  qe__set_secure_mode(yes);
  cr_assert_eq(qe_get_engine(&name), QE_OK, "%s", qe_last_error());
  cr_assert_str_neq(name, "fake_high");
  cr_assert_null(qe__engine_by_name("fake_high"));
}

Test(secure, options_of_engines_are_not_taken) {
  setenv("QENGINE_OPTIONS", "fake.colour=blue", 1);
  char path[PATH_SIZE];
  fake_path(path, "GOOD");
  qe__set_secure_mode(yes);
  cr_assert_eq(qe_engine_load(path), QE_OK, "%s", qe_last_error());
  const struct {
    uint64_t magic;
    char option[32];
  } *self = qe__engine_by_name("fake")->self; /* as in fake_plugin.c */
  cr_assert_str_eq(self->option, "");
}
