/*
 * A forked process that may crash or hang: started with its output kept away, watched through a pipe, and able to say
 * afterwards how it ended. Plain fork, pipe, poll and waitpid, so that it works under an emulator too.
 */
#ifndef QE_CORE_CONFORM_WORKER_PROCESS_H
#define QE_CORE_CONFORM_WORKER_PROCESS_H

#include <stdio.h>
#include <sys/types.h>

#include "base/clock.h"
#include "conform/protocol.h"

typedef struct qe__process {
  pid_t pid;       /* 0: none */
  int fd;          /* what it says */
  FILE *log;       /* its stderr */
  double deadline; /* qe__seconds(); the watcher moves it */
  qe__inbox inbox;
} qe__process;

/* Runs fn(arg, fd) in a child. isa_mask (may be NULL): its QENGINE_CPU_MASK. Errors: IO. */
qe_status_t qe__process_start(qe__process *p, void (*fn)(void *arg, int fd), void *arg, const char *isa_mask);

/* How a process ended. */
typedef struct qe__ending {
  bool killed; /* by us: it was late */
  int signal;  /* that ended it; 0: it exited */
  int exit_code;
  char text[64];        /* "SIGSEGV", "exit code 1", "no answer in time" */
  char last_words[400]; /* the end of what it wrote to stderr */
} qe__ending;
/* Waits for the end, or with kill_it makes it end. Everything of *p is released. */
void qe__process_end(qe__process *p, bool kill_it, qe__ending *out);

#endif
