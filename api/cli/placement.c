/* See placement.h. */
#include "placement.h"

#include <string.h>

#include "feed.h"

int cli_placement_of(const qe_model_t *model, cli_placement *out) {
  memset(out, 0, sizeof *out);
  qe_session_t *session = NULL;
  qe_named_tensor_t *tensors = NULL;
  qe_session_stats_t stats = { 0 };
  stats.struct_size = sizeof stats;
  const qe_session_options_t o = cli_session_options();
  int code = cli_zero_inputs(model, 1, NULL, &tensors);
  if (code) return code;
  qe_status_t status = qe_session_create(model, &o, &session);
  if (status == QE_OK) status = qe_session_plan(session, qe_model_input_count(model), tensors);
  if (status == QE_OK) status = qe_session_get_stats(session, &stats);
  if (status == QE_OK) {
    *out = (cli_placement){
      .known = true, .steps = stats.steps, .quantized = stats.quantized_steps, .fallback = stats.fallback_steps,
      .threads = stats.threads
    };
    snprintf(out->engine, sizeof out->engine, "%s", stats.engine ? stats.engine : "none");
  } else if (status == QE_ERROR_PLACEMENT || status == QE_ERROR_ENGINE || status == QE_ERROR_NUMERIC || cli.strict) {
    code = cli_fail(status, "the quantized model");
  } else {
    cli_warn("placement is unknown, a batch of 1 could not be planned: %s", qe_last_error());
  }
  qe_session_destroy(&session);
  cli_zero_release(model, &tensors);
  return code;
}
