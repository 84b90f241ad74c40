/*
 * The trainer: what is trained, what one step does, where training stands. Files:
 *   shapes, differentiate, gradients_*, unroll, recompute   from a graph to its gradients
 *   step_graph, fake_quantize, batch_norm                   the training graph of one shard
 *   trainer, step, update                                   parameters, one optimizer step
 *   loop, feed, batch, evaluate, shuffle, schedule, metrics epochs over a dataset
 *   checkpoint, fingerprint (and base/comm.h)               going on after a kill; several processes
 */
#ifndef QE_CORE_TRAINER_H
#define QE_CORE_TRAINER_H

#include "base/comm.h"
#include "flow/flow_internal.h"
#include "graph/model.h"
#include "qengine/train.h"

/* What training changes: a constant of the model, or (learn_qparams) a scale or zero point of a place of fake-quantize. */
typedef struct qe__parameter {
  qe__value_id value;     /* of the base graph; QE__NO_VALUE: of a place */
  int32_t fake;           /* that place, an index of qat->fakes; else -1 */
  bool zero_point;        /* of the place: its zero point, else its scale */
  qe_tensor_t *tensor;    /* float32, as it is now */
  qe_tensor_t *state[2];  /* of the optimizer: momentum, or first and second moment; NULL: none */
  bool decay;             /* weight decay applies */
} qe__parameter;

/* Other state that steps change: running statistics of a BatchNorm, an observed range [2, channels]. */
typedef struct qe__statistic {
  qe__value_id value;     /* running statistic: of the base graph; range: the value (or weight) that is observed */
  int32_t fake;           /* range: of this place, an index of qat->fakes; else -1 */
  bool variance;          /* running variance: unbiased where the batch's is not */
  qe_tensor_t *tensor;
} qe__statistic;

/* Where training stands; all of it goes into checkpoints. */
typedef struct qe__position {
  uint64_t step;          /* optimizer steps done */
  uint32_t epoch;         /* epochs done */
  uint64_t batch;         /* batches done in this epoch */
  double loss_sum;        /* over this epoch so far */
  int64_t rows, right;
  double best;            /* best validation so far (early stopping) */
  uint32_t bad_epochs;    /* since then */
} qe__position;

enum { QE__PROGRAMS = 6 };

struct qe_trainer {
  qe_train_options_t options;   /* strings and teacher are owned */
  qe_model_t *base;             /* float, BatchNorm unfused; its constants are not changed */
  qe_prepared_t *qat;           /* borrowed; NULL: float training */
  uint32_t n_parameters, n_statistics;
  qe__parameter *parameters;
  qe__statistic *statistics;
  size_t cap_parameters, cap_statistics;
  qe__position at;
  bool identified;              /* the two hashes are known (checkpoint.c) */
  uint8_t model_hash[32], teacher_hash[32]; /* of base and its qconfig, and of the teacher; zero: none */
  uint8_t data_hash[32];        /* of the training data (qe__feed_fingerprint); zero: not known */
  uint64_t metrics_lines;       /* of the metrics file at this position, and 1; 0: there was no such file */
  uint64_t steps_per_epoch, total_steps; /* set by the loop; 0: not known (qe_trainer_step alone) */
  bool profile;                 /* programs that are made from here on time their steps (bench/train_step) */
  struct qe__program *programs[QE__PROGRAMS]; /* training graphs, one per phase and shape, the latest first (program.c) */
  qe_session_t *teacher;        /* distillation (distill.c); NULL until it is first asked */
  struct qe__updater *updater;  /* the optimizer's session (update.c) */
};

/* One batch: the model's inputs in order, and labels; what rows there are is cut into shards along the batch axis. */
typedef struct qe__batch {
  uint32_t n_inputs;      /* graph inputs of base */
  qe_tensor_t **inputs;
  qe_tensor_t *labels;    /* class numbers: int64, one per row of output 0 in its order; else float32, of output 0's shape */
  qe_tensor_t *teacher;   /* [rows of output 0, classes]: raw logits of the teacher; NULL: no distillation */
  int64_t rows;           /* samples */
} qe__batch;

/* One optimizer step (train/step.c); on error nothing has changed. at.step is advanced. */
qe_status_t qe__trainer_step(qe_trainer_t *t, const qe__batch *batch, qe_train_metrics_t *out);
/* Samples [first, first + count) of a batch along each tensor's batch axis; released by qe__batch_free. g: base's graph. */
qe_status_t qe__batch_slice(const qe__graph *g, const qe__batch *batch, int64_t first, int64_t count, qe__batch *out);
/* Room for the inputs. */
qe_status_t qe__batch_create(uint32_t n_inputs, qe__batch *out);
void qe__batch_free(qe__batch *batch);
/* The dimension of graph input i that counts samples: the one whose symbol begins with "batch", else the first unknown
 * one, else 0. */
uint32_t qe__batch_axis(const qe__graph *g, uint32_t input);
/* The dimension of labels of this rank that counts samples: where output 0 has its "batch", else where input 0 has its own. */
uint32_t qe__label_axis(const qe__graph *g, uint32_t rank);
/*
 * The batch that these tensors are (retained; class numbers become int64): inputs by name, or, with all names NULL, in
 * order; states of recurrent layers may be left out. Errors: NOT_FOUND, DTYPE, SHAPE, INVALID_ARGUMENT.
 */
qe_status_t qe__batch_given(const qe__graph *g, qe_loss_t loss, uint32_t n_inputs, const qe_named_tensor_t *inputs, const qe_tensor_t *labels,
                            qe__batch *out);
/* Runs the teacher, when there is one, and fills batch->teacher; for callers of qe__trainer_step. Errors: SHAPE. */
qe_status_t qe__distill(qe_trainer_t *t, qe__batch *batch);

/* After a change of parameters or statistics: what was prepared for training holds them, too; learned scales start. */
qe_status_t qe__trainer_publish(qe_trainer_t *t);

/* Every tensor of the trainer's state in a fixed order, with a name unique in it; for checkpoints. */
typedef struct qe__state_entry {
  const char *kind;       /* "parameter", "momentum", "moment2", "running", "range" */
  const char *name;       /* the value's name */
  qe_tensor_t *tensor;    /* borrowed, and never written to: models may share it */
  qe_tensor_t **slot;     /* where it is; a checkpoint's tensor takes its place */
} qe__state_entry;
qe_status_t qe__trainer_state(const qe_trainer_t *t, qe__state_entry **out, uint32_t *count); /* qe__free(*out) */

/* train/schedule.c: learning rate of step `step` (0-based); total 0: constant but for the warm-up. Same bits everywhere. */
float qe__learning_rate(const qe_train_options_t *o, uint64_t step, uint64_t steps_per_epoch, uint64_t total);

#endif
