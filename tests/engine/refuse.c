/* Every faulty plugin is refused with its step and its reason, and leaves nothing behind. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/load.h"
#include "engine/places.h"

static const struct {
  const char *name, *text;
} fakes[] = {
#define FAKE_ROW(name, text) {#name, text},
#include "engine/fakes.def"
#undef FAKE_ROW
};

Test(refuse, every_fault_is_named) {
  size_t tried = 0;
  for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++) {
    char path[PATH_SIZE];
    if (fakes[i].text[0] == '\0') continue;
    fake_path(path, fakes[i].name);
    const qe_status_t status = qe_engine_load(path);
    cr_assert_eq(status, QE_ERROR_ENGINE, "%s: status %s (%s)", fakes[i].name, qe_status_text(status), qe_last_error());
    cr_assert(strstr(qe_last_error(), fakes[i].text), "%s: the message is\n  %s\nand lacks\n  %s", fakes[i].name, qe_last_error(), fakes[i].text);
    cr_assert(strstr(qe_last_error(), path), "%s: the message does not name the file: %s", fakes[i].name, qe_last_error());
    tried++;
  }
  cr_assert_null(qe__engines_published(), "a refused plugin was published");
  qe__candidate *list;
  size_t count;
  cr_assert_eq(qe__engine_candidates(&list, &count), QE_OK);
  cr_assert_eq(count, tried, "%zu candidates, %zu files", count, tried);
  for (size_t i = 0; i < count; i++) {
    cr_assert(list[i].reason != NULL && list[i].engine == NULL, "%s has no reason", list[i].path);
    cr_assert(list[i].step >= QE__LOAD_MAP && list[i].step <= QE__LOAD_CREATE, "%s: step %d", list[i].path, (int)list[i].step);
  }
  qe__candidates_free(list, count);
}

Test(refuse, the_name_is_known_once_it_was_read) {
  char path[PATH_SIZE];
  fake_path(path, "CREATE_FAILS");
  cr_assert_eq(qe_engine_load(path), QE_ERROR_ENGINE);
  qe__candidate *list;
  size_t count;
  cr_assert_eq(qe__engine_candidates(&list, &count), QE_OK);
  cr_assert_eq(count, 1);
  cr_assert_str_eq(list[0].name, "fake");
  cr_assert_str_eq(list[0].vendor, "nobody");
  cr_assert_str_eq(list[0].version, "1.2.3");
  cr_assert_eq(list[0].step, QE__LOAD_CREATE);
  qe__candidates_free(list, count);
}

Test(refuse, a_second_engine_of_one_name) {
  char path[PATH_SIZE];
  fake_path(path, "GOOD");
  cr_assert_eq(qe_engine_load(path), QE_OK, "%s", qe_last_error());
  fake_path(path, "AGAIN");
  cr_assert_eq(qe_engine_load(path), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "calls itself 'fake', a name already taken by "), "%s", qe_last_error());
  cr_assert(strstr(qe_last_error(), "good.so"), "%s", qe_last_error());
  cr_assert_eq(qe__engines_published()->count, 1);
}

Test(refuse, another_sanitizer) {
  char path[PATH_SIZE];
  fake_path(path, "WITH_ASAN");
  if (access(path, R_OK) != 0) cr_skip_test("no plugin with AddressSanitizer in this build (it has a sanitizer itself, or another compiler)");
  cr_assert_eq(qe_engine_load(path), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "check: is built with AddressSanitizer"), "%s", qe_last_error());
}

Test(refuse, bad_arguments) {
  cr_assert_eq(qe_engine_load(NULL), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_engine_load(""), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_engine_load("engine.so"), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "bare file name; write ./engine.so"), "%s", qe_last_error());
}
