/* Loading an engine where it can do no harm: in a child process, for a limited time. */
#ifndef QE_CLI_PROBE_H
#define QE_CLI_PROBE_H

#include "cli.h"

typedef struct cli_probe {
  char *path;
  char *reason;  /* NULL: it loads */
  bool survived; /* the child ended by itself: loading it here is safe */
} cli_probe;

/* Probes every candidate on the search path. CLI_OK or an exit code, message printed. */
int cli_probe_all(cli_probe **out, size_t *count);
void cli_probe_free(cli_probe *probes, size_t count);
/* The child's side: loads one file; says why not on stdout. Exit code CLI_OK or CLI_ENGINE. */
int cli_probe_one(const char *path);

#endif
