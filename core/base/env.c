/* Environment variables that a caller with fewer rights must not decide by. */
#include "base/env.h"

#include <stdatomic.h>
#include <stdlib.h>

static bool (*_Atomic injected)(void);

void qe__set_secure_mode(bool (*is_secure)(void)) {
  atomic_store(&injected, is_secure);
}

const char *qe__secure_getenv(const char *name) {
  bool (*is_secure)(void) = atomic_load(&injected);
  if (is_secure == NULL) return secure_getenv(name);
  return is_secure() ? NULL : getenv(name);
}
