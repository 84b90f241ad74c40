/* Quantized forms of a float model in memory, on random data if need be: for commands that measure. */
#ifndef QE_CLI_FLOWS_H
#define QE_CLI_FLOWS_H

#include "command.h"

/* Inputs of a model, `count` times. Zero it to start; released by cli_batches_free. */
typedef struct cli_batches {
  qe_named_tensor_t **items; /* each as cli_zero_inputs makes it */
  size_t count;
} cli_batches;

/* What integer inputs are drawn from: below `ids`, or (0) below the rows of the table that they look up, else zeros. */
int64_t cli_input_ids(const qe_model_t *model, const char *input, int64_t ids);
/* One set of seeded random numbers, of shapes as cli_zero_inputs has them. CLI_OK or an exit code, message printed. */
int cli_random_inputs(const qe_model_t *model, int64_t batch, const cli_list *shapes, int64_t ids, uint64_t seed,
                      qe_named_tensor_t **out);
/* `count` sets of them, of seeds that follow each other. */
int cli_random_batches(const qe_model_t *model, int64_t batch, const cli_list *shapes, int64_t ids, uint64_t seed,
                       size_t count, cli_batches *out);
void cli_batches_free(const qe_model_t *model, cli_batches *batches);

/*
 * The static flow over a fused model, calibrated with the first `count` batches. `what` names the model in messages;
 * `silent`: no progress is shown. CLI_OK or an exit code, message printed.
 */
int cli_static_flow(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const cli_batches *data,
                    size_t count, bool silent, const char *what, qe_model_t **out);

#endif
