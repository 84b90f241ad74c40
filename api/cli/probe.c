/* See probe.h. The child is this program again: `qengine engines --probe-one PATH`. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_SECONDS = 10, LONGEST_REASON = 4096 };

int cli_probe_one(const char *path) {
  if (qe_engine_load(path) == QE_OK) return CLI_OK;
  cli_put_clean(stdout, qe_last_error());
  return CLI_ENGINE;
}

static void become_probe(const char *path, int output) {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDERR_FILENO);
  }
  dup2(output, STDOUT_FILENO);
  execl("/proc/self/exe", "qengine", "engines", "--probe-one", path, (char *)NULL);
  _exit(CLI_FAILED);
}

/* Reads what the child says until it closes its end; false when the time was up. */
static bool listen_to(int input, char *text) {
  const double end = cli_now() + LIMIT_SECONDS;
  size_t length = 0;
  text[0] = '\0';
  for (;;) {
    const double left = end - cli_now();
    if (left <= 0.0) return false;
    struct pollfd wait_for = { .fd = input, .events = POLLIN };
    const int ready = poll(&wait_for, 1, (int)(left * 1e3) + 1);
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    char chunk[512];
    const ssize_t got = read(input, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    const size_t room = LONGEST_REASON - 1 - length, take = (size_t)got < room ? (size_t)got : room;
    memcpy(text + length, chunk, take);
    length += take;
    text[length] = '\0';
  }
}

/* A child that closed its output may still hang while it ends. */
static bool reap(pid_t child, int *state) {
  const double end = cli_now() + LIMIT_SECONDS;
  for (;;) {
    const pid_t ended = waitpid(child, state, WNOHANG);
    if (ended == child) return true;
    if (ended < 0 && errno != EINTR) return false;
    if (cli_now() >= end) return false;
    usleep(1000);
  }
}

static int probe(cli_probe *p) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return cli_error(CLI_FAILED, "a pipe for probing: %s", strerror(errno));
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) become_probe(p->path, ends[1]);
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return cli_error(CLI_FAILED, "a process for probing: %s", strerror(errno));
  }
  char said[LONGEST_REASON];
  int state = 0;
  const bool in_time = listen_to(ends[0], said) && reap(child, &state);
  close(ends[0]);
  if (!in_time) {
    kill(child, SIGKILL);
    waitpid(child, &state, 0);
    p->reason = cli_format("probe: it did not finish loading within %d seconds", LIMIT_SECONDS);
  } else if (WIFSIGNALED(state)) {
    p->reason = cli_format("probe: loading it crashed the process (signal %d, %s)", WTERMSIG(state),
                           strsignal(WTERMSIG(state)));
  } else {
    p->survived = WEXITSTATUS(state) == CLI_OK || WEXITSTATUS(state) == CLI_ENGINE;
    if (WEXITSTATUS(state) == CLI_ENGINE) p->reason = cli_format("%s", said[0] ? said : "refused without a reason");
    else if (WEXITSTATUS(state) != CLI_OK)
      p->reason = cli_format("probe: loading it ended the process with exit code %d", WEXITSTATUS(state));
  }
  return CLI_OK;
}

int cli_probe_all(cli_probe **out, size_t *count) {
  *out = NULL;
  *count = 0;
  qe_engine_paths_t *paths = NULL;
  const qe_status_t status = qe_engine_paths_create(&paths);
  if (status != QE_OK) return cli_fail(status, "looking for engines");
  const uint32_t n = qe_engine_paths_count(paths);
  *out = cli_calloc(n, sizeof **out);
  int code = CLI_OK;
  for (uint32_t i = 0; i < n && !code; i++) {
    const char *problem = NULL;
    cli_probe *p = &(*out)[(*count)++];
    p->path = cli_format("%s", qe_engine_paths_at(paths, i, &problem));
    p->survived = problem != NULL;
    if (problem) p->reason = cli_format("%s", problem);
    else code = cli_interrupted() ? cli_stop_interrupted() : probe(p);
  }
  qe_engine_paths_destroy(&paths);
  return code;
}

void cli_probe_free(cli_probe *probes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(probes[i].path);
    free(probes[i].reason);
  }
  free(probes);
}
