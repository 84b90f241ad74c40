/* The plugin's table: well formed, one export, no key twice. */
#include "support/kernel_host.h"

Test(reference_table, header_is_filled) {
  const qe_plugin *p = kh_open()->plugin;
  cr_assert_eq(p->magic, QE_PLUGIN_MAGIC);
  cr_assert_eq(p->struct_size, sizeof(qe_plugin));
  cr_assert_str_eq(p->engine, "reference");
  cr_assert(p->vendor && p->version && p->build_id && p->license);
  cr_assert_eq(p->priority, 0);
  cr_assert_eq(p->kernel_stride, sizeof(qe_kernel));
  cr_assert_gt(p->kernel_count, 0);
}

Test(reference_table, rows_are_well_formed_and_unique) {
  const qe_plugin *p = kh_open()->plugin;
  for (uint32_t i = 0; i < p->kernel_count; ++i) {
    const qe_kernel *k = kh_kernel_at(i);
    cr_assert_eq(k->struct_size, sizeof(qe_kernel));
    cr_assert(k->key.op[0] && k->key.op[sizeof k->key.op - 1] == '\0', "row %u", i);
    cr_assert(k->name && k->plan && k->run, "row %u", i);
    cr_assert_leq(k->key.layout, QE_LAYOUT_STRIDED, "%s", k->name);
    for (uint32_t j = 0; j < i; ++j) {
      cr_assert_str_neq(k->name, kh_kernel_at(j)->name);
      cr_assert(memcmp(&k->key, &kh_kernel_at(j)->key, sizeof k->key) != 0, "%s and %s have one key", k->name,
                kh_kernel_at(j)->name);
    }
  }
}

Test(reference_table, another_abi_is_refused) {
  void *handle = dlopen(KH_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  cr_assert(handle, "%s", dlerror());
  void *symbol = dlsym(handle, QE_PLUGIN_QUERY_SYMBOL);
  qe_plugin_query_fn query;
  memcpy(&query, &symbol, sizeof query);
  cr_assert_null(query((uint16_t)(QE_ABI_MAJOR + 1), 0));
}

Test(reference_table, relu_example) {
  float x[6] = {-1.0f, 2.0f, -0.0f, NAN, -INFINITY, INFINITY}, y[6];
  kh_case c = kh_new("Relu");
  kh_in(&c, KH_F32(x, 1, 3, 2));
  kh_out(&c, KH_F32(y, 1, 3, 2));
  kh_run(&c);
  const float expected[6] = {0.0f, 2.0f, -0.0f, NAN, 0.0f, INFINITY};
  kh_same_f32(expected, y, 6, "Relu");
}

/* The plugin exports its query and nothing else, and needs SLEEF, libm and libc only. */
static void run_and_collect(const char *command, char *text, size_t size) {
  FILE *f = popen(command, "r");
  cr_assert(f);
  const size_t n = fread(text, 1, size - 1, f);
  text[n] = '\0';
  if (pclose(f) != 0)
    cr_skip_test("skipped: \"%s\" did not work here", command);
}

Test(reference_table, one_export) {
  char text[4096];
  run_and_collect("nm -D --defined-only " KH_PLUGIN, text, sizeof text);
  const char *name = strstr(text, "qe_plugin_query");
  cr_assert(name, "%s", text);
  cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "more than one export:\n%s", text);
}

Test(reference_table, never_linked_to_the_core) {
  char text[8192];
  run_and_collect("nm -D --undefined-only " KH_PLUGIN, text, sizeof text);
  cr_assert_null(strstr(text, " qe_"), "%s", text);
}
