/* docs/qconfig.md and docs/training.md: their JSON is read, and the first names every key, observer and preset. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "qconfig/mapping.h"

static char *page(const char *path) {
  void *data = NULL;
  size_t size = 0;
  cr_assert_eq(qe__read_file(path, (size_t)1 << 20, &data, &size), QE_OK, "%s",
               qe_last_error());
  char *text = qe__strndup(data, size);
  qe__free_aligned(data);
  cr_assert_not_null(text);
  return text;
}

static int read_examples(const char *path) {
  static const char open[] = "```json\n", close[] = "```";
  char *text = page(path), *at = text;
  int examples = 0;
  while ((at = strstr(at, open)) != NULL) {
    char *json = at + sizeof open - 1, *end = strstr(json, close);
    qe_qconfig_mapping_t *m = NULL;
    cr_assert_not_null(end);
    cr_expect_eq(qe_qconfig_mapping_parse(json, (size_t)(end - json), &m), QE_OK, "%.*s\n%s", (int)(end - json), json,
                 qe_last_error());
    qe_qconfig_mapping_destroy(&m);
    at = end + sizeof close - 1;
    examples++;
  }
  qe__free(text);
  return examples;
}

Test(docs, every_json_example_is_read) {
  cr_expect_geq(read_examples(QE_SOURCE_DIR "/docs/qconfig.md"), 4);
  cr_expect_geq(read_examples(QE_SOURCE_DIR "/docs/training.md"), 1);
}

static void expect_named(const char *text, const char *name) {
  char quoted[80];
  snprintf(quoted, sizeof quoted, "`%s`", name);
  cr_expect(strstr(text, quoted) != NULL, "docs/qconfig.md says nothing about %s", quoted);
}

Test(docs, everything_is_described) {
  static const char *const names[] = {
#define FIELD(field, kind, lo, hi) #field,
#include "qconfig/fields.def"
#undef FIELD
      "observer", "dtype", "qscheme", "method", "schema_version", "preset", "global", "equalize", "op_types",
      "name_globs", "names", "min_max", "moving_average_min_max", "per_channel_min_max",
      "moving_average_per_channel_min_max", "histogram", "fixed_qparams", "placeholder", "recording", "noop",
      "reuse_input", "dynamic", "l2", "mse", "percentile", "entropy", "per_tensor_affine", "per_tensor_symmetric",
      "per_channel_affine", "per_channel_symmetric"};
  char *text = page(QE_SOURCE_DIR "/docs/qconfig.md");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) expect_named(text, names[i]);
  for (const char *const *name = qe_qconfig_preset_names(); *name; name++) expect_named(text, *name);
  qe__free(text);
}
