/*
 * A language model token by token: the session carries the states of the recurrent layers from call to call.
 *
 *     streaming MODEL.onnx COUNT [OUTPUT=INPUT...] TOKEN...
 *
 * reads the tokens, then prints COUNT more, the likeliest each time. Layers without states get them; states that the
 * model has are named (hn=h0 cn=c0).
 * The model reads int64 tokens [sequence, batch] and gives logits [sequence, batch, vocabulary] as its first output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qengine.h"

static void check(qe_status_t status) {
  if (status == QE_OK) return;
  fprintf(stderr, "streaming: %s\n", qe_last_error());
  exit(1);
}

/* Every input "X" that has an output "X_next" becomes a state. */
static void bind_states(const qe_model_t *model, qe_session_t *session) {
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    qe_value_info_t input, output;
    check(qe_model_input(model, i, &input));
    for (uint32_t k = 0; k < qe_model_output_count(model); k++) {
      check(qe_model_output(model, k, &output));
      const size_t n = strlen(input.name);
      if (strncmp(output.name, input.name, n) == 0 && strcmp(output.name + n, "_next") == 0)
        check(qe_session_bind_state(session, output.name, input.name));
    }
  }
}

/* The likeliest token after `token`. */
static int64_t step(qe_session_t *session, int64_t token) {
  qe_named_tensor_t in = {"tokens", NULL}, out = {NULL, NULL};
  check(qe_tensor_from_data(QE_INT64, 2, (const int64_t[]){1, 1}, &token, &in.tensor));
  check(qe_session_run(session, 1, &in, 1, &out));
  const float *logits = qe_tensor_const_data(out.tensor);
  int64_t best = 0;
  for (int64_t i = 1; i < qe_tensor_count(out.tensor); i++)
    if (logits[i] > logits[best]) best = i;
  qe_tensor_release(&in.tensor);
  qe_tensor_release(&out.tensor);
  return best;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: streaming MODEL.onnx COUNT [OUTPUT=INPUT...] TOKEN...\n");
    return 2;
  }
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  uint32_t states;
  check(qe_model_load(argv[1], &model));
  check(qe_model_expose_state(model, &states)); /* before the session: it adds inputs and outputs */
  check(qe_session_create(model, NULL, &session));
  bind_states(model, session);
  int64_t next = 0;
  for (int i = 3; i < argc; i++) {
    char *equals = strchr(argv[i], '=');
    if (!equals) {
      next = step(session, strtoll(argv[i], NULL, 10));
      continue;
    }
    *equals = '\0';
    check(qe_session_bind_state(session, argv[i], equals + 1));
  }
  for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
    printf("%lld%c", (long long)next, left > 1 ? ' ' : '\n');
    next = step(session, next);
  }
  qe_session_destroy(&session);
  qe_model_destroy(&model);
  return 0;
}
