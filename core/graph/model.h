/* The model handle: a graph, plus what building needs. */
#ifndef QE_CORE_MODEL_H
#define QE_CORE_MODEL_H

#include <stdatomic.h>

#include "graph/graph.h"
#include "qengine/model.h"

struct qe_model {
  atomic_int references; /* sessions keep models alive */
  qe__graph *graph;
  qe_status_t build_status; /* first error while building */
  char *build_error;
};

/* Takes over the graph (also on failure). */
qe_status_t qe__model_wrap(qe__graph *graph, qe_model_t **out);
qe_model_t *qe__model_retain(const qe_model_t *model);

#endif
