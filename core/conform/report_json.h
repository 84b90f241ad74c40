/* JSON of a conformance report, as its writers share it. */
#ifndef QE_CORE_CONFORM_REPORT_JSON_H
#define QE_CORE_CONFORM_REPORT_JSON_H

#include <jansson.h>

#include "conform/report_build.h"

/* The pieces of JSON, owned by the caller; NULL: out of memory. */
json_t *qe__json_counts(const qe_conform_counts_t *c);
json_t *qe__json_case(const qe_conform_report_t *r, const qe_conform_case_t *c);
/* Hex SHA-256 of the canonical form (sorted keys, no blanks) of an object. */
qe_status_t qe__json_digest(const json_t *object, char out[65]);

#endif
