/* Where candidates are looked for, in which order, and what the environment may say. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/load.h"
#include "engine/places.h"

static char first[PATH_SIZE], second[PATH_SIZE];

static void setup(void) {
  scratch_make(first);
  scratch_make(second);
}
static void teardown(void) {
  scratch_remove(first);
  scratch_remove(second);
}
TestSuite(discover, .init = setup, .fini = teardown);

static const char *file_of(const char *path) { return strrchr(path, '/') + 1; }

Test(discover, directories_in_order_files_by_name) {
  char list[3 * PATH_SIZE];
  link_fake(first, "z.so", "GOOD");
  link_fake(first, "a.so", "GOOD");
  link_fake(first, "m.so.bak", "GOOD");
  link_fake(first, ".hidden.so", "GOOD");
  link_fake(first, "note.txt", "GOOD");
  link_fake(second, "b.so", "GOOD");
  snprintf(list, sizeof list, "::%s:", first);
  qe__paths paths;
  cr_assert_eq(qe__engine_discover_in(list, second, &paths), QE_OK);
  cr_assert_eq(paths.count, 3, "%zu", paths.count);
  cr_assert_str_eq(file_of(paths.path[0]), "a.so");
  cr_assert_str_eq(file_of(paths.path[1]), "z.so");
  cr_assert_str_eq(file_of(paths.path[2]), "b.so");
  cr_assert(strncmp(paths.path[2], second, strlen(second)) == 0, "%s", paths.path[2]);
  qe__paths_free(&paths);
}

Test(discover, entries_that_can_not_be_used_are_kept_with_a_reason) {
  qe__paths paths;
  cr_assert_eq(qe__engine_discover_in(".:engines:/nonexistent/engines", "/nonexistent/default", &paths), QE_OK);
  cr_assert_eq(paths.count, 3, "%zu", paths.count);
  for (int i = 0; i < 2; i++) cr_assert(strstr(paths.problem[i], "relative directory; write an absolute path"), "%s", paths.problem[i]);
  cr_assert_str_eq(paths.path[0], ".");
  cr_assert(strstr(paths.problem[2], "No such file or directory"), "%s", paths.problem[2]);
  qe__paths_free(&paths);
  cr_assert_eq(qe__engine_discover_in(NULL, NULL, &paths), QE_OK);
  cr_assert_eq(paths.count, 0);
  qe__paths_free(&paths);
}

Test(discover, a_build_tree_finds_its_own_engines) {
  qe__paths paths;
  unsetenv("QENGINE_PLUGIN_PATH");
  if (access(QE_BINARY_DIR "/engines/qe_reference.so", R_OK) != 0) cr_skip_test("the reference engine is not built in this tree");
  cr_assert_eq(qe__engine_discover(&paths), QE_OK);
  bool found = false;
  for (size_t i = 0; i < paths.count; i++) found = found || strcmp(file_of(paths.path[i]), "qe_reference.so") == 0;
  cr_assert(found, "%zu paths, none is qe_reference.so", paths.count);
  qe__paths_free(&paths);
}

static const qe_engine_info_t *info_named(const qe_engine_list_t *list, const char *file) {
  for (uint32_t i = 0; i < qe_engine_list_count(list); i++) {
    const qe_engine_info_t *info = qe_engine_list_at(list, i);
    if (strstr(info->path, file)) return info;
  }
  return NULL;
}

Test(discover, the_first_of_a_name_wins_and_all_are_listed) {
  char list_text[3 * PATH_SIZE], target[PATH_SIZE];
  link_fake(first, "one.so", "AGAIN");
  link_fake(first, "two.so", "BAD_MAGIC");
  link_fake(second, "three.so", "GOOD");
  link_fake(second, "four.so", "HIGH");
  snprintf(list_text, sizeof list_text, "%s:%s:relative", first, second);
  setenv("QENGINE_PLUGIN_PATH", list_text, 1);
  unsetenv("QUANTIZED_ENGINE");
  qe_engine_list_t *list;
  cr_assert_eq(qe_engine_list_create(&list), QE_OK, "%s", qe_last_error());
  const qe_engine_info_t *again = info_named(list, "/again.so"), *good = info_named(list, "/good.so"), *high = info_named(list, "/high.so");
  const qe_engine_info_t *bad = info_named(list, "/bad_magic.so"), *relative = info_named(list, "relative");
  cr_assert(again && good && high && bad && relative, "%u candidates", qe_engine_list_count(list));
  cr_assert(again->usable && !again->selected && again->reason[0] == '\0');
  cr_assert_str_eq(again->name, "fake");
  cr_assert_str_eq(again->version, "1.2.3");
  cr_assert_eq(again->kernels, 3, "%u", again->kernels);
  cr_assert_eq(again->observers, 2, "%u", again->observers);
  fake_path(target, "AGAIN");
  cr_assert_str_eq(again->path, target);
  cr_assert(!good->usable);
  cr_assert(strstr(good->reason, "validate: calls itself 'fake', a name already taken by "), "%s", good->reason);
  cr_assert(high->usable && high->selected, "the engine of the highest priority is not selected");
  cr_assert(!bad->usable && bad->name == NULL && strstr(bad->reason, "magic"));
  cr_assert(strstr(relative->reason, "discover: QENGINE_PLUGIN_PATH names a relative directory"), "%s", relative->reason);
  cr_assert_null(qe_engine_list_at(list, qe_engine_list_count(list)));
  qe_engine_list_destroy(&list);
  cr_assert_null(list);
  qe_engine_list_destroy(&list);
}

Test(discover, an_explicit_file_comes_before_the_search_path) {
  char path[PATH_SIZE];
  link_fake(first, "one.so", "AGAIN");
  setenv("QENGINE_PLUGIN_PATH", first, 1);
  fake_path(path, "GOOD");
  cr_assert_eq(qe_engine_load(path), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engines_ready(), QE_OK);
  cr_assert(strstr(qe__engine_by_name("fake")->path, "/good.so"), "%s", qe__engine_by_name("fake")->path);
}
