/* Inputs of a case whose elements come from files instead of the case's pattern. */
#ifndef QE_CORE_CONFORM_REPLAY_H
#define QE_CORE_CONFORM_REPLAY_H

#include "conform/case.h"
#include "qengine/conform.h"

/* Do these options make sense together? INVALID_ARGUMENT says what does not. */
qe_status_t qe__replay_check(const qe_conform_options_t *o);
/*
 * Between qe__case_describe and qe__case_fill: loads the files as data of the case's inputs. Errors: INVALID_ARGUMENT (no
 * such input, or one that the case's fields decide; values out of an index's range), DTYPE, SHAPE (both named), those of
 * qe_tensor_load.
 */
qe_status_t qe__replay_load(qe__built *b, uint32_t n, const qe_conform_replay_t *replays);
/* " --replay '0=x.npy'" for each, quoted for a shell; "" for none. Free with qe__free; NULL: out of memory. */
char *qe__replay_text(uint32_t n, const qe_conform_replay_t *replays);

#endif
