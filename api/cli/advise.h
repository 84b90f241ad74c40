/* `qengine advise`: what is measured of a model, and what follows from it. */
#ifndef QE_CLI_ADVISE_H
#define QE_CLI_ADVISE_H

#include "bench.h"
#include "feed.h"
#include "flows.h"

enum { ADVISE_FLOAT, ADVISE_STATIC, ADVISE_DYNAMIC, ADVISE_FLOWS };

typedef enum advise_verdict {
  ADVISE_STAY_FLOAT,
  ADVISE_USE_STATIC,
  ADVISE_USE_DYNAMIC,
  ADVISE_MIX,
  ADVISE_TRAIN
} advise_verdict;

/* What holds a layer up, by its multiply-adds for each byte that goes in or out. */
typedef enum advise_bound { ADVISE_BY_COMPUTE, ADVISE_BY_WEIGHTS, ADVISE_BY_ACTIVATIONS } advise_bound;

/* Below this a core waits for memory rather than for its multipliers. */
#define ADVISE_BALANCE 8.0
/* A flow that makes a model less than 5 % faster is not worth its noise. */
#define ADVISE_PAYS 1.05
#define ADVISE_MIN_SQNR 20.0

/* A node of the float model that takes time. Texts belong to the float case's steps. */
typedef struct advise_layer {
  const char *node, *op;
  uint32_t index;            /* in the float model */
  int64_t macs;
  int64_t weight_bytes;      /* read in one run; recurrent weights at each step; 0 without multiply-adds */
  int64_t activation_bytes;  /* computed operands and results */
  double intensity;          /* macs / (weight_bytes + activation_bytes) */
  advise_bound bound;
  double share;              /* of the float time */
  double ms[ADVISE_FLOWS];   /* conversions at its inputs and results included */
  bool covered[ADVISE_FLOWS]; /* it works on codes in that flow */
  double sqnr[ADVISE_FLOWS]; /* of the worst output when this layer alone is quantized; NaN: not measured */
  bool sensitive;            /* kept out of the flow that suits the others */
  int choice;                /* ADVISE_FLOAT, ... */
} advise_layer;

typedef struct advise_flow {
  qe_model_t *model;
  double ms, gain;           /* gain: float time / this flow's */
  double coverage;           /* share of the float time in layers that work on codes in this flow */
  double sqnr;               /* of the worst output, all layers quantized */
} advise_flow;

typedef struct advice {
  /* asked */
  const char *path, *write;
  cli_list calib, shapes;
  cli_feed_options feed;
  int64_t batch, most_layers; /* batch of the timed run; layers whose sensitivity is measured */
  uint64_t seed;
  double min_sqnr, min_time;
  bool force;
  /* data: batches for calibration and quality; the run that is timed */
  cli_batches data;
  qe_named_tensor_t *timed;
  int64_t samples;
  char **shape_texts;        /* made up for the run that is timed, and for data */
  size_t n_shape_texts;
  /* measured */
  advise_flow flows[ADVISE_FLOWS]; /* that of float is the model itself, fused */
  bench_case cases[ADVISE_FLOWS];
  advise_layer *layers;      /* in the order that they run */
  size_t n_layers, n_sensitivity;
  /* concluded */
  advise_verdict suits, verdict; /* suits: by what the layers are; verdict: with quality and time measured */
  qe_qconfig_mapping_t *mapping;
  double gain, sqnr;         /* of what suits, also when the verdict is float because it does not pay */
  int64_t parameter_bytes;   /* of its model */
  bool by_dynamic_flow;      /* which flow reads the mapping */
  char *reasons[8];
  size_t n_reasons;
} advice;

/* Those that return int: CLI_OK or an exit code, message printed. */

/* advise_data.c: calibration data, or seeded random numbers of shapes that fit. */
int advise_load_data(advice *a);
/* advise_time.c: the flows' models and times, layer by layer; bytes that move. */
int advise_measure_time(advice *a);
int advise_measure_bytes(advice *a);
/* Times `model` against float, taking turns. */
int advise_measure_gain(advice *a, const qe_model_t *model, double *gain);
/* advise_quality.c: SQNR of outputs against the float model. */
int advise_measure_quality(advice *a);
int advise_sqnr(const advice *a, const qe_model_t *model, size_t batches, double *sqnr);
/* The model that a mapping makes; by_dynamic_flow says which flow reads it. */
int advise_make(const advice *a, const qe_qconfig_mapping_t *mapping, bool by_dynamic_flow, size_t batches,
                qe_model_t **out);
/* advise_choose.c */
int advise_choose(advice *a);
/* advise_mapping.c: what the layers' choices mean: a preset, and rules for layers that it treats otherwise. */
int advise_mapping(const advice *a, qe_qconfig_mapping_t **out);
/* advise_reason.c: a line of the report; the lines that say why the layers suit a flow. */
void advise_reason(advice *a, const char *format, ...) CLI_PRINTF(2, 3);
void advise_explain_suits(advice *a);
/* advise_report.c */
int advise_report(const advice *a);
const char *advise_verdict_name(advise_verdict verdict);

#endif
