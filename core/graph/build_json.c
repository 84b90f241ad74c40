/* Attributes of qe_op from JSON text. */
#include <jansson.h>
#include <string.h>

#include "graph/build.h"
#include "onnx/attributes.h"

static qe_status_t wrong_kind(const qe__node *n, const char *key, const char *expected) {
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "node '%s' (%s): attribute '%s' must be %s", n->name, n->op->name, key,
                  expected);
}

static qe_status_t set_numbers(qe__node *n, const char *key, const json_t *list, bool floats) {
  const size_t count = json_array_size(list);
  qe_status_t status = QE_OK;
  int64_t *ints = qe__calloc(count + 1, sizeof *ints);
  float *reals = qe__calloc(count + 1, sizeof *reals);
  if (ints == NULL || reals == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  for (size_t i = 0; i < count; i++) {
    const json_t *e = json_array_get(list, i);
    if (floats ? !json_is_number(e) : !json_is_integer(e)) {
      status = wrong_kind(n, key, floats ? "a list of numbers" : "a list of integers");
      goto done;
    }
    ints[i] = (int64_t)json_integer_value(e);
    reals[i] = (float)json_number_value(e);
  }
  status = floats ? qe__node_set_floats(n, key, reals, count) : qe__node_set_ints(n, key, ints, count);
done:
  qe__free(reals);
  qe__free(ints);
  return status;
}

static qe_status_t set_strings(qe__node *n, const char *key, const json_t *list) {
  const size_t count = json_array_size(list);
  const char **strings = qe__calloc(count + 1, sizeof *strings);
  if (strings == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  for (size_t i = 0; i < count && status == QE_OK; i++) {
    strings[i] = json_string_value(json_array_get(list, i));
    if (strings[i] == NULL) status = wrong_kind(n, key, "a list of strings");
  }
  if (status == QE_OK) status = qe__node_set_strings(n, key, strings, count);
  qe__free((void *)strings);
  return status;
}

/* A tensor attribute (ConstantOfShape's value) is given as one number: int64 or float32. */
static qe_status_t set_tensor(qe__node *n, const char *key, const json_t *value) {
  qe_tensor_t *t;
  const int64_t dims[1] = {1};
  if (json_is_integer(value)) {
    const int64_t number = (int64_t)json_integer_value(value);
    QE_TRY(qe_tensor_from_data(QE_INT64, 1, dims, &number, &t));
  } else if (json_is_real(value)) {
    const float number = (float)json_real_value(value);
    QE_TRY(qe_tensor_from_data(QE_FLOAT32, 1, dims, &number, &t));
  } else {
    return wrong_kind(n, key, "a number");
  }
  const qe_status_t status = qe__node_set_tensor(n, key, t);
  qe_tensor_release(&t);
  return status;
}

static qe_status_t set_attribute(qe__node *n, const char *key, const json_t *value) {
  qe__attr_kind kind;
  if (!qe__onnx_attribute(n->op->id, key, strlen(key), &kind)) {
    return qe__fail(QE_ERROR_NOT_FOUND, "node '%s' (%s): there is no attribute '%s'; docs/ops.md lists those there are",
                    n->name, n->op->name, key);
  }
  switch (kind) {
    case QE__ATTR_INT:
      if (json_is_boolean(value)) return qe__node_set_int(n, key, json_is_true(value));
      if (!json_is_integer(value)) return wrong_kind(n, key, "an integer");
      return qe__node_set_int(n, key, (int64_t)json_integer_value(value));
    case QE__ATTR_FLOAT:
      if (!json_is_number(value)) return wrong_kind(n, key, "a number");
      return qe__node_set_float(n, key, (float)json_number_value(value));
    case QE__ATTR_STRING:
      if (!json_is_string(value)) return wrong_kind(n, key, "a string");
      return qe__node_set_string(n, key, json_string_value(value));
    case QE__ATTR_INTS:
      if (!json_is_array(value)) return wrong_kind(n, key, "a list of integers");
      return set_numbers(n, key, value, false);
    case QE__ATTR_FLOATS:
      if (!json_is_array(value)) return wrong_kind(n, key, "a list of numbers");
      return set_numbers(n, key, value, true);
    case QE__ATTR_STRINGS:
      if (!json_is_array(value)) return wrong_kind(n, key, "a list of strings");
      return set_strings(n, key, value);
    case QE__ATTR_TENSOR:
      return set_tensor(n, key, value);
  }
  return QE_OK;
}

qe_status_t qe__build_attributes(qe__node *n, const char *json) {
  if (json == NULL) return QE_OK;
  json_error_t error;
  json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
  if (root == NULL) {
    return qe__fail(QE_ERROR_FORMAT, "node '%s' (%s): attributes are no JSON: %s at line %d, column %d", n->name,
                    n->op->name, error.text, error.line, error.column);
  }
  qe_status_t status = QE_OK;
  if (!json_is_object(root)) {
    status = qe__fail(QE_ERROR_FORMAT, "node '%s' (%s): attributes must be a JSON object, like {\"axis\": 1}", n->name,
                      n->op->name);
  }
  const char *key;
  json_t *value;
  if (status == QE_OK) {
    json_object_foreach(root, key, value) {
      status = set_attribute(n, key, value);
      if (status != QE_OK) break;
    }
  }
  json_decref(root);
  return status;
}
