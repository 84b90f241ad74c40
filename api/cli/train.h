/* What the files of `qengine train` share. */
#ifndef QE_CLI_TRAIN_H
#define QE_CLI_TRAIN_H

#include "feed.h"
#include "placement.h"

typedef struct cli_train_args {
  const char *model, *output, *float_output, *qconfig, *teacher, *html;
  cli_list data, labels, validation_data, validation_labels;
  bool normalize;
  float mean, std;
  int64_t samples;   /* 0: all */
  qe_train_options_t train;
  uint32_t shift;    /* --augment: pixels */
  bool flip, augment;
  bool qat, initialize, from_scratch, force;
  int format;
  bool given_batch;
  const char *only_qat, *only_distill; /* an option that says nothing without --qat or --teacher */
} cli_train_args;

extern const struct argp_option cli_train_options[];
extern const char *const cli_train_formats[];
/* For cli_parse; `state->input`: cli_train_args, begun by cli_train_args_begin. */
error_t cli_train_parse(int key, char *arg, struct argp_state *state);
void cli_train_args_begin(cli_train_args *a);
void cli_train_args_end(cli_train_args *a);
/* Do the options go together? Are the outputs free? CLI_OK or an exit code, message printed; so the functions below. */
int cli_train_check(const cli_train_args *a);

/* ---- data (train_data.c) ---- */

/* Samples and labels of one set, bound to the model's inputs. Zero it to start. */
typedef struct cli_train_set {
  uint32_t n_inputs;
  qe_train_input_t *inputs; /* those with files */
  qe_dataset_t **data;      /* owned; as in `inputs` */
  qe_dataset_t *labels;
  qe_train_data_t view;
} cli_train_set;

/* `what` is "" or "validation-", the beginning of the options' names. Whether samples fit the inputs is the trainer's to say. */
int cli_train_set_open(const cli_train_args *a, const qe_model_t *model, const char *what, const cli_list *data,
                       const cli_list *labels, cli_train_set *out);
void cli_train_set_close(cli_train_set *set);

/* ---- augmentation (train_augment.c) ---- */

/* Are the inputs that are floats pictures? */
int cli_train_check_augment(const qe_model_t *model, const char *model_path);
/* Changes one sample, as qe_train_callbacks_t's augment does. */
void cli_train_augment(const cli_train_args *a, uint64_t random, uint32_t rank, const int64_t *dims, float *sample);

/* ---- what was measured (train_report.c, train_html.c) ---- */

typedef struct cli_train_epoch {
  qe_train_metrics_t train, validation;
  bool validated;
} cli_train_epoch;

typedef struct cli_train_point {
  double epoch, loss, lr; /* epoch: how many are done, with a fraction */
} cli_train_point;

enum { CLI_TRAIN_POINTS = 2000 };

typedef struct cli_train_history {
  cli_train_epoch *epochs;
  size_t n_epochs;
  cli_train_point points[CLI_TRAIN_POINTS]; /* every `stride`-th step */
  size_t n_points;
  uint64_t stride, steps, total;
  cli_placement placed; /* of OUT */
  uint32_t nodes, quantized; /* of the int8 model, by its report */
  uint64_t bytes, float_bytes;
} cli_train_history;

void cli_train_history_step(cli_train_history *h, const qe_train_metrics_t *m, uint64_t total, uint32_t epochs);
/* The epoch with the best validation (training, when there is none): top-1, else loss; the first of equals. NULL: none. */
const cli_train_epoch *cli_train_best(const cli_train_history *h);
/* One line, "epoch 3/10: loss 0.2, ..."; free() it. */
char *cli_train_epoch_text(const cli_train_args *a, const cli_train_epoch *e);
void cli_train_print(const cli_train_args *a, const cli_train_history *h);
/* The page; free() it. */
char *cli_train_html(const cli_train_args *a, const cli_train_history *h);

#endif
