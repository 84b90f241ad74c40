/* Data files bound to a model's inputs, read in batches along axis 0. */
#ifndef QE_CLI_FEED_H
#define QE_CLI_FEED_H

#include "command.h"

typedef struct cli_feed_options {
  const char *option;   /* "--calib", for messages */
  bool normalize;
  float mean, std;
  int64_t batch;        /* 0: not given, 32 or what the model asks for */
  int64_t samples;      /* 0: not given; otherwise the first so many */
  int64_t few;          /* without `samples`: about so many are enough; 0: all */
} cli_feed_options;

typedef struct cli_feed_input {
  char *name;
  qe_dataset_t *data;
} cli_feed_input;

typedef struct cli_feed {
  uint32_t n_inputs;
  cli_feed_input *inputs;
  int64_t samples, batch, batches;
  bool whole; /* the inputs' first axes differ: everything is one batch */
} cli_feed;

/*
 * Binds "[NAME=]FILE" texts to the model's inputs: by name; without names all files are the only input's, one after
 * the other, or, with several inputs, one file for each in order. CLI_OK or an exit code, message printed.
 */
int cli_feed_open(const qe_model_t *model, const char *model_path, const cli_list *files,
                  const cli_feed_options *options, cli_feed *out);
/*
 * Which of the files feeds which input, as cli_feed_open binds them: `paths` has a list, empty at first, for each input;
 * the caller frees their items. CLI_OK or an exit code, message printed.
 */
int cli_feed_bind(const qe_model_t *model, const char *model_path, const char *option, const cli_list *files, cli_list *paths);
/* Samples in batch `index`. */
int64_t cli_feed_batch_samples(const cli_feed *feed, int64_t index);
/* Reads batch `index`: n_inputs tensors with names, released by cli_feed_release. */
int cli_feed_batch(const cli_feed *feed, int64_t index, qe_named_tensor_t **out);
void cli_feed_release(const cli_feed *feed, qe_named_tensor_t **tensors);
void cli_feed_close(cli_feed *feed);

/*
 * `fixed` is the batch that the model's inputs insist on: the first dimension, which counts samples; 0: any. CLI_OK
 * when `batch` (0: not given) is one that they take, or an exit code, message printed.
 */
int cli_check_batch(const qe_model_t *model, const char *model_path, int64_t batch, int64_t *fixed);

bool cli_is_integer(qe_dtype_t dtype);

/* Index of the model's input called `name`, -1: none. */
int32_t cli_model_find_input(const qe_model_t *model, const char *name, size_t length);
/* The name of the input at an index, and for cli_nearest (arg: the model). */
const char *cli_model_input_name(const void *model, size_t index);

/*
 * Zero tensors for the model's inputs, for planning without data: an unknown first dimension is `batch`, other unknown
 * ones are 1, unless `shapes` ("NAME=1,3,224,224") says otherwise. Released by cli_zero_release.
 */
int cli_zero_inputs(const qe_model_t *model, int64_t batch, const cli_list *shapes, qe_named_tensor_t **out);
void cli_zero_release(const qe_model_t *model, qe_named_tensor_t **tensors);

#endif
