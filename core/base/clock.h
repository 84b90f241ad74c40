/* Time that has passed. */
#ifndef QE_CORE_CLOCK_H
#define QE_CORE_CLOCK_H

/* Of a clock that never goes back. */
double qe__seconds(void);

#endif
