/* Building the report of a flow. */
#ifndef QE_CORE_FLOW_REPORT_H
#define QE_CORE_FLOW_REPORT_H

#include "base/memory.h"
#include "qengine/flow.h"

qe_status_t qe__report_create(qe_report_t **out);
/* Copies all texts; any may be NULL. */
qe_status_t qe__report_add(qe_report_t *r, const char *node, const char *op, int quantized, const char *reason, double weight_sqnr_db,
                           const char *weight_scheme, const char *activation_scheme);

#endif
