/*
 * qengine/train.h - training: float from scratch, and quantization-aware (QAT), on the CPU through the registry.
 *
 * As torch users know it:
 *     qe_prepare_qat(model, mapping, NULL, &prepared);        fake-quantize on a float model
 *     qe_trainer_create_qat(prepared, &options, &trainer);
 *     qe_trainer_fit(trainer, &train, &validation, NULL);     or qe_trainer_step per batch
 *     qe_convert(prepared, &int8, NULL);                      at any time: training goes on
 *
 * In float: qe_trainer_create(model, ...), qe_trainer_fit, qe_trainer_model.
 *
 * One answer: same model, data, options and seed give the same bytes on every engine, thread count and machine
 * (docs/training.md, docs/numerics.md). A batch is cut into `shards` parts that are computed one after the other, or by
 * ranks of MPI; the result depends on that number and not on who computes what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_TRAIN_H
#define QENGINE_TRAIN_H

#include "qengine/data.h"
#include "qengine/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qe_trainer qe_trainer_t; /* parameters, statistics, optimizer, position in the data */

typedef enum qe_loss {
  QE_LOSS_CROSS_ENTROPY = 0, /* of softmax(output 0) along its last axis; labels: class numbers (any integer type) */
  QE_LOSS_MSE = 1            /* mean of (output 0 - label)^2; labels: float32 of output 0's shape */
} qe_loss_t;
typedef enum qe_optimizer { QE_OPTIMIZER_SGD = 0, QE_OPTIMIZER_ADAM = 1, QE_OPTIMIZER_ADAMW = 2 } qe_optimizer_t;
typedef enum qe_lr_schedule {
  QE_LR_CONSTANT = 0,
  QE_LR_STEP = 1,    /* times lr_gamma every lr_step_epochs epochs */
  QE_LR_COSINE = 2,  /* from lr down to lr_min over all steps */
  QE_LR_LINEAR = 3   /* likewise, along a line */
} qe_lr_schedule_t;

/* Options; start from qe_train_options_default. WARNING: public structure; append only. */
typedef struct qe_train_options {
  uint32_t struct_size;
  const char *engine;  /* NULL: the best usable one; kernels of training come from it, then from the reference */
  uint32_t threads;    /* 0: default; changes no result */
  uint64_t seed;       /* of shuffling, augmentation, dropout; 1 */
  qe_loss_t loss;
  float label_smoothing;   /* 0 to below 1; 0 */
  int has_ignore_index;    /* rows with this label do not count */
  int64_t ignore_index;
  /* loop */
  uint32_t epochs;         /* 1 */
  uint32_t batch;          /* samples of one optimizer step; 64 */
  uint32_t shards;         /* 1 */
  int no_shuffle, drop_last;
  uint32_t patience;       /* epochs without a better validation before stopping; 0: never stops early */
  /* optimizer */
  qe_optimizer_t optimizer;
  float lr;                /* 0.01 */
  float momentum;          /* SGD; 0.9 */
  int nesterov;
  float weight_decay;      /* 0; not applied to biases and normalization when decay_weights_only */
  int decay_weights_only;  /* 1 */
  float beta1, beta2, adam_eps; /* 0.9, 0.999, 1e-8 */
  float clip_norm;         /* largest norm of the whole gradient; 0: none */
  qe_lr_schedule_t schedule;
  float lr_min, lr_gamma;  /* 0, 0.1 */
  uint32_t lr_step_epochs; /* 1 */
  uint32_t warmup_steps;   /* lr rises along a line over the first so many steps; 0 */
  float bn_momentum;       /* of running statistics; 0.1 */
  int recompute;           /* 1: gradient checkpointing: less memory, one more forward pass; same bytes */
  /* quantization-aware training; fractions of all steps, 0 to 1; 1 and more: never */
  float fake_quantize_from;  /* fake quantization starts here; 0 */
  float freeze_observers_at; /* observed ranges stay as they are from here on; 0.85 */
  float freeze_bn_at;        /* BatchNorm uses its running statistics from here on; 0.7 */
  int bn_exact;              /* 1: torch's slow path: batch statistics of the float convolution; bears gamma 0 */
  int learn_qparams;         /* 1: LSQ: scale (and zero point) of activations and weights are trained, from the first
                                step after their observers were fed once */
  float qparams_lr;          /* times lr; 0.1 */
  /* distillation: loss = (1 - distill) * loss + distill * T^2 * KL(softmax(teacher / T), softmax(student / T)) */
  const qe_model_t *teacher; /* NULL: none; a float model with the same inputs, retained */
  float distill, temperature; /* 0.5, 4 */
  /* files */
  const char *checkpoint;    /* NULL: none; written at the end of each epoch and as below; resumed from when it exists
                                and `resume` is 1 */
  uint32_t checkpoint_steps; /* 0: epochs only */
  int resume;
  const char *metrics;       /* NULL: none; a JSON object per line, appended */
} qe_train_options_t;
QE_API void qe_train_options_default(qe_train_options_t *out);

/*
 * Samples along axis 0 of each dataset, all of the same number; inputs by name (NULL names: in order). Borrowed. A sample
 * goes along the input's batch dimension (the one whose symbol begins with "batch", else the first unknown one, else 0), so
 * tokens [N,T] fit an input [sequence,batch], labels likewise. Dimensions of 1 are inserted and removed as
 * qe_dataset_fit does; integers may be of any type that holds them. An input that only gives recurrent layers their
 * initial state may be left out: zeros.
 */
typedef struct qe_train_input {
  const char *name;
  const qe_dataset_t *data;
} qe_train_input_t;
typedef struct qe_train_data {
  uint32_t n_inputs;
  const qe_train_input_t *inputs;
  const qe_dataset_t *labels;
} qe_train_data_t;

/* What one step, or one pass over a dataset, came to. */
typedef struct qe_train_metrics {
  uint64_t step;       /* optimizer steps done since the beginning */
  uint32_t epoch;      /* epochs done */
  int64_t count;       /* rows that counted (samples; or labels of a language model) */
  double loss;         /* mean over them */
  double top1;         /* share of them whose largest output is the label; NaN for MSE */
  double lr, grad_norm;/* of the last step; NaN where there is none */
  double seconds;
} qe_train_metrics_t;

/*
 * Hooks; any may be NULL. Not QE_OK: training stops with that status, the state as after the last whole step (a
 * checkpoint, when there is one, is written first).
 */
typedef struct qe_train_callbacks {
  void *arg;
  /* After each step; total: steps of the whole training. */
  qe_status_t (*step)(void *arg, const qe_train_metrics_t *m, uint64_t total);
  /* After each epoch; validation NULL: there is none. The trainer may be asked for its model, or converted, here. */
  qe_status_t (*epoch)(void *arg, qe_trainer_t *trainer, const qe_train_metrics_t *train, const qe_train_metrics_t *validation);
  /* Changes one sample of one input in place (float32, without axis 0); `random` is 64 bits of this sample's own, the
   * same on every machine. Called in any order. */
  void (*augment)(void *arg, uint32_t input, uint64_t random, uint32_t rank, const int64_t *dims, float *sample);
} qe_train_callbacks_t;

/*
 * Puts fake-quantize on a float model by the mapping: activations as qe_prepare observes them, constant weights of
 * quantized nodes, BatchNorm folded as it will be. The model is cloned; it may hold BatchNormalization (unfused: what
 * training wants) or be fused already. A histogram observer cannot be trained: the moving average of minima and maxima
 * stands in for it, said in the log. qe_convert gives the int8 model of the state at hand.
 * Errors: NOT_FOUND (a rule that matches nothing), UNSUPPORTED (an op without gradient, named; weights that are no constants).
 */
QE_API qe_status_t qe_prepare_qat(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const qe_session_options_t *options, qe_prepared_t **out);

/*
 * A float model's trainer. Every float constant that feeds a weight, bias, scale, slope or table is a parameter; running
 * statistics of BatchNorm are state. The model is cloned. Errors: UNSUPPORTED (an op without gradient, named; no output).
 */
QE_API qe_status_t qe_trainer_create(const qe_model_t *model, const qe_train_options_t *options, qe_trainer_t **out);
/* Trains what qe_prepare_qat made; `prepared` must outlive the trainer and holds the result at any time. */
QE_API qe_status_t qe_trainer_create_qat(qe_prepared_t *prepared, const qe_train_options_t *options, qe_trainer_t **out);
QE_API void qe_trainer_destroy(qe_trainer_t **trainer);

/*
 * One optimizer step on one batch. Labels as qe_loss_t says. Errors: DTYPE, SHAPE, INVALID_ARGUMENT (a label out of
 * range: which row, which label, how many classes), NUMERIC (the loss is not finite: the step and the first node that
 * gave such a number); then nothing has changed.
 */
QE_API qe_status_t qe_trainer_step(qe_trainer_t *trainer, uint32_t n_inputs, const qe_named_tensor_t *inputs, const qe_tensor_t *labels, qe_train_metrics_t *out);
/* All epochs (what is left of them), with validation after each when there is any. Errors as of qe_trainer_step and the
 * callbacks; IO (checkpoint or metrics cannot be written: the previous checkpoint stays). */
QE_API qe_status_t qe_trainer_fit(qe_trainer_t *trainer, const qe_train_data_t *train, const qe_train_data_t *validation, const qe_train_callbacks_t *callbacks);
/* The state at hand on a dataset, in inference form; QAT: as the converted int8 model computes. */
QE_API qe_status_t qe_trainer_evaluate(qe_trainer_t *trainer, const qe_train_data_t *data, qe_train_metrics_t *out);
/*
 * The same for any model; options: loss, ignore_index, engine, threads, batch (NULL: cross-entropy, 64). Cross-entropy is
 * without label smoothing, so that models can be compared. A model with a fixed batch gets its last one filled up with
 * copies, which do not count.
 */
QE_API qe_status_t qe_evaluate(const qe_model_t *model, const qe_train_options_t *options, const qe_train_data_t *data, qe_train_metrics_t *out);
/* The float model as it is now: BatchNorm with running statistics, Dropout removed, no fake-quantize. */
QE_API qe_status_t qe_trainer_model(const qe_trainer_t *trainer, qe_model_t **out);
/* The fake-quantized model as it is now (frozen form) as a float graph of this library, for comparing; not for files. */
QE_API qe_status_t qe_trainer_fake_quantized(const qe_trainer_t *trainer, qe_model_t **out);

/* Everything needed to go on at this very step. Written beside, then renamed. Errors: IO. */
QE_API qe_status_t qe_trainer_save(const qe_trainer_t *trainer, const char *path);
/* Errors: FORMAT (damaged, or of another version), STATE (of another model, options that matter, or data), IO; then
 * nothing has changed. */
QE_API qe_status_t qe_trainer_load(qe_trainer_t *trainer, const char *path);

/*
 * Float constants for the model's inputs that feed weights, biases, scales, tables and statistics (a graph whose initializers are
 * missing); all != 0: fresh ones for every parameter that is there, too. Weights: He (uniform within sqrt(6 / fan_in))
 * before a Relu-like activation, else Xavier (sqrt(6 / (fan_in + fan_out))); recurrent weights uniform within 1 / sqrt(hidden); biases 0; normalization 1 and 0;
 * tables normal, deviation 1. The same seed gives the same bytes everywhere. Errors: SHAPE (an input whose dimensions are not all known, named).
 */
QE_API qe_status_t qe_model_initialize(qe_model_t *model, uint64_t seed, int all, uint32_t *count);

#ifdef __cplusplus
}
#endif
#endif
