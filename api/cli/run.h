/* What the files of `qengine run` share. */
#ifndef QE_CLI_RUN_H
#define QE_CLI_RUN_H

#include "feed.h"
#include "steps.h"

typedef struct run_args {
  const char *model, *output_dir;
  cli_list inputs, outputs;
  cli_feed_options feed;
  cli_steps_options steps;
  bool force;
} run_args;

typedef struct results {
  uint32_t n;
  qe_named_tensor_t *tensors; /* names belong to the model */
  char **paths;
} results;

/* Runs piece by piece, carrying states; fills the results' tensors. CLI_OK or an exit code, message printed. */
int cli_run_steps(const run_args *a, const qe_model_t *model, const cli_states *states, results *r,
                  qe_session_t *session);

#endif
