/* One calibration by several processes. */
#include <stdio.h>

#include "base/comm.h"
#include "flow/stats_file.h"

uint32_t qe_process_rank(void) { return qe__comm_rank(); }
uint32_t qe_process_count(void) { return qe__comm_size(); }

qe_status_t qe_prepared_share(qe_prepared_t *p) {
  void *mine = NULL;
  unsigned char *all = NULL;
  size_t size = 0, *sizes = NULL, at = 0;
  char name[40];
  QE_CHECK_ARG(p, "prepared is NULL");
  if (qe__comm_size() == 1) return QE_OK;
  QE_TRY(qe__comm_agree(qe__stats_write(p, &mine, &size)));
  qe_status_t status = qe__comm_gather(mine, size, &all, &sizes);
  for (uint32_t r = 0; r < qe__comm_size() && status == QE_OK; r++) { /* rank 0's first, so that all do the same */
    snprintf(name, sizeof name, "statistics of process %u", r);
    status = qe__stats_take(p, all + at, sizes[r], name, r > 0);
    at += sizes[r];
  }
  qe__free(mine);
  qe__free(all);
  qe__free(sizes);
  return qe__comm_agree(status);
}
