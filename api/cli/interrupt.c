/* SIGINT and SIGTERM: finish the batch at hand, leave nothing half done, exit with 130. */
#include <signal.h>
#include <string.h>

#include "cli.h"

static volatile sig_atomic_t raised;

static void on_signal(int number) {
  (void)number;
  raised = 1;
}

void cli_interrupt_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | (int)SA_RESETHAND; /* whoever asks twice does not want to wait */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void) {
  return raised != 0;
}

int cli_stop_interrupted(void) {
  return cli_error(CLI_INTERRUPTED, "interrupted; nothing was written");
}
