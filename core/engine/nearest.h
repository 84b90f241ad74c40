/* The name somebody may have meant. */
#ifndef QE_CORE_ENGINE_NEAREST_H
#define QE_CORE_ENGINE_NEAREST_H

#include <stddef.h>

/* The entry of `names` closest to `name` by edit distance; NULL when none is close. NULL entries are skipped. */
const char *qe__nearest(const char *name, const char *const *names, size_t count);

#endif
