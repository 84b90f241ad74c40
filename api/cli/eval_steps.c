/* `qengine eval --state`: a long sequence piece by piece. */
#include <stdlib.h>

#include "eval.h"

/* Labels are cut like the data, so they have its positions along the axis. */
static int load_labels(const eval_args *a, const cli_steps *steps, qe_tensor_t **out) {
  if (a->labels.count != 1) return cli_usage("--labels: with --state one file is wanted");
  const qe_status_t status = qe_tensor_load(a->labels.items[0], NULL, out);
  if (status != QE_OK) return cli_fail(status, "--labels %s", a->labels.items[0]);
  const qe_tensor_t *t = *out;
  if (!steps->cut || (steps->axis < (int64_t)qe_tensor_rank(t) && qe_tensor_dims(t)[steps->axis] == steps->length))
    return CLI_OK;
  char *type = cli_type_text(qe_tensor_dtype(t), (int32_t)qe_tensor_rank(t), qe_tensor_dims(t), NULL);
  const int code = cli_error(CLI_FAILED, "--labels %s: labels are %s, but the data has %lld positions along dimension %lld",
                             a->labels.items[0], type, (long long)steps->length, (long long)steps->axis);
  free(type);
  return code;
}

/* One step, timed when it has the full size and its plan is made. */
static int run_step(const eval_args *a, const cli_steps *steps, int64_t index, qe_session_t *session, outcome *o,
                    qe_tensor_t **result) {
  qe_named_tensor_t *tensors = NULL, output = { a->output, NULL };
  int code = cli_steps_inputs(steps, index, &tensors);
  if (code) return code;
  const double start = cli_now();
  const qe_status_t status = qe_session_run(session, steps->n_inputs, tensors, 1, &output);
  const double stop = cli_now();
  cli_steps_release(steps, &tensors);
  *result = output.tensor;
  if (status != QE_OK) return cli_fail(status, "%s, step %lld", a->model, (long long)index);
  if (steps->count == 1 || (index > 0 && cli_steps_size(steps, index) == steps->size))
    o->milliseconds[o->runs++] = (stop - start) * 1e3;
  return CLI_OK;
}

static int evaluate(const eval_args *a, const cli_steps *steps, qe_tensor_t *labels, qe_session_t *session,
                    outcome *o) {
  cli_progress progress;
  cli_progress_start(&progress, "evaluating", "steps", steps->count);
  o->milliseconds = cli_calloc((size_t)steps->count, sizeof *o->milliseconds);
  int code = CLI_OK;
  for (int64_t i = 0; i < steps->count && !code && !cli_interrupted(); i++) {
    qe_tensor_t *result = NULL, *part = NULL;
    code = run_step(a, steps, i, session, o, &result);
    if (!code) {
      const qe_status_t status = cli_steps_slice(steps, labels, i, &part);
      code = status == QE_OK ? cli_eval_score(a, o->score.count, part, result, &o->score)
                             : cli_fail(status, "--labels %s", a->labels.items[0]);
    }
    qe_tensor_release(&part);
    qe_tensor_release(&result);
    cli_progress_update(&progress, i + 1);
  }
  cli_progress_finish(&progress);
  return code ? code : cli_interrupted() ? cli_stop_interrupted() : CLI_OK;
}

int cli_eval_steps(const eval_args *a, const qe_model_t *model, const cli_states *states, qe_session_t *session,
                   outcome *o) {
  cli_steps steps = { 0 };
  qe_tensor_t *labels = NULL;
  int code = cli_states_bind(states, a->model, session);
  if (!code) code = cli_steps_open(model, a->model, "--data", &a->data, &a->steps, states, session, &steps);
  if (!code) code = load_labels(a, &steps, &labels);
  if (!code) code = evaluate(a, &steps, labels, session, o);
  if (!code) {
    o->steps = steps.count;
    o->step_size = steps.size;
    o->stats.struct_size = sizeof o->stats;
    const qe_status_t status = qe_session_get_stats(session, &o->stats);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  qe_tensor_release(&labels);
  cli_steps_close(&steps);
  return code;
}
