/*
 * Several processes (QE_MPI=ON): Open MPI. A program that has called MPI_Init itself is taken at its word; one that was
 * started by mpirun without calling it gets MPI_Init here, at the first question, and MPI_Finalize at exit. Not started
 * by mpirun: one process. A process that dies, or ends with an exit code other than 0, ends the job; what was written
 * last, a checkpoint perhaps, stays.
 */
#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/comm.h"
#include "base/memory.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int rank_of_job, size_of_job = 1;

/* A process that gives up ends the job, or the others would wait for it; the first one may say why before it is ended. */
static void leave(int code, void *arg) {
  static const struct timespec patience = {.tv_nsec = 300000000};
  int done = 0;
  (void)arg;
  if (MPI_Finalized(&done) != MPI_SUCCESS || done) return;
  if (code == 0) {
    MPI_Finalize();
    return;
  }
  if (rank_of_job > 0) nanosleep(&patience, NULL);
  MPI_Abort(MPI_COMM_WORLD, code);
}

static bool started_by_mpirun(void) { return getenv("OMPI_COMM_WORLD_SIZE") != NULL || getenv("PMIX_RANK") != NULL; }

static void join(void) {
  int initialized = 0, provided;
  MPI_Initialized(&initialized);
  if (!initialized) {
    if (!started_by_mpirun()) return;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) return;
    on_exit(leave, NULL);
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_of_job);
  MPI_Comm_size(MPI_COMM_WORLD, &size_of_job);
}

uint32_t qe__comm_rank(void) {
  pthread_once(&once, join);
  return (uint32_t)rank_of_job;
}

uint32_t qe__comm_size(void) {
  pthread_once(&once, join);
  return (uint32_t)size_of_job;
}

static qe_status_t check(int result, const char *what) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (result == MPI_SUCCESS) return QE_OK;
  MPI_Error_string(result, text, &length);
  return qe__fail(QE_ERROR_IO, "processes cannot exchange %s: %s", what, text);
}

/* How many items each process brings, and where they go. */
typedef struct layout {
  int *counts, *starts;
} layout;

static qe_status_t layout_create(layout *l) {
  l->counts = qe__calloc((size_t)size_of_job, sizeof *l->counts);
  l->starts = qe__calloc((size_t)size_of_job, sizeof *l->starts);
  return l->counts != NULL && l->starts != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

static void layout_free(layout *l) {
  qe__free(l->counts);
  qe__free(l->starts);
}

qe_status_t qe__comm_share(float *partial, uint32_t shards, size_t size) {
  const uint32_t processes = qe__comm_size();
  layout l;
  MPI_Datatype block;
  if (processes == 1 || size == 0) return QE_OK;
  if (size > INT_MAX || shards > INT_MAX) return qe__fail(QE_ERROR_UNSUPPORTED, "%zu numbers of %u shards are too many to share", size, shards);
  qe_status_t status = layout_create(&l);
  if (status == QE_OK) {
    for (uint32_t r = 0; r < processes; r++) {
      l.starts[r] = (int)qe__first_shard(r, processes, shards);
      l.counts[r] = (int)qe__first_shard(r + 1, processes, shards) - l.starts[r];
    }
    status = check(MPI_Type_contiguous((int)size, MPI_FLOAT, &block), "gradients");
  }
  if (status == QE_OK) {
    status = check(MPI_Type_commit(&block), "gradients");
    if (status == QE_OK) {
      status = check(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, partial, l.counts, l.starts, block, MPI_COMM_WORLD), "gradients");
    }
    MPI_Type_free(&block);
  }
  layout_free(&l);
  return status;
}

qe_status_t qe__comm_gather(const void *mine, size_t size, unsigned char **all, size_t **sizes) {
  const uint32_t processes = qe__comm_size();
  layout l;
  size_t total = 0;
  *all = NULL;
  *sizes = qe__calloc(processes, sizeof **sizes);
  qe_status_t status = layout_create(&l);
  if (status == QE_OK && *sizes == NULL) status = QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK && processes == 1) (*sizes)[0] = size;
  if (status == QE_OK && processes > 1) {
    status = check(MPI_Allgather(&size, sizeof size, MPI_BYTE, *sizes, sizeof size, MPI_BYTE, MPI_COMM_WORLD), "sizes");
  }
  for (uint32_t r = 0; r < processes && status == QE_OK; r++) {
    if ((*sizes)[r] > INT_MAX - total) status = qe__fail(QE_ERROR_UNSUPPORTED, "the processes have more than 2 GB to exchange");
    l.starts[r] = (int)total;
    l.counts[r] = (int)(*sizes)[r];
    total += (*sizes)[r];
  }
  if (status == QE_OK && (*all = qe__calloc(total + 1, 1)) == NULL) status = QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK && processes == 1 && size > 0) memcpy(*all, mine, size);
  if (status == QE_OK && processes > 1) {
    status = check(MPI_Allgatherv(mine, (int)size, MPI_BYTE, *all, l.counts, l.starts, MPI_BYTE, MPI_COMM_WORLD), "data");
  }
  layout_free(&l);
  if (status == QE_OK) return QE_OK;
  qe__free(*all);
  qe__free(*sizes);
  *all = NULL;
  *sizes = NULL;
  return status;
}

qe_status_t qe__comm_agree(qe_status_t status) {
  int mine = (int)status, worst = mine;
  if (qe__comm_size() == 1) return status;
  QE_TRY(check(MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD), "their state"));
  if (worst != mine) {
    return qe__fail((qe_status_t)worst, "another process stopped: %s; its own message says why", qe_status_text((qe_status_t)worst));
  }
  return status;
}
