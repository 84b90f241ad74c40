/*
 * A program: the training graph of one shard for one phase and one set of input shapes, its session, and what its inputs
 * and outputs stand for.
 */
#ifndef QE_CORE_TRAIN_PROGRAM_H
#define QE_CORE_TRAIN_PROGRAM_H

#include "train/emit.h"
#include "train/qat.h"
#include "train/trainer.h"

/* What differs from step to step in the course of a training. */
typedef struct qe__phase {
  bool fake_quantize, observe, freeze_bn, learn; /* learn: scales and zero points are parameters */
  bool infer; /* no loss, no gradients: output 0 as the fake-quantized model computes it */
} qe__phase;

typedef enum qe__feed { QE__FEED_INPUT, QE__FEED_LABELS, QE__FEED_INVERSE_COUNT, QE__FEED_KEY, QE__FEED_TEACHER, QE__FEED_PARAMETER, QE__FEED_STATISTIC } qe__feed;
typedef enum qe__yield { QE__YIELD_LOSS, QE__YIELD_LOGITS, QE__YIELD_GRADIENT, QE__YIELD_STATISTIC } qe__yield;

typedef struct qe__port { /* an input or output of the graph */
  int what;               /* qe__feed or qe__yield */
  uint32_t index;         /* of the model's input, the parameter, the statistic */
  qe__value_id value;
  qe__value_id over;      /* statistic of a BatchNorm: of this value, over all but its channels */
} qe__port;

typedef struct qe__program {
  qe__phase phase;
  uint32_t n_model_values;   /* values of the base graph: those that errors name */
  int64_t (*dims)[QE_MAX_RANK]; /* of the model's inputs */
  qe_model_t *model;
  qe_session_t *session;
  uint32_t n_in, n_out;
  size_t cap_in, cap_out;
  qe__port *in, *out;
} qe__program;

/* The program for this phase and shard, made now or before; belongs to the trainer. Errors name the node. */
qe_status_t qe__program_get(qe_trainer_t *t, const qe__phase *phase, const qe__batch *shard, qe__program **out);
void qe__program_destroy(qe__program **p);

/* ---- building one: what step_graph.c and fake_quantize.c share ---- */

typedef struct qe__step_builder {
  const qe_trainer_t *t;
  qe__phase phase;
  qe__program *p;
  qe__emit e;                 /* on the graph that is made */
  qe__value_id *parameter;    /* per parameter: its value in the graph */
  qe__value_id *statistic;    /* per statistic */
} qe__step_builder;

/* Fills p->model: graph, inputs, outputs (train/step_graph.c). shard NULL (inference): inputs as the base graph has them. */
qe_status_t qe__step_graph(qe__step_builder *b, const qe__batch *shard);
/* An input of the graph; rank and dims of the tensor that will be fed. */
qe__value_id qe__step_input(qe__step_builder *b, qe__feed what, uint32_t index, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims);
void qe__step_output(qe__step_builder *b, qe__yield what, uint32_t index, qe__value_id v, qe__value_id over);
/* A BatchNormTrain whose result is y; its mean and variance are the batch's part of these statistics (-1: of none). */
void qe__step_batch_norm(qe__step_builder *b, uint32_t n_in, const qe__value_id *in, float eps, qe__act act, qe__value_id y, int32_t mean, int32_t var);
/* Puts fake-quantize and folded BatchNorm into the graph (train/fake_quantize.c). */
qe_status_t qe__step_fake_quantize(qe__step_builder *b);
/* Statistic of this base value (running mean, variance), or of this place: its index; -1: none. */
int32_t qe__find_statistic(const qe_trainer_t *t, qe__value_id value, int32_t fake);

#endif
