/* JSON on stdout: one object, schema_version first, numbers finite, text valid UTF-8. */
#ifndef QE_CLI_JSON_H
#define QE_CLI_JSON_H

#include <jansson.h>

#include "cli.h"

/* {"schema_version": 1} */
json_t *cli_json_begin(void);
/* Adds a value, taking it over. */
void cli_json_set(json_t *object, const char *key, json_t *value);
void cli_json_append(json_t *array, json_t *value);
/* NULL is null; bytes that are not UTF-8 become '?'. */
json_t *cli_json_text(const char *text);
/* null when not finite. */
json_t *cli_json_real(double value);
json_t *cli_json_int(int64_t value);
/* [1, null, 28]: unknown dimensions are null, or their symbol. NULL symbols allowed; rank -1 is null. */
json_t *cli_json_shape(int32_t rank, const int64_t *dims, const char *const *symbols);
/* The warnings so far. */
json_t *cli_json_warnings(void);
/* Writes the object to stdout and releases it. */
void cli_json_print(json_t *object);
/* {"schema_version": 1, "error": {...}} unless something was printed already. */
void cli_json_error(const char *status, const char *message);

#endif
