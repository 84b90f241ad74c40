/*
 * Which output becomes which input: as the user says (OUTPUT=INPUT), or by names ("auto"). A name says so when it is that
 * of the other side but for a word in front or at the end: hn and h0, state_out and state_in, present.0.key and
 * past_key_values.0.key, lstm.h_next and lstm.h.
 */
#include <stdlib.h>
#include <string.h>

#include "steps.h"

static void add(cli_states *states, const char *output, size_t length, const char *input) {
  states->items = cli_realloc(states->items, states->count + 1, sizeof *states->items);
  states->items[states->count++] = (cli_state){ cli_format("%.*s", (int)length, output), cli_format("%s", input) };
}

/* ---- names ---- */

typedef struct words {
  const char *front[8], *end[8]; /* NULL at the end */
  char letter;                   /* behind one other letter: h0, cn */
} words;

static const words of_inputs = { { "past_key_values", "past", "previous", "prev", "initial", "init", "in", NULL },
                                 { "past", "previous", "prev", "initial", "init", "in", "0", NULL },
                                 '0' };
static const words of_outputs = { { "present_key_values", "present", "next", "new", "final", "last", "out", NULL },
                                  { "present", "next", "new", "final", "last", "out", "n", NULL },
                                  'n' };

static bool separates(char c) { return c == '_' || c == '.' || c == '-' || c == '/'; }

/* The part of the name that both sides share; *bare: nothing was taken off. */
static void strip(const char *name, const words *w, const char **core, size_t *length, bool *bare) {
  *core = name;
  *length = strlen(name);
  *bare = false;
  if (*length == 2 && name[1] == w->letter) {
    *length = 1;
    return;
  }
  for (size_t i = 0; w->front[i]; i++) {
    const size_t n = strlen(w->front[i]);
    if (*length <= n + 1 || strncmp(name, w->front[i], n) != 0 || !separates(name[n])) continue;
    *core = name + n + 1;
    *length -= n + 1;
    return;
  }
  for (size_t i = 0; w->end[i]; i++) {
    const size_t n = strlen(w->end[i]);
    if (*length <= n + 1 || strcmp(name + *length - n, w->end[i]) != 0 || !separates(name[*length - n - 1])) continue;
    *length -= n + 1;
    return;
  }
  *bare = true;
}

static bool belong_together(const qe_value_info_t *output, const qe_value_info_t *input) {
  const char *a, *b;
  size_t n, m;
  bool bare, other_bare;
  strip(output->name, &of_outputs, &a, &n, &bare);
  strip(input->name, &of_inputs, &b, &m, &other_bare);
  if ((bare && other_bare) || n != m || strncmp(a, b, n) != 0) return false;
  if (output->dtype != QE_DTYPE_NONE && input->dtype != QE_DTYPE_NONE && output->dtype != input->dtype) return false;
  if (output->rank < 0 || input->rank < 0) return true;
  bool fits = output->rank == input->rank;
  for (int32_t d = 0; fits && d < input->rank; d++)
    fits = output->dims[d] < 0 || input->dims[d] < 0 || output->dims[d] == input->dims[d];
  return fits;
}

static uint32_t partners_of_output(const qe_model_t *model, const qe_value_info_t *output) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    qe_value_info_t input;
    count += qe_model_input(model, i, &input) == QE_OK && belong_together(output, &input);
  }
  return count;
}

/* Pairs that are each other's only partners. */
static void find_pairs(const qe_model_t *model, cli_states *out) {
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    qe_value_info_t input, output, found = { 0 };
    if (qe_model_input(model, i, &input) != QE_OK) continue;
    uint32_t partners = 0;
    for (uint32_t k = 0; k < qe_model_output_count(model); k++) {
      if (qe_model_output(model, k, &output) != QE_OK || !belong_together(&output, &input)) continue;
      found = output;
      partners++;
    }
    if (partners == 1 && partners_of_output(model, &found) == 1 && !cli_states_has_input(out, input.name))
      add(out, found.name, strlen(found.name), input.name);
  }
}

/* ---- the list ---- */

int cli_states_choose(qe_model_t *model, const char *model_path, const cli_list *texts, cli_states *out) {
  memset(out, 0, sizeof *out);
  bool automatic = false;
  for (size_t i = 0; i < texts->count; i++) {
    const char *text = texts->items[i], *equals = strchr(text, '=');
    if (strcmp(text, "auto") == 0) {
      automatic = true;
      continue;
    }
    if (!equals || equals == text || !equals[1])
      return cli_usage("--state '%s' is neither OUTPUT=INPUT nor \"auto\"", text);
    add(out, text, (size_t)(equals - text), equals + 1);
  }
  if (!automatic) return CLI_OK;
  uint32_t exposed;
  const qe_status_t status = qe_model_expose_state(model, &exposed);
  if (status != QE_OK) return cli_fail(status, "--state auto: %s", model_path);
  find_pairs(model, out);
  if (out->count) return CLI_OK;
  return cli_error(CLI_FAILED,
                   "--state auto: %s has no recurrent layer, and no output whose name says which input it becomes; say "
                   "--state OUTPUT=INPUT",
                   model_path);
}

int cli_states_bind(const cli_states *states, const char *model_path, qe_session_t *session) {
  for (size_t i = 0; i < states->count; i++) {
    const qe_status_t status = qe_session_bind_state(session, states->items[i].output, states->items[i].input);
    if (status != QE_OK)
      return cli_fail(status, "--state %s=%s: %s", states->items[i].output, states->items[i].input, model_path);
  }
  return CLI_OK;
}

bool cli_states_has_input(const cli_states *states, const char *name) {
  for (size_t i = 0; i < states->count; i++)
    if (strcmp(states->items[i].input, name) == 0) return true;
  return false;
}

bool cli_states_has_output(const cli_states *states, const char *name) {
  for (size_t i = 0; i < states->count; i++)
    if (strcmp(states->items[i].output, name) == 0) return true;
  return false;
}

void cli_states_free(cli_states *states) {
  for (size_t i = 0; i < states->count; i++) {
    free(states->items[i].output);
    free(states->items[i].input);
  }
  free(states->items);
  memset(states, 0, sizeof *states);
}

void cli_states_print(const cli_states *states) {
  for (size_t i = 0; i < states->count; i++) {
    printf("state:   ");
    cli_put_clean(stdout, states->items[i].output);
    printf(" -> ");
    cli_put_clean(stdout, states->items[i].input);
    putchar('\n');
  }
}

json_t *cli_states_json(const cli_states *states) {
  json_t *array = json_array();
  for (size_t i = 0; i < states->count; i++) {
    json_t *pair = json_object();
    cli_json_set(pair, "output", cli_json_text(states->items[i].output));
    cli_json_set(pair, "input", cli_json_text(states->items[i].input));
    cli_json_append(array, pair);
  }
  return array;
}
