/* Where a quantized model's steps run, known before it is written. */
#ifndef QE_CLI_PLACEMENT_H
#define QE_CLI_PLACEMENT_H

#include "cli.h"

typedef struct cli_placement {
  bool known;
  char engine[64];
  uint32_t steps, quantized, fallback, threads;
} cli_placement;

/*
 * Plans the model with zeros, a batch of 1. Not known (a warning) when that cannot be planned; with --strict that, and a
 * step on another engine, is an error. CLI_OK or an exit code, message printed.
 */
int cli_placement_of(const qe_model_t *model, cli_placement *out);

#endif
