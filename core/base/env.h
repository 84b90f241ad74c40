/* Environment variables that name files or decide what is run. */
#ifndef QE_CORE_ENV_H
#define QE_CORE_ENV_H

#include <stdbool.h>

/* The variable's text; NULL when it is not set, and always NULL in a program with more rights than its caller
 * (set-user-id). */
const char *qe__secure_getenv(const char *name);

/* Tests: what says whether the program has such rights, instead of the kernel; NULL: the kernel again. Process-wide. */
void qe__set_secure_mode(bool (*is_secure)(void));

#endif
