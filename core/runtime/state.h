/*
 * States of a session: outputs that become inputs of the next run. A state has two tensors that take turns: one is
 * read, the other one written, so that a run of a steady shape allocates nothing for it.
 */
#ifndef QE_CORE_STATE_H
#define QE_CORE_STATE_H

#include "graph/graph.h"
#include "qengine/session.h"

typedef struct qe__state {
  uint32_t slot;       /* of the graph's inputs */
  qe__value_id output;
  qe_tensor_t *value;  /* what the next run reads; NULL: zeros */
  qe_tensor_t *spare;  /* memory for a result, or NULL */
  qe_tensor_t *zeros;  /* made for the run that is going on, or NULL */
  qe_tensor_t *next;   /* its result */
} qe__state;

typedef struct qe__states {
  qe__state *items;
  uint32_t count;
  size_t capacity;
} qe__states;

/*
 * A run: begin fills the inputs that are bound and not given (in: one per graph input, borrowed); results are made in
 * `next`; finish makes them the states (done), or drops them and leaves the states as they were.
 */
qe_status_t qe__states_begin(qe__states *states, const qe__graph *g, qe_tensor_t **in);
/* Memory for the result of this shape: the spare tensor where it fits (true), else the caller makes one. */
bool qe__state_reuse(qe__state *state, qe_dtype_t dtype, uint32_t rank, const int64_t *dims);
void qe__states_finish(qe__states *states, bool done);
void qe__states_free(qe__states *states);

/* ---- of session.c ---- */

qe__states *qe__session_states(qe_session_t *session);
const qe__graph *qe__session_graph(const qe_session_t *session);
/* NOT_FOUND with the nearest name; ids NULL: all values. */
qe_status_t qe__session_name_error(const qe__graph *g, const char *kind, const char *name, const qe__value_id *ids, uint32_t n);

#endif
