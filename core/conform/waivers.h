/* Known failures: each with a reason, a link and a date on which it ends. One that covers nothing any more is a
 * failure. */
#ifndef QE_CORE_CONFORM_WAIVERS_H
#define QE_CORE_CONFORM_WAIVERS_H

#include "conform/report_build.h"

typedef struct qe__waivers qe__waivers;

/*
 * {"schema_version": 1, "waivers": [{"case": GLOB, "kernel": GLOB, "reason": TEXT, "link": TEXT, "expires":
 * "YYYY-MM-DD"}]}; "kernel" may be left out. Errors: IO, FORMAT naming the entry and the key.
 */
qe_status_t qe__waivers_load(const char *path, qe__waivers **out);
qe_status_t qe__waivers_parse(const char *text, size_t size, const char *name, qe__waivers **out);
void qe__waivers_free(qe__waivers **waivers);

/*
 * Turns covered failures into WAIVED and notes expired and stale waivers as problems of the report. today: year * 10000
 * + month * 100 + day. whole: everything ran, so that a waiver without a case is stale, too.
 */
qe_status_t qe__waivers_apply(const qe__waivers *waivers, int32_t today, bool whole, qe_conform_report_t *report);
/* Today, UTC. */
int32_t qe__today(void);

#endif
