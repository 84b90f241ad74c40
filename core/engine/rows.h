/* Rows of a plugin's table: what makes one valid, and their order in the registry. */
#ifndef QE_CORE_ENGINE_ROWS_H
#define QE_CORE_ENGINE_ROWS_H

#include "base/status.h"
#include "engine/engine.h"

/* One row, already copied. `index` is for messages. Errors: ENGINE. */
qe_status_t qe__kernel_row_check(const qe_kernel *row, uint32_t index);
qe_status_t qe__observer_row_check(const qe_observer *row, uint32_t index);
/*
 * The kernels that the machine can run, sorted by op, falling priority, place in the table (*kernels: qe__free). Refuses
 * two kernels of one key and priority, and two of one name. Errors: ENGINE, OUT_OF_MEMORY.
 */
qe_status_t qe__kernel_rows_sort(const qe__kernel *table, uint32_t count, uint64_t isa, qe__kernel **kernels, uint32_t *usable);

#endif
