/* A finished report without a run. */
#ifndef TEST_CONFORM_RUN_MADE_H
#define TEST_CONFORM_RUN_MADE_H

#include "conform/report_build.h"

/* Two kernels; case i of kernel k has verdicts[k][i] ("p" PASS, "f" FAIL, "c" CRASH, "t" TIMEOUT, "u" UNSUPPORTED,
 * "m" MISTRUSTED, "r" REFUSED) and the text "Op<k>:u8/n<i>". Settled, not decided. */
qe_conform_report_t *made_report(const char *first, const char *second);
/* The same, decided. */
qe_conform_report_t *decided_report(const char *first, const char *second);

#endif
