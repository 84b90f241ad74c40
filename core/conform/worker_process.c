/* See worker_process.h. */
#include "conform/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPORT_FD = 200, CLOSE_GRACE_MS = 5000 };

/* In the child: nothing of it reaches the user's terminal, and it does not outlive the parent. */
static int settle(int fd, FILE *log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  signal(SIGINT, SIG_IGN); /* the parent decides when to stop */
  signal(SIGTERM, SIG_DFL);
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const int nothing = open("/dev/null", O_RDWR);
  if (nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
  }
  if (log != NULL)
    dup2(fileno(log), STDERR_FILENO);
  else if (nothing >= 0)
    dup2(nothing, STDERR_FILENO);
  if (nothing > STDERR_FILENO) close(nothing);
  const int high = fcntl(fd, F_DUPFD, REPORT_FD); /* out of the way of code that closes what it does not own */
  if (high < 0) return fd;
  close(fd);
  return high;
}

qe_status_t qe__process_start(qe__process *p, void (*fn)(void *arg, int fd), void *arg, const char *isa_mask) {
  int ends[2];
  memset(p, 0, sizeof *p);
  p->fd = -1;
  if (pipe(ends) != 0) return qe__fail(QE_ERROR_IO, "a pipe for a worker process: %s", strerror(errno));
  p->log = tmpfile(); /* without one its messages are lost, no more */
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    if (isa_mask != NULL) setenv("QENGINE_CPU_MASK", isa_mask, 1);
    fn(arg, settle(ends[1], p->log, parent));
    _exit(0);
  }
  close(ends[1]);
  if (pid < 0) {
    const int error = errno;
    close(ends[0]);
    if (p->log != NULL) fclose(p->log);
    memset(p, 0, sizeof *p);
    return qe__fail(QE_ERROR_IO, "a worker process: %s", strerror(error));
  }
  p->pid = pid;
  p->fd = ends[0];
  fcntl(p->fd, F_SETFL, O_NONBLOCK);
  fcntl(p->fd, F_SETFD, FD_CLOEXEC);
  return QE_OK;
}

static void read_last_words(FILE *log, char *text, size_t size) {
  text[0] = '\0';
  if (log == NULL) return;
  fseek(log, 0, SEEK_END);
  const long end = ftell(log);
  const long from = end > (long)size - 1 ? end - (long)size + 1 : 0;
  if (end < 0 || fseek(log, from, SEEK_SET) != 0) return;
  const size_t got = fread(text, 1, size - 1, log);
  text[got] = '\0';
  while (text[0] != '\0' && text[strlen(text) - 1] == '\n') text[strlen(text) - 1] = '\0';
}

/* A process whose pipe is closed may still hang on its way out. */
static int reap(pid_t pid, bool *killed) {
  int state = 0;
  for (int waited = 0; !*killed && waited < CLOSE_GRACE_MS; waited++) {
    const pid_t ended = waitpid(pid, &state, WNOHANG);
    if (ended == pid) return state;
    if (ended < 0 && errno != EINTR) return 0;
    const struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
  }
  *killed = true;
  kill(pid, SIGKILL);
  while (waitpid(pid, &state, 0) < 0 && errno == EINTR) continue;
  return state;
}

void qe__process_end(qe__process *p, bool kill_it, qe__ending *out) {
  memset(out, 0, sizeof *out);
  if (p->pid == 0) return;
  out->killed = kill_it;
  const int state = reap(p->pid, &out->killed);
  if (out->killed) {
    snprintf(out->text, sizeof out->text, "no answer in time");
  } else if (WIFSIGNALED(state)) {
    out->signal = WTERMSIG(state);
    const char *name = sigabbrev_np(out->signal);
    snprintf(out->text, sizeof out->text, "%s%s", name != NULL ? "SIG" : "signal ", name != NULL ? name : "?");
  } else {
    out->exit_code = WEXITSTATUS(state);
    snprintf(out->text, sizeof out->text, "exit code %d", out->exit_code);
  }
  read_last_words(p->log, out->last_words, sizeof out->last_words);
  if (p->log != NULL) fclose(p->log);
  close(p->fd);
  memset(p, 0, sizeof *p);
  p->fd = -1;
}
