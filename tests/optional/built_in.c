/* Engines that are part of the library: found without files, and before them. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/memory.h"
#include "engine/load.h"
#include "qengine.h"

static int create(const qe_host *host, void **self) {
  (void)host;
  *self = NULL;
  return 0;
}

static void destroy(void *self) { (void)self; }

#define ENGINE(engine_name)                                                                                         \
  {                                                                                                                 \
      .magic = QE_PLUGIN_MAGIC, .struct_size = sizeof(qe_plugin), .abi_major = QE_ABI_MAJOR,                        \
      .abi_minor = QE_ABI_MINOR, .sanitizer = QE_PLUGIN_SANITIZER, .engine = engine_name, .vendor = "tests",        \
      .version = "1", .build_id = "", .license = "Apache-2.0", .priority = -5, .kernel_stride = sizeof(qe_kernel),  \
      .observer_stride = sizeof(qe_observer), .create = create, .destroy = destroy,                                 \
  }
static const qe_plugin inside = ENGINE("inside"), bad = ENGINE("Bad Name");

static const qe_plugin *query_inside(uint16_t major, uint16_t minor) {
  (void)major;
  (void)minor;
  return &inside;
}

static const qe_plugin *query_bad(uint16_t major, uint16_t minor) {
  (void)major;
  (void)minor;
  return &bad;
}

/* Instead of the table that the build makes. */
const qe_plugin_query_fn qe__built_in_engines[] = {query_inside, query_bad, NULL};

static const qe_engine_info_t *find(const qe_engine_list_t *list, const char *name, int usable) {
  for (uint32_t i = 0; i < qe_engine_list_count(list); i++) {
    const qe_engine_info_t *e = qe_engine_list_at(list, i);
    if (e->usable == usable && (name == NULL ? e->name == NULL : e->name != NULL && strcmp(e->name, name) == 0)) return e;
  }
  return NULL;
}

Test(built_in, engines_are_listed_and_can_be_chosen) {
  qe_engine_list_t *list;
  const char *name;
  cr_assert_eq(qe_engine_list_create(&list), QE_OK, "%s", qe_last_error());
  const qe_engine_info_t *e = find(list, "inside", 1);
  cr_assert_not_null(e);
  cr_assert_str_eq(e->path, "built in");
  cr_assert_not_null(find(list, "reference", 1), "engines in files are found, too");
  qe_engine_list_destroy(&list);
  cr_assert_eq(qe_set_engine("inside"), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_get_engine(&name), QE_OK);
  cr_assert_str_eq(name, "inside");
}

Test(built_in, what_is_wrong_with_one_is_told) {
  qe_engine_list_t *list;
  cr_assert_eq(qe_engine_list_create(&list), QE_OK, "%s", qe_last_error());
  const qe_engine_info_t *e = find(list, NULL, 0);
  cr_assert_not_null(e);
  cr_assert_str_eq(e->path, "built in");
  cr_assert(strstr(e->reason, "Bad Name"), "%s", e->reason);
  qe_engine_list_destroy(&list);
}

/* Wherever memory runs out, the engine is there in the end, once, and no refusal of it is remembered. */
Test(built_in, running_out_of_memory_refuses_none) {
  qe_engine_list_t *list = NULL;
  long n = 0;
  for (qe_status_t status = QE_ERROR_OUT_OF_MEMORY; status != QE_OK; n++) {
    qe__fail_allocations_after(n);
    status = qe__engines_ready();
    qe__fail_allocations_after(-1);
    cr_assert(status == QE_OK || status == QE_ERROR_OUT_OF_MEMORY, "%ld: %s", n, qe_last_error());
  }
  cr_assert_gt(n, 10);
  cr_assert_eq(qe_engine_list_create(&list), QE_OK, "%s", qe_last_error());
  cr_assert_not_null(find(list, "inside", 1));
  cr_assert_null(find(list, "inside", 0));
  qe_engine_list_destroy(&list);
}

Test(built_in, they_retire) {
  cr_assert_eq(qe_set_engine(NULL), QE_OK);
  qe_engine_list_t *list;
  cr_assert_eq(qe_engine_list_create(&list), QE_OK, "%s", qe_last_error());
  qe_engine_list_destroy(&list);
  cr_assert_eq(qe_engine_retire("inside"), QE_OK, "%s", qe_last_error());
  cr_assert_neq(qe_set_engine("inside"), QE_OK);
}
