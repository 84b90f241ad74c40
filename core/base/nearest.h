/* "Did you mean ...?" */
#ifndef QE_CORE_NEAREST_H
#define QE_CORE_NEAREST_H

#include <stddef.h>

/*
 * The one of count names most like `word` by edit distance, letter case ignored; the first one of equals; NULL when none
 * is close. NULL entries are skipped.
 */
const char *qe__nearest_name(const char *word, size_t count, const char *const *names);

#endif
