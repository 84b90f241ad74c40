/* Names in qconfig files: canonical ones, and torch's, which are read too. */
#ifndef QE_CORE_QCONFIG_NAMES_H
#define QE_CORE_QCONFIG_NAMES_H

#include "qengine/qconfig.h"

typedef struct qe__name {
  const char *name;
  int value;
} qe__name;

extern const qe__name qe__qscheme_names[], qe__method_names[]; /* name NULL at the end; canonical names first */

/* The value of a name ("torch." in front is allowed), or -1. */
int qe__name_value(const qe__name *table, const char *name);
/* The canonical name of a value. */
const char *qe__name_of(const qe__name *table, int value);
/* "HistogramObserver", also with torch's module in front -> "histogram"; other names come back as they are. */
const char *qe__observer_canonical(const char *name);

#endif
