/*
 * The processes of a job: several when Open MPI started the program and qengine was built with QE_MPI, else one. These
 * functions are called by all processes alike, from one thread.
 */
#ifndef QE_CORE_COMM_H
#define QE_CORE_COMM_H

#include "base/status.h"

uint32_t qe__comm_rank(void);
uint32_t qe__comm_size(void);
/* First shard of rank r of n: r * shards / n. */
static inline uint32_t qe__first_shard(uint32_t rank, uint32_t size, uint32_t shards) { return (uint32_t)((uint64_t)rank * shards / size); }

/*
 * `partial` holds `shards` blocks of `size` floats, of which this process has filled those that are its own; afterwards
 * all are filled everywhere. Bits are moved, nothing is computed. Alone: nothing happens.
 */
qe_status_t qe__comm_share(float *partial, uint32_t shards, size_t size);
/* Everybody's bytes, one after the other in the order of ranks: *all (qe__free) and the sizes (qe__free), one per process. */
qe_status_t qe__comm_gather(const void *mine, size_t size, unsigned char **all, size_t **sizes);
/* The worst status of all processes, everywhere: either all go on or all stop. */
qe_status_t qe__comm_agree(qe_status_t status);

#endif
