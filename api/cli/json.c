/* See json.h. */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool printed;

static json_t *made(json_t *value) {
  if (!value) cli_out_of_memory();
  return value;
}

json_t *cli_json_begin(void) {
  json_t *object = made(json_object());
  cli_json_set(object, "schema_version", json_integer(1));
  return object;
}

void cli_json_set(json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, made(value)) != 0) cli_out_of_memory();
}

void cli_json_append(json_t *array, json_t *value) {
  if (json_array_append_new(array, made(value)) != 0) cli_out_of_memory();
}

json_t *cli_json_text(const char *text) {
  if (!text) return json_null();
  json_t *value = json_string(text);
  if (value) return value;
  char *ascii = cli_format("%s", text);
  for (char *c = ascii; *c; c++)
    if ((unsigned char)*c >= 0x80) *c = '?';
  value = made(json_string(ascii));
  free(ascii);
  return value;
}

json_t *cli_json_real(double value) {
  return isfinite(value) ? made(json_real(value)) : json_null();
}

json_t *cli_json_int(int64_t value) {
  return made(json_integer((json_int_t)value));
}

json_t *cli_json_shape(int32_t rank, const int64_t *dims, const char *const *symbols) {
  if (rank < 0) return json_null();
  json_t *array = made(json_array());
  for (int32_t i = 0; i < rank; i++) {
    if (dims[i] >= 0) cli_json_append(array, cli_json_int(dims[i]));
    else cli_json_append(array, cli_json_text(symbols ? symbols[i] : NULL));
  }
  return array;
}

json_t *cli_json_warnings(void) {
  json_t *array = made(json_array());
  for (size_t i = 0; i < cli_warning_count(); i++) cli_json_append(array, cli_json_text(cli_warning_at(i)));
  return array;
}

void cli_json_print(json_t *object) {
  printed = true;
  json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  fputc('\n', stdout);
  json_decref(object);
}

void cli_json_error(const char *status, const char *message) {
  if (printed) return;
  json_t *error = made(json_object());
  cli_json_set(error, "status", cli_json_text(status));
  cli_json_set(error, "message", cli_json_text(message));
  json_t *object = cli_json_begin();
  cli_json_set(object, "error", error);
  cli_json_print(object);
}
