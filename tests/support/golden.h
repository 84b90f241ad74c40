/*
 * Golden vectors: <root>/../shared/golden/<group>/manifest.json and the arrays it names. Header-only, so that every
 * test program may use it.
 *
 *   golden g;
 *   golden_open(&g, "qlinear");                       skips the test, saying why, when the vectors are absent
 *   for (size_t i = 0; i < golden_count(&g); i++) {
 *     const json_t *c = golden_case(&g, i);           "name", "op", "params", "inputs", "expected"
 *     qe_tensor_t *x = golden_tensor(&g, c, "inputs", "x");
 *     const double scale = golden_number(json_object_get(c, "params"), "x_scale");
 *   }
 *   golden_close(&g);
 */
#ifndef QE_TESTS_GOLDEN_H
#define QE_TESTS_GOLDEN_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "qengine/data.h"
#include "qengine/tensor.h"

#define GOLDEN_DIR QE_SOURCE_DIR "/../shared/golden"

typedef struct golden {
  char directory[512];
  json_t *root;
} golden;

static inline void golden_open(golden *g, const char *group) {
  char path[600];
  json_error_t error;
  memset(g, 0, sizeof *g);
  snprintf(g->directory, sizeof g->directory, "%s/%s", GOLDEN_DIR, group);
  snprintf(path, sizeof path, "%s/manifest.json", g->directory);
  if (access(path, R_OK) != 0) {
    fprintf(stderr, "skipped: no golden vectors at %s\n", path);
    cr_skip_test("no golden vectors at %s", path);
  }
  g->root = json_load_file(path, 0, &error);
  cr_assert_not_null(g->root, "%s: %s", path, error.text);
}

static inline void golden_close(golden *g) {
  json_decref(g->root);
  g->root = NULL;
}

static inline size_t golden_count(const golden *g) { return json_array_size(json_object_get(g->root, "cases")); }

static inline const json_t *golden_case(const golden *g, size_t index) {
  return json_array_get(json_object_get(g->root, "cases"), index);
}

/* A string member of a case or of its parameters; "" when absent. */
static inline const char *golden_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text == NULL ? "" : text;
}

/* Numbers; "inf", "-inf" and "nan" are written as strings. Absent: NaN. */
static inline double golden_number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  if (json_is_number(value)) return json_number_value(value);
  if (json_is_boolean(value)) return json_is_true(value) ? 1.0 : 0.0;
  const char *text = json_string_value(value);
  if (text != NULL && strcmp(text, "inf") == 0) return (double)INFINITY;
  if (text != NULL && strcmp(text, "-inf") == 0) return -(double)INFINITY;
  return (double)NAN;
}

static inline int golden_has(const json_t *c, const char *section, const char *name) {
  return json_object_get(json_object_get(json_object_get(c, section), name), "file") != NULL;
}

/* A tensor of "inputs" or "expected"; NULL when the case has none of that name. The caller releases it. */
static inline qe_tensor_t *golden_tensor(const golden *g, const json_t *c, const char *section, const char *name) {
  if (!golden_has(c, section, name)) return NULL;
  char path[1200];
  qe_tensor_t *tensor;
  snprintf(path, sizeof path, "%s/%s", g->directory,
           golden_text(json_object_get(json_object_get(c, section), name), "file"));
  const qe_status_t status = qe_tensor_load(path, NULL, &tensor);
  cr_assert_eq(status, QE_OK, "%s", qe_last_error());
  return tensor;
}

#endif
