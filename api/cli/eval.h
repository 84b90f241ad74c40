/* What the files of `qengine eval` share. */
#ifndef QE_CLI_EVAL_H
#define QE_CLI_EVAL_H

#include "feed.h"
#include "measure.h"
#include "steps.h"

typedef struct eval_args {
  const char *model, *output;
  cli_list data, labels;
  cli_feed_options feed;
  cli_steps_options steps;
} eval_args;

typedef struct outcome {
  cli_score score;
  double *milliseconds; /* of runs with a full batch, or of the only one */
  size_t runs;
  qe_session_stats_t stats;
  int64_t batch;        /* samples of a full run */
  int64_t steps, step_size; /* steps 0: not in steps; one step of the whole has size 1 */
  bool tokens;          /* the data is token ids, so bits per token mean something */
} outcome;

/* Adds one run's logits; `first` numbers their rows in messages. CLI_OK or an exit code, message printed. */
int cli_eval_score(const eval_args *a, int64_t first, const qe_tensor_t *labels, qe_tensor_t *result,
                   cli_score *score);
/* Piece by piece, carrying states. */
int cli_eval_steps(const eval_args *a, const qe_model_t *model, const cli_states *states, qe_session_t *session,
                   outcome *o);

#endif
