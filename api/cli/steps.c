/* See steps.h. */
#include "steps.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"

/* ---- options ---- */

bool cli_steps_parse(cli_steps_options *o, int key, char *arg) {
  switch (key) {
    case CLI_KEY_STATE: cli_list_add(&o->states, arg); return true;
    case CLI_KEY_STEPS:
      o->cut = true;
      o->axis = cli_int_value("--steps", arg, 0, QE_MAX_RANK - 1);
      return true;
    case CLI_KEY_STEP_SIZE: o->size = cli_int_value("--step-size", arg, 1, INT64_MAX); return true;
    default: return false;
  }
}

bool cli_steps_wanted(const cli_steps_options *o) { return o->cut || o->size || o->states.count; }

int cli_steps_check(const cli_steps_options *o) {
  if (o->size && !o->cut) return cli_usage("--step-size needs --steps AXIS");
  if (o->cut && !o->states.count) return cli_usage("--steps needs --state OUTPUT=INPUT or --state auto");
  return CLI_OK;
}

/* ---- cutting and joining ---- */

/* Elements of whole bytes, as blocks: `outer` times `length` times `inner` bytes. */
static void blocks(const qe_tensor_t *t, int64_t axis, size_t *outer, size_t *inner) {
  const int64_t *dims = qe_tensor_dims(t);
  const size_t count = (size_t)qe_tensor_count(t);
  *outer = 1;
  for (int64_t d = 0; d < axis; d++) *outer *= (size_t)dims[d];
  *inner = count ? qe_tensor_bytes(t) / *outer / (size_t)dims[axis] : 0;
}

int64_t cli_steps_size(const cli_steps *s, int64_t index) {
  const int64_t left = s->length - index * s->size;
  return left < s->size ? left : s->size;
}

qe_status_t cli_steps_slice(const cli_steps *s, qe_tensor_t *t, int64_t index, qe_tensor_t **out) {
  if (!s->cut) {
    *out = qe_tensor_retain(t);
    return QE_OK;
  }
  int64_t dims[QE_MAX_RANK];
  const uint32_t rank = qe_tensor_rank(t);
  memcpy(dims, qe_tensor_dims(t), rank * sizeof *dims);
  dims[s->axis] = cli_steps_size(s, index);
  const qe_status_t status = qe_tensor_create(qe_tensor_dtype(t), rank, dims, out);
  if (status != QE_OK) return status;
  size_t outer, inner;
  blocks(t, s->axis, &outer, &inner);
  const size_t whole = (size_t)s->length * inner, part = (size_t)dims[s->axis] * inner;
  const char *from = (const char *)qe_tensor_const_data(t) + (size_t)(index * s->size) * inner;
  char *to = qe_tensor_data(*out);
  for (size_t o = 0; o < outer && part; o++) memcpy(to + o * part, from + o * whole, part);
  return QE_OK;
}

bool cli_join(size_t count, qe_tensor_t *const *pieces, int64_t axis, qe_tensor_t **out) {
  const uint32_t rank = qe_tensor_rank(pieces[0]);
  int64_t dims[QE_MAX_RANK];
  *out = NULL;
  if (axis >= (int64_t)rank) return false;
  memcpy(dims, qe_tensor_dims(pieces[0]), rank * sizeof *dims);
  for (size_t i = 1; i < count; i++) {
    bool same = qe_tensor_rank(pieces[i]) == rank && qe_tensor_dtype(pieces[i]) == qe_tensor_dtype(pieces[0]);
    for (int64_t d = 0; same && d < (int64_t)rank; d++) same = d == axis || qe_tensor_dims(pieces[i])[d] == dims[d];
    if (!same) return false;
    dims[axis] += qe_tensor_dims(pieces[i])[axis];
  }
  if (qe_tensor_create(qe_tensor_dtype(pieces[0]), rank, dims, out) != QE_OK) return false;
  size_t outer, inner, at = 0;
  blocks(*out, axis, &outer, &inner);
  const size_t whole = (size_t)dims[axis] * inner;
  for (size_t i = 0; i < count; i++) {
    const size_t part = (size_t)qe_tensor_dims(pieces[i])[axis] * inner;
    for (size_t o = 0; o < outer && part; o++)
      memcpy((char *)qe_tensor_data(*out) + o * whole + at, (const char *)qe_tensor_const_data(pieces[i]) + o * part,
             part);
    at += part;
  }
  return true;
}

/* ---- data ---- */

/* The next input that is no state and has no data yet; -1: none. */
static int32_t next_input(const qe_model_t *model, const cli_states *states, const cli_steps *s) {
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    if (!s->inputs[i].tensor && !cli_states_has_input(states, cli_model_input_name(model, i))) return (int32_t)i;
  }
  return -1;
}

static int check_input(const qe_model_t *model, const char *model_path, uint32_t index, const char *path,
                       const qe_tensor_t *t) {
  qe_value_info_t info;
  const qe_status_t status = qe_model_input(model, index, &info);
  if (status != QE_OK) return cli_fail(status, "%s", model_path);
  bool fits = (info.dtype == QE_DTYPE_NONE || qe_tensor_dtype(t) == info.dtype) &&
              (info.rank < 0 || qe_tensor_rank(t) == (uint32_t)info.rank);
  if (fits) return CLI_OK;
  char *wanted = cli_type_text(info.dtype, info.rank, info.dims, info.symbols);
  char *found = cli_type_text(qe_tensor_dtype(t), (int32_t)qe_tensor_rank(t), qe_tensor_dims(t), NULL);
  const int code = cli_error(CLI_FAILED, "%s is %s, but the input '%s' of %s is %s", path, found, info.name,
                             model_path, wanted);
  free(wanted);
  free(found);
  return code;
}

/* One "[NAME=]FILE". */
static int load(const qe_model_t *model, const char *model_path, const char *option, const char *text,
                const cli_states *states, qe_session_t *session, cli_steps *s) {
  const char *equals = access(text, F_OK) == 0 ? NULL : strchr(text, '='), *path = equals ? equals + 1 : text;
  const int32_t at =
      equals ? cli_model_find_input(model, text, (size_t)(equals - text)) : next_input(model, states, s);
  if (at < 0 && equals)
    return cli_error(CLI_FAILED, "%s %s: %s has no input of that name; there is '%s'", option, text, model_path,
                     cli_model_input_name(model, 0));
  if (at < 0)
    return cli_error(CLI_FAILED, "%s %s: every input of %s has its data; for the first value of a state say NAME=FILE",
                     option, text, model_path);
  const char *name = cli_model_input_name(model, (size_t)at);
  qe_tensor_t *t = NULL;
  const qe_status_t status = qe_tensor_load(path, NULL, &t);
  if (status != QE_OK) return cli_fail(status, "%s %s", option, path);
  if (cli_states_has_input(states, name)) {
    const qe_status_t set = qe_session_set_state(session, name, t);
    qe_tensor_release(&t);
    return set == QE_OK ? CLI_OK : cli_fail(set, "%s %s", option, path);
  }
  int code = check_input(model, model_path, (uint32_t)at, path, t);
  if (!code && s->inputs[at].tensor) code = cli_error(CLI_FAILED, "%s: the input '%s' is given twice", option, name);
  if (code) {
    qe_tensor_release(&t);
    return code;
  }
  s->inputs[at] = (qe_named_tensor_t){ name, t };
  return CLI_OK;
}

/* Leaves the list without gaps; every input has to be given or be a state. */
static int compact(const qe_model_t *model, const char *model_path, const char *option, const cli_states *states,
                   cli_steps *s) {
  const int32_t missing = next_input(model, states, s);
  if (missing >= 0)
    return cli_error(CLI_FAILED, "%s: no data for the input '%s' of %s, and it is no state; add %s %s=FILE or --state",
                     option, cli_model_input_name(model, (size_t)missing), model_path, option,
                     cli_model_input_name(model, (size_t)missing));
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    if (!s->inputs[i].tensor) continue;
    const qe_named_tensor_t input = s->inputs[i];
    s->inputs[i].tensor = NULL;
    s->inputs[s->n_inputs++] = input;
  }
  return CLI_OK;
}

static int cut(const char *option, const cli_steps_options *o, cli_steps *s) {
  s->count = s->size = s->length = 1;
  if (!o->cut) return CLI_OK;
  s->cut = true;
  s->axis = o->axis;
  s->size = o->size ? o->size : 1;
  if (!s->n_inputs) return cli_error(CLI_FAILED, "--steps %lld: all inputs are states, there is nothing to cut", (long long)s->axis);
  for (uint32_t i = 0; i < s->n_inputs; i++) {
    const qe_tensor_t *t = s->inputs[i].tensor;
    char *type = cli_type_text(qe_tensor_dtype(t), (int32_t)qe_tensor_rank(t), qe_tensor_dims(t), NULL);
    int code = CLI_OK;
    if (s->axis >= (int64_t)qe_tensor_rank(t))
      code = cli_error(CLI_FAILED, "--steps %lld: the data of '%s' is %s and has no such dimension",
                       (long long)s->axis, s->inputs[i].name, type);
    else if (i && qe_tensor_dims(t)[s->axis] != s->length)
      code = cli_error(CLI_FAILED,
                       "--steps %lld: all data is cut alike, but '%s' has %lld positions and '%s' is %s",
                       (long long)s->axis, s->inputs[0].name, (long long)s->length, s->inputs[i].name, type);
    else if (qe_tensor_dtype(t) == QE_INT4 || qe_tensor_dtype(t) == QE_UINT4)
      code = cli_error(CLI_FAILED, "--steps: the data of '%s' is %s; half bytes cannot be cut", s->inputs[i].name, type);
    else s->length = qe_tensor_dims(t)[s->axis];
    free(type);
    if (code) return code;
  }
  if (s->length == 0) return cli_error(CLI_FAILED, "%s: the data has no positions along dimension %lld", option, (long long)s->axis);
  if (s->size > s->length) s->size = s->length;
  s->count = (s->length + s->size - 1) / s->size;
  return CLI_OK;
}

int cli_steps_open(const qe_model_t *model, const char *model_path, const char *option, const cli_list *files,
                   const cli_steps_options *options, const cli_states *states, qe_session_t *session, cli_steps *out) {
  memset(out, 0, sizeof *out);
  out->inputs = cli_calloc(qe_model_input_count(model), sizeof *out->inputs);
  int code = CLI_OK;
  for (size_t i = 0; i < files->count && !code; i++)
    code = load(model, model_path, option, files->items[i], states, session, out);
  if (code) out->n_inputs = qe_model_input_count(model); /* with gaps, to be released */
  else code = compact(model, model_path, option, states, out);
  if (!code) code = cut(option, options, out);
  if (code && !out->n_inputs) out->n_inputs = qe_model_input_count(model);
  if (code) cli_steps_close(out);
  return code;
}

int cli_steps_inputs(const cli_steps *s, int64_t index, qe_named_tensor_t **out) {
  *out = cli_calloc(s->n_inputs, sizeof **out);
  for (uint32_t i = 0; i < s->n_inputs; i++) {
    (*out)[i].name = s->inputs[i].name;
    const qe_status_t status = cli_steps_slice(s, s->inputs[i].tensor, index, &(*out)[i].tensor);
    if (status == QE_OK) continue;
    cli_steps_release(s, out);
    return cli_fail(status, "step %lld of '%s'", (long long)index, s->inputs[i].name);
  }
  return CLI_OK;
}

void cli_steps_release(const cli_steps *s, qe_named_tensor_t **tensors) {
  if (!*tensors) return;
  for (uint32_t i = 0; i < s->n_inputs; i++) qe_tensor_release(&(*tensors)[i].tensor);
  free(*tensors);
  *tensors = NULL;
}

void cli_steps_close(cli_steps *s) {
  cli_steps_release(s, &s->inputs);
  memset(s, 0, sizeof *s);
}
