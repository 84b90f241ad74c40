/*
 * A step of the trainer with torch's scales in place of ours. torch's fused fake-quantize chooses parameters by another
 * rule than its observers do (and than we do, in training as in conversion); with its numbers put into the training
 * graph, everything else of the graph can be compared with what torch computed.
 */
#ifndef TEST_TORCH_STEP_H
#define TEST_TORCH_STEP_H

#include <criterion/criterion.h>

#include "train/program.h"

enum { TORCH_PLACES = 8 };

typedef struct torch_place { /* a MovingAverageQParams node whose results are overridden */
  qe__value_id state, scale, zero_point; /* the moved range, and the constants that stand in */
  int32_t quant_min, quant_max;
  bool symmetric;
} torch_place;

typedef struct torch_step {
  qe_trainer_t *t;
  const qe__batch *batch;
  qe_tensor_t *inverse_count;
  qe__program *p;
  uint32_t n;
  torch_place place[TORCH_PLACES];
} torch_step;

/* torch's choice for a fused fake-quantize, in double as there. */
void torch_choose_qparams(float lo, float hi, int32_t quant_min, int32_t quant_max, bool symmetric, float *scale, float *zero_point);

/* The training graph of the trainer's phase; fused: scales and zero points are constants to be filled in. */
void torch_step_open(torch_step *s, qe_trainer_t *t, const qe__batch *batch, bool fused);
/* Before torch_step_settle: sum(y * dy), differentiated by the input (gradient 0) and by these parameters; y is the first
 * output. The gradients become outputs of the graph. */
void torch_gradients_at(torch_step *s, qe_tensor_t *dy, uint32_t n, const uint32_t *parameter, qe__value_id *grad);
/* Makes the session, and computes until the constants are what torch's rule gives for the ranges that the graph observes with them. */
void torch_step_settle(torch_step *s);
/* One run; the caller releases out[i].tensor, in the order of the graph's ports. */
void torch_step_run(torch_step *s, uint32_t n, qe_named_tensor_t *out);
/* The output of this port, run with the others; NULL: the graph has none. The caller releases it. */
qe_tensor_t *torch_step_yield(torch_step *s, qe__yield what, uint32_t index);
/* Gives the program to the trainer, whose next step runs it. */
void torch_step_install(torch_step *s);
/* What was not installed. */
void torch_step_close(torch_step *s);

/* Fake-quantize clamps to the range that shaped the scale, as torch does in training (codes of a reduced range: 0 to 127; converted, 0 to 255). */
void torch_clamps(qe_prepared_t *p);
/* Nothing but weights is fake-quantized: torch's modules alone observe no activation. */
void torch_weights_only(qe_prepared_t *p);
/* The parameter, or the statistic, that is input `input` of the base node of this name. */
uint32_t torch_parameter(const qe_trainer_t *t, const char *node, uint32_t input);
uint32_t torch_statistic(const qe_trainer_t *t, const char *node, uint32_t input);
/* The statistic of the range of this activation's fake-quantize, or of the weight of this node. */
uint32_t torch_range(const qe_trainer_t *t, const char *activation, const char *node);
/* Largest |a - b| over the largest |b|. */
double torch_distance(const qe_tensor_t *a, const qe_tensor_t *b);

#endif
