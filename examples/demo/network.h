/* The demo's network: a small MobileNet for pictures [batch, 1, 24, 24] of ten classes. */
#ifndef NETWORK_H
#define NETWORK_H

#include <qengine.h>

/* With first values by the seed; qe_last_error says why it failed. */
qe_status_t network_create(uint64_t seed, qe_model_t **out);

#endif
