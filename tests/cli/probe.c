/* `engines --probe`: a plugin that crashes or hangs while it is loaded is reported, not suffered. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(probe, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

/* The engines with a bad one among them. */
static json_t *probe_with(const char *kind) {
  char path[1024];
  snprintf(path, sizeof path, "%s/tests/cli/%s:%s/engines", QE_BINARY_DIR, kind, QE_BINARY_DIR);
  setenv("QENGINE_PLUGIN_PATH", path, 1);
  result r = run_cli("engines --probe --json");
  expect_code(&r, 0);
  json_t *object = result_json(&r);
  result_free(&r);
  return object;
}

static void expect_bad(const char *kind, const char *reason) {
  json_t *object = probe_with(kind), *engines = json_object_get(object, "engines");
  bool bad = false, good = false;
  for (size_t i = 0; i < json_array_size(engines); i++) {
    json_t *e = json_array_get(engines, i);
    good = good || json_is_true(json_object_get(e, "usable"));
    if (!strstr(json_string_value(json_object_get(e, "path")), kind)) continue;
    bad = true;
    cr_assert(json_is_false(json_object_get(e, "usable")));
    expect_text(json_string_value(json_object_get(e, "reason")), reason);
  }
  cr_assert(bad, "the plugin that misbehaves is listed");
  cr_assert(good, "the others are probed too");
  json_decref(object);
}

Test(probe, crash) {
  expect_bad("crash", "signal 6");
}

Test(probe, hang) {
  expect_bad("hang", "within 10 seconds");
}
