/*
 * What quantization-aware training adds to a prepared model: the float graph that is trained, the places where
 * fake-quantize stands, and the state that conversion reads.
 */
#ifndef QE_CORE_TRAIN_QAT_H
#define QE_CORE_TRAIN_QAT_H

#include "flow/flow_internal.h"
#include "graph/model.h"

typedef enum qe__fake_kind {
  QE__FAKE_OBSERVED, /* parameters follow the observed range */
  QE__FAKE_FIXED,    /* those of the op's rule, or that a qconfig gives */
  QE__FAKE_SHARED    /* those of another fake-quantized value */
} qe__fake_kind;

/* One place: an activation, or input 1 of a weighted node. */
typedef struct qe__fake {
  qe__fake_kind kind;
  qe__value_id value;    /* of the base graph */
  int32_t node;          /* base node whose input `input` this is; -1: an activation */
  uint32_t input;
  int32_t batch_norm;    /* base node that conversion folds into `node`, or -1 */
  bool everyone;         /* every reader gets the fake-quantized value; else quantized nodes only */
  bool remembers;        /* the range is a moving average; else that of the tensor at hand */
  qe__value_id shared;
  float scale, zero_point;  /* FIXED */
  qe_observer_args args;
  int32_t axis;          /* of channels; -1: per tensor */
  int64_t channels;
  int32_t clamp_min, clamp_max;
} qe__fake;

typedef struct qe__qat {
  qe_model_t *base;      /* float; fused, but BatchNorm and Dropout are nodes */
  bool *quantized;       /* per base node: conversion quantizes it */
  uint32_t n_fakes;
  size_t cap_fakes;
  qe__fake *fakes;
  qe_tensor_t **constant; /* per base value: its tensor as trained, or NULL: as in base */
  qe_tensor_t **range;    /* per fake: observed minima and maxima [2, channels], or NULL */
  qe_tensor_t **scale, **zero_point; /* per fake: learned [channels], or NULL */
} qe__qat;

/* How much of a new range counts. */
static inline float qe__fake_averaging(const qe__fake *f) { return f->remembers ? f->args.averaging_constant : 1.0f; }

void qe__qat_destroy(qe__qat **qat);
/* Parameters of place i as conversion takes them: learned, or by the observed range, or (weights without memory) by the
 * trained tensor as it is; count 0: never observed. */
qe_status_t qe__qat_params(const qe__qat *qat, uint32_t i, qe__qparams *out);
/* qe_convert of a model that is trained. */
qe_status_t qe__qat_convert(qe_prepared_t *p, qe_model_t **out, qe_report_t **report);

#endif
