/* What a plugin said through host->error, for the message of the call that failed, and what it has of the host. */
#ifndef QE_CORE_ENGINE_HOST_H
#define QE_CORE_ENGINE_HOST_H

#include <stdint.h>

/* Before a call into a plugin: forgets what this thread's plugins said earlier. */
void qe__host_clear_error(void);
/* After a failed call: the plugin's own words, "" when it gave none. Valid until this thread's next call into a plugin. */
const char *qe__host_error(void);
/* Blocks that plugins have from host->alloc and did not give back. */
int64_t qe__host_live_blocks(void);

#endif
