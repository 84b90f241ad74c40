/* `qengine run`: inference on whole arrays, one .npy per output. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ptq.h"
#include "run.h"

enum { KEY_INPUT = 0x100, KEY_OUTPUT_DIR, KEY_OUTPUT, KEY_NORMALIZE, KEY_FORCE };

static const struct argp_option options[] = {
  { "input", KEY_INPUT, "[NAME=]FILE", 0,
    "an input's data: npy, npz, idx (.gz too) or TensorProto .pb; one for each input (required)", 0 },
  { "output-dir", KEY_OUTPUT_DIR, "DIR", 0,
    "folder for the results, one NAME.npy per output; made if missing (required)", 0 },
  { "output", KEY_OUTPUT, "NAME", 0,
    "a value to write instead of the model's outputs, also one inside; may be repeated", 0 },
  { "normalize", KEY_NORMALIZE, "MEAN,STD", 0, "integer images become (x/255 - MEAN)/STD", 0 },
  { "force", KEY_FORCE, NULL, 0, "overwrite results that exist", 0 },
  CLI_STEPS_OPTIONS,
  { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state) {
  run_args *a = state->input;
  switch (key) {
    case KEY_INPUT: cli_list_add(&a->inputs, arg); return 0;
    case KEY_OUTPUT_DIR: a->output_dir = arg; return 0;
    case KEY_OUTPUT: cli_list_add(&a->outputs, arg); return 0;
    case KEY_NORMALIZE:
      a->feed.normalize = true;
      cli_normalize_value(arg, &a->feed.mean, &a->feed.std);
      return 0;
    case KEY_FORCE: a->force = true; return 0;
    default: return cli_steps_parse(&a->steps, key, arg) ? 0 : ARGP_ERR_UNKNOWN;
  }
}

/* ---- results: names and files ---- */

/* A value's name as a file name: no folders, nothing hidden, nothing a shell trips over. */
static char *file_name(const char *name) {
  char *safe = cli_format("%s", name[0] ? name : "output");
  for (char *c = safe; *c; c++) {
    const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' ||
                       *c == '-' || *c == '.' || *c == '+';
    if (!plain || (c == safe && (*c == '.' || *c == '-'))) *c = '_';
  }
  if (strlen(safe) > 200) safe[200] = '\0';
  return safe;
}

static bool taken(const results *r, uint32_t count, const char *path) {
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(r->paths[i], path) == 0) return true;
  return false;
}

/* Can DIR be used, or be made? */
static int check_folder(const char *path, bool *exists) {
  struct stat info;
  *exists = stat(path, &info) == 0;
  if (*exists)
    return S_ISDIR(info.st_mode) ? CLI_OK
                                 : cli_error(CLI_FAILED, "--output-dir %s: there is a file of that name", path);
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--;
  char *bare = cli_format("%.*s", (int)length, path);
  const int code = cli_output_check(bare, false);
  free(bare);
  return code;
}

static int choose_results(const run_args *a, const qe_model_t *model, results *r) {
  r->n = a->outputs.count ? (uint32_t)a->outputs.count : qe_model_output_count(model);
  r->tensors = cli_calloc(r->n, sizeof *r->tensors);
  r->paths = cli_calloc(r->n, sizeof *r->paths);
  bool exists = false;
  int code = check_folder(a->output_dir, &exists);
  for (uint32_t i = 0; i < r->n && !code; i++) {
    qe_value_info_t info;
    if (a->outputs.count) r->tensors[i].name = a->outputs.items[i];
    else if (qe_model_output(model, i, &info) == QE_OK) r->tensors[i].name = info.name;
    char *safe = file_name(r->tensors[i].name);
    r->paths[i] = cli_format("%s/%s.npy", a->output_dir, safe);
    for (unsigned again = 1; taken(r, i, r->paths[i]); again++) {
      free(r->paths[i]);
      r->paths[i] = cli_format("%s/%s_%u.npy", a->output_dir, safe, again);
    }
    free(safe);
    if (exists) code = cli_output_check(r->paths[i], a->force);
  }
  return code;
}

static void free_results(results *r) {
  for (uint32_t i = 0; i < r->n; i++) {
    qe_tensor_release(&r->tensors[i].tensor);
    free(r->paths[i]);
  }
  free(r->tensors);
  free(r->paths);
}

static int save_results(const run_args *a, const results *r) {
  if (mkdir(a->output_dir, 0777) != 0 && errno != EEXIST)
    return cli_error(CLI_FAILED, "--output-dir %s cannot be made: %s", a->output_dir, strerror(errno));
  for (uint32_t i = 0; i < r->n; i++) {
    const qe_status_t status = qe_tensor_save_npy(r->tensors[i].tensor, r->paths[i], a->force);
    if (status != QE_OK) return cli_fail(status, "%s", r->paths[i]);
  }
  return CLI_OK;
}

static void report(const run_args *a, const results *r, const cli_states *states, const qe_session_stats_t *stats) {
  json_t *object = cli_json_begin(), *outputs = json_array();
  for (uint32_t i = 0; i < r->n; i++) {
    const qe_tensor_t *t = r->tensors[i].tensor;
    if (cli.json) {
      json_t *output = json_object();
      cli_json_set(output, "name", cli_json_text(r->tensors[i].name));
      cli_json_set(output, "file", cli_json_text(r->paths[i]));
      cli_json_set(output, "dtype", cli_json_text(qe_dtype_name(qe_tensor_dtype(t))));
      cli_json_set(output, "shape", cli_json_shape((int32_t)qe_tensor_rank(t), qe_tensor_dims(t), NULL));
      cli_json_append(outputs, output);
    } else {
      char *type = cli_type_text(qe_tensor_dtype(t), (int32_t)qe_tensor_rank(t), qe_tensor_dims(t), NULL);
      cli_put_clean(stdout, r->tensors[i].name);
      printf(": %s, written: ", type);
      cli_put_clean(stdout, r->paths[i]);
      putchar('\n');
      free(type);
    }
  }
  cli_json_set(object, "model", cli_json_text(a->model));
  cli_json_set(object, "outputs", outputs);
  if (states->count) {
    if (cli.json) cli_json_set(object, "states", cli_states_json(states));
    else cli_states_print(states);
  }
  cli_json_set(object, "engine", cli_json_text(stats->engine));
  cli_json_set(object, "threads", cli_json_int(stats->threads));
  cli_json_set(object, "warnings", cli_json_warnings());
  if (cli.json) cli_json_print(object);
  else json_decref(object);
}

/* ---- inputs ---- */

/* Arrays that are what the model wants already, whatever their first dimension means; *out NULL when one is not. */
static int load_whole(const run_args *a, const qe_model_t *model, qe_named_tensor_t **out) {
  const uint32_t n = qe_model_input_count(model);
  *out = NULL;
  if (n == 0) {
    if (a->inputs.count) return cli_error(CLI_FAILED, "%s has no inputs, but --input was given", a->model);
    *out = cli_calloc(1, sizeof **out);
    return CLI_OK;
  }
  if (a->feed.normalize || a->inputs.count != n) return CLI_OK;
  qe_named_tensor_t *tensors = cli_calloc(n, sizeof *tensors);
  bool fits = true;
  int code = CLI_OK;
  for (uint32_t i = 0; i < n && fits; i++) {
    const char *text = a->inputs.items[i], *equals = strchr(text, '=');
    int32_t at = equals ? cli_model_find_input(model, text, (size_t)(equals - text)) : (int32_t)i;
    struct stat info;
    if (equals && at < 0 && stat(text, &info) == 0) {
      at = (int32_t)i;
      equals = NULL;
    }
    qe_value_info_t input;
    fits = at >= 0 && !tensors[at].tensor && qe_model_input(model, (uint32_t)at, &input) == QE_OK;
    if (!fits) break;
    tensors[at].name = input.name;
    const char *path = equals ? equals + 1 : text;
    const qe_status_t status = qe_tensor_load(path, NULL, &tensors[at].tensor);
    if (status != QE_OK) {
      code = cli_fail(status, "--input %s", path);
      break;
    }
    fits = (input.dtype == QE_DTYPE_NONE || qe_tensor_dtype(tensors[at].tensor) == input.dtype) &&
           (input.rank < 0 || qe_tensor_rank(tensors[at].tensor) == (uint32_t)input.rank);
  }
  if (code || !fits) cli_zero_release(model, &tensors);
  *out = tensors;
  return code;
}

static int infer(const run_args *a, const qe_model_t *model, results *r, qe_session_t *session) {
  qe_named_tensor_t *tensors = NULL;
  cli_feed feed = { 0 };
  int code = load_whole(a, model, &tensors);
  if (!code && !tensors) { /* images to normalize, several files, missing channel dimensions, misfits to report */
    code = cli_feed_open(model, a->model, &a->inputs, &a->feed, &feed);
    if (!code) {
      if (!feed.whole) {
        feed.batch = feed.samples;
        feed.batches = 1;
      }
      code = cli_feed_batch(&feed, 0, &tensors);
    }
  }
  if (!code) {
    const qe_status_t status = qe_session_run(session, qe_model_input_count(model), tensors, r->n, r->tensors);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  cli_zero_release(model, &tensors);
  cli_feed_close(&feed);
  return code ? code : cli_interrupted() ? cli_stop_interrupted() : CLI_OK;
}

static int run_model(const run_args *a) {
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  results r = { 0 };
  cli_states states = { 0 };
  int code = cli_load_model(a->model, &model);
  if (!code) code = cli_states_choose(model, a->model, &a->steps.states, &states);
  if (!code) code = choose_results(a, model, &r);
  if (!code) {
    const qe_session_options_t o = cli_session_options();
    const qe_status_t status = qe_session_create(model, &o, &session);
    if (status != QE_OK) code = cli_fail(status, "%s", a->model);
  }
  if (!code) code = cli_steps_wanted(&a->steps) ? cli_run_steps(a, model, &states, &r, session) : infer(a, model, &r, session);
  if (!code) code = save_results(a, &r);
  if (!code) {
    qe_session_stats_t stats = { 0 };
    stats.struct_size = sizeof stats;
    qe_session_get_stats(session, &stats);
    report(a, &r, &states, &stats);
  }
  free_results(&r);
  cli_states_free(&states);
  qe_session_destroy(&session);
  qe_model_destroy(&model);
  return code;
}

static int run(const cli_command *self, int argc, char **argv) {
  run_args a = { .feed.option = "--input" };
  size_t count;
  const char **texts = cli_parse(self, parse, &a, argc, argv, 1, 1, &count);
  a.model = texts[0];
  int code = CLI_OK;
  if (!a.output_dir) code = cli_usage("--output-dir DIR is missing");
  if (!code) code = cli_steps_check(&a.steps);
  if (!code && a.feed.normalize && cli_steps_wanted(&a.steps)) code = cli_usage("--normalize is for images, not for --state");
  if (!code) code = cli_apply_engine();
  if (!code) code = run_model(&a);
  free(a.inputs.items);
  free(a.outputs.items);
  free(a.steps.states.items);
  free(texts);
  return code;
}

const cli_command cli_command_run = {
  .name = "run",
  .args = "MODEL",
  .summary = "run a model on arrays, one .npy per output",
  .description = "Runs MODEL once on the given arrays and writes each output to DIR as NAME.npy (characters that do "
                 "not suit a file name become '_').\n\n"
                 "Inputs are given by name, NAME=FILE, or without names in the model's order.\n\n"
                 "With --state the model runs like a program that has the data piece by piece: an output is carried "
                 "over to an input of the next step, --steps says along which dimension the data is cut. Outputs are "
                 "joined along it; of a state the last value is written, which a later run can go on from. A float "
                 "model gives the bytes of one run over the whole; where activations are quantized as they arrive, "
                 "their parameters are chosen call by call, so results depend on the cut.",
  .examples = "qengine run model.onnx --input x.npy --output-dir out\n"
              "qengine run lstm.onnx --input tokens=t.npy h0=h.npy c0=c.npy --output-dir out\n"
              "qengine run lstm.onnx --input t.npy --state hn=h0 cn=c0 --steps 0 --output-dir out\n"
              "qengine run gru.onnx --input x.npy --state auto --steps 0 --step-size 16 --output-dir out",
  .options = options,
  .run = run,
};
