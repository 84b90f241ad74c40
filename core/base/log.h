/* Messages for people: a level, a callback, stderr by default. QENGINE_LOG=error|warning|info|debug sets the level. */
#ifndef QE_CORE_LOG_H
#define QE_CORE_LOG_H

#include "base/status.h"

void qe__log(qe_log_level_t level, const char *format, ...) QE__PRINTF(2, 3);

#endif
