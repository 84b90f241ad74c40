/*
 * Inference cases in one line each:
 *   {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "pads=[1,1,1,1] strides=[2,2]", "f32[1,4,4,4]"}
 * Inputs: type[dims], with =value,value for a constant, or - when not given. Attributes: name=1, name=0.5, name=[1,2],
 * name='text', name=['a','b']. Expected: the outputs, or "! part of the error message".
 */
#ifndef QE_TESTS_INFER_CASE_H
#define QE_TESTS_INFER_CASE_H

#include "graph/graph.h"

typedef struct infer_case {
  const char *op, *inputs, *attributes, *expected;
} infer_case;

enum { MAX_IN = 12, MAX_OUT = 8 };

/* One case in progress; kept so that params can be looked at. */
typedef struct infer_run {
  qe__graph *graph;
  qe__node *node;
  uint32_t n_in, n_out;
  qe__operand_info in[MAX_IN], out[MAX_OUT];
  qe_tensor_t *data[MAX_IN];
  qe_op_params params;
  qe_status_t status;
} infer_run;

/* n_out 0: as many as `expected` lists. */
void infer_begin(infer_run *r, const infer_case *c, uint32_t n_out);
void infer_finish(infer_run *r); /* runs the inference */
void infer_free(infer_run *r);
/* Outputs as text. */
const char *infer_text(const infer_run *r, char *buffer, size_t size);
/* begin, finish and comparison for a table. */
void check_cases(const infer_case *cases, size_t count);
/* begin and finish of a case that must succeed as expected; the caller looks at params and frees. */
void run_case(infer_run *r, const infer_case *c);

#define CHECK_CASES(table) check_cases(table, sizeof table / sizeof table[0])

#endif
