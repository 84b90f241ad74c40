/*
 * Sequences in steps: states that a session carries from run to run (--state), and arrays that are cut along an axis
 * (--steps). Shared by `run` and `eval`.
 */
#ifndef QE_CLI_STEPS_H
#define QE_CLI_STEPS_H

#include "command.h"
#include "json.h"

enum { CLI_KEY_STATE = 0x800, CLI_KEY_STEPS, CLI_KEY_STEP_SIZE };

/* Lines of an option table. */
#define CLI_STEPS_OPTIONS \
  { "state", CLI_KEY_STATE, "OUTPUT=INPUT", 0, \
    "the output becomes that input of the next step, which begins with zeros or with what is given for the input; " \
    "\"auto\": states of recurrent layers, and outputs and inputs whose names say that they belong together", 0 }, \
  { "steps", CLI_KEY_STEPS, "AXIS", 0, "cut the data along this dimension (0: the first) and run piece by piece", 0 }, \
  { "step-size", CLI_KEY_STEP_SIZE, "N", 0, "so many positions a step (default: 1); the last step has the rest", 0 }

typedef struct cli_steps_options {
  cli_list states;
  bool cut;
  int64_t axis, size; /* size 0: not given */
} cli_steps_options;

/* For parsers: true when the key was one of the above. */
bool cli_steps_parse(cli_steps_options *options, int key, char *arg);
/* Is any of them given? */
bool cli_steps_wanted(const cli_steps_options *options);
/* Do they go together? CLI_OK or CLI_USAGE. */
int cli_steps_check(const cli_steps_options *options);

/* ---- states (states.c) ---- */

typedef struct cli_state {
  char *output, *input;
} cli_state;

typedef struct cli_states {
  cli_state *items;
  size_t count;
} cli_states;

/* The pairs of --state; "auto" may add inputs and outputs to the model, so it comes before the session. Exit codes. */
int cli_states_choose(qe_model_t *model, const char *model_path, const cli_list *texts, cli_states *out);
int cli_states_bind(const cli_states *states, const char *model_path, qe_session_t *session);
bool cli_states_has_input(const cli_states *states, const char *name);
bool cli_states_has_output(const cli_states *states, const char *name);
void cli_states_free(cli_states *states);
/* "state: hn -> h0" on stdout, or an array for JSON. */
void cli_states_print(const cli_states *states);
json_t *cli_states_json(const cli_states *states);

/* ---- data in steps ---- */

typedef struct cli_steps {
  uint32_t n_inputs;
  qe_named_tensor_t *inputs; /* whole; names belong to the model */
  bool cut;
  int64_t axis, size, length, count; /* count: steps */
} cli_steps;

/*
 * Loads "[NAME=]FILE" texts for the model's inputs: what belongs to a state becomes its first value in the session, the
 * rest is cut. Every input that is no state has to be there. CLI_OK or an exit code, message printed.
 */
int cli_steps_open(const qe_model_t *model, const char *model_path, const char *option, const cli_list *files,
                   const cli_steps_options *options, const cli_states *states, qe_session_t *session, cli_steps *out);
/* Positions in step `index`. */
int64_t cli_steps_size(const cli_steps *steps, int64_t index);
/* The inputs of step `index`; released by cli_steps_release. */
int cli_steps_inputs(const cli_steps *steps, int64_t index, qe_named_tensor_t **out);
void cli_steps_release(const cli_steps *steps, qe_named_tensor_t **tensors);
void cli_steps_close(cli_steps *steps);

/* A part of a tensor along an axis; all of it (retained) when `cut` is false. */
qe_status_t cli_steps_slice(const cli_steps *steps, qe_tensor_t *t, int64_t index, qe_tensor_t **out);
/* Tensors of one type and, but for `axis`, one shape, behind one another. False when they are not. */
bool cli_join(size_t count, qe_tensor_t *const *pieces, int64_t axis, qe_tensor_t **out);

#endif
