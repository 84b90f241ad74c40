/* A golden case of a quantized operator as a graph of one quantized node: x (and x2, ...) -> y. */
#ifndef TESTS_GOLDEN_OPS_MODEL_H
#define TESTS_GOLDEN_OPS_MODEL_H

#include "graph/model.h"
#include "qengine.h"
#include "support/golden.h"

#define MODEL_INPUTS 8

typedef struct case_model {
  const golden *g;
  const json_t *c, *params, *expected;
  const char *op, *name;
  qe__graph *graph;
  qe__value_id x[MODEL_INPUTS]; /* graph inputs */
  qe_tensor_t *data[MODEL_INPUTS];
  uint32_t n_x;
  qe__node *node; /* the quantized node */
} case_model;

void case_model_open(case_model *m, const golden *g, const json_t *c);
void case_model_close(case_model *m);

/* Adds the codes `name` of the case, with their parameters, as a graph input. */
qe__value_id case_input(case_model *m, const char *name);
/* A constant of the case: float, or codes with per-tensor or per-channel parameters along `axis`. */
qe__value_id case_constant(case_model *m, const char *name, int32_t axis);
/* The float bias in int32, in units of x's scale times w's; QE__NO_VALUE when the case has none. */
qe__value_id case_bias(case_model *m, qe__value_id x, qe__value_id w);
qe__value_id case_floats(case_model *m, const float *values, int64_t count);
qe__value_id case_scalar(case_model *m, float value);
qe__value_id case_ints(case_model *m, const int64_t *values, int64_t count);
/* One code of a value known exactly: `real` with scale |real| and code 1 or -1 (0: code 0). */
qe__value_id case_one_code(case_model *m, float real);
/* The quantized node, its output (with the expected parameters) being the graph's output. */
void case_node(case_model *m, const char *op, uint32_t n_in, const qe__value_id *in);

/* The members of an array parameter; how many there are. */
size_t case_array(const case_model *m, const char *name, int64_t values[8]);

/* Builds the graph of the case; NULL, or why the case is no op of the graph. */
const char *case_build(case_model *m);

#endif
