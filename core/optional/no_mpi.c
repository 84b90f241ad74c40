/* One process (QE_MPI=OFF): what train/comm_mpi.c does for several. */
#include "train/trainer.h"

uint32_t qe__comm_rank(void) { return 0; }
uint32_t qe__comm_size(void) { return 1; }

qe_status_t qe__comm_share(float *partial, uint32_t shards, size_t size) {
  (void)partial;
  (void)shards;
  (void)size;
  return QE_OK;
}

qe_status_t qe__comm_agree(qe_status_t status) { return status; }
