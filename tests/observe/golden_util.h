/* Observer configs from torch's arguments. */
#ifndef QE_TESTS_OBSERVE_GOLDEN_UTIL_H
#define QE_TESTS_OBSERVE_GOLDEN_UTIL_H

#include "observe_util.h"
#include "support/golden.h"

/* False when the scheme is one that qengine does not have (float zero points). */
bool golden_config(const char *torch_class, const json_t *params, qe_observer_config_t *out);
/* The single float32 of a tensor of "expected". */
float golden_scalar(const golden *g, const json_t *c, const char *name);
/* The k-th batch; NULL after the last one. */
qe_tensor_t *golden_batch(const golden *g, const json_t *c, int k);
/* Compares the observer's parameters with the case's scale and zero_point, bit for bit. */
void golden_check_qparams(const golden *g, const json_t *c, const qe__observer *o);

#endif
