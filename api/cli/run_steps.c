/* `qengine run --state`: the model piece by piece, the outputs joined. */
#include <stdlib.h>

#include "run.h"

/* The results of all steps, step by step; of a state there is only the last value. */
typedef struct pieces {
  qe_tensor_t **items; /* [step][result] */
  int64_t count;
} pieces;

static int run_steps(const run_args *a, const cli_steps *steps, const results *r, qe_session_t *session, pieces *p) {
  cli_progress progress;
  cli_progress_start(&progress, "running", "steps", steps->count);
  qe_named_tensor_t *wanted = cli_calloc(r->n, sizeof *wanted);
  p->items = cli_calloc((size_t)steps->count * r->n, sizeof *p->items);
  int code = CLI_OK;
  for (int64_t i = 0; i < steps->count && !code; i++) {
    if (cli_interrupted()) {
      code = CLI_INTERRUPTED;
      break;
    }
    qe_named_tensor_t *tensors = NULL;
    code = cli_steps_inputs(steps, i, &tensors);
    if (code) break;
    for (uint32_t k = 0; k < r->n; k++) wanted[k] = (qe_named_tensor_t){ r->tensors[k].name, NULL };
    const qe_status_t status = qe_session_run(session, steps->n_inputs, tensors, r->n, wanted);
    cli_steps_release(steps, &tensors);
    if (status != QE_OK) code = cli_fail(status, "%s, step %lld", a->model, (long long)i);
    for (uint32_t k = 0; k < r->n; k++) p->items[i * r->n + k] = wanted[k].tensor;
    p->count = i + 1;
    cli_progress_update(&progress, i + 1);
  }
  cli_progress_finish(&progress);
  free(wanted);
  return code == CLI_INTERRUPTED ? cli_stop_interrupted() : code;
}

static int join_results(const cli_steps *steps, const cli_states *states, const pieces *p, results *r) {
  qe_tensor_t **one = cli_calloc((size_t)p->count, sizeof *one);
  int code = CLI_OK;
  for (uint32_t k = 0; k < r->n && !code; k++) {
    for (int64_t i = 0; i < p->count; i++) one[i] = p->items[i * r->n + k];
    if (!steps->cut || cli_states_has_output(states, r->tensors[k].name)) {
      r->tensors[k].tensor = qe_tensor_retain(one[p->count - 1]);
    } else if (!cli_join((size_t)p->count, one, steps->axis, &r->tensors[k].tensor)) {
      char *type = cli_type_text(qe_tensor_dtype(one[0]), (int32_t)qe_tensor_rank(one[0]), qe_tensor_dims(one[0]), NULL);
      code = cli_error(CLI_FAILED,
                       "the output '%s' is %s in the first step; results of steps cannot be joined along dimension %lld. "
                       "Name the outputs to write with --output",
                       r->tensors[k].name, type, (long long)steps->axis);
      free(type);
    }
  }
  free(one);
  return code;
}

int cli_run_steps(const run_args *a, const qe_model_t *model, const cli_states *states, results *r,
                  qe_session_t *session) {
  cli_steps steps = { 0 };
  pieces p = { 0 };
  int code = cli_states_bind(states, a->model, session);
  if (!code) code = cli_steps_open(model, a->model, "--input", &a->inputs, &a->steps, states, session, &steps);
  if (!code) code = run_steps(a, &steps, r, session, &p);
  if (!code) code = join_results(&steps, states, &p, r);
  for (int64_t i = 0; i < p.count * (int64_t)r->n; i++) qe_tensor_release(&p.items[i]);
  free(p.items);
  cli_steps_close(&steps);
  return code;
}
