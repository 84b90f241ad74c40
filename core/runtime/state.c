/* See state.h. Shapes of states that nobody gave follow from symbols: "batch" of h is "batch" of the tokens. */
#include "runtime/state.h"

#include <string.h>

#include "registry/quant_rule.h"

/* ---- zeros ---- */

/* The size of `symbol` as the tensors at hand have it; -1: none does. */
static int64_t find_symbol(const qe__graph *g, qe_tensor_t *const *in, const char *symbol) {
  for (uint32_t i = 0; symbol && i < g->n_inputs; i++) {
    const qe__value *v = &g->values[g->inputs[i]];
    for (int32_t d = 0; in[i] && d < v->rank && (uint32_t)d < in[i]->rank; d++) {
      if (v->symbols[d] && strcmp(v->symbols[d], symbol) == 0) return in[i]->dims[d];
    }
  }
  return -1;
}

static qe_status_t make_zeros(qe__state *s, const qe__graph *g, qe_tensor_t *const *in) {
  const qe__value *v = &g->values[g->inputs[s->slot]];
  int64_t dims[QE_MAX_RANK] = {0};
  if (v->rank < 0 || v->dtype == QE_DTYPE_NONE) {
    return qe__fail(QE_ERROR_STATE, "the state '%s' has no value yet, and the model does not say its %s; give it one with qe_session_set_state", v->name,
                    v->rank < 0 ? "shape" : "type");
  }
  for (int32_t d = 0; d < v->rank; d++) {
    dims[d] = v->dims[d] >= 0 ? v->dims[d] : find_symbol(g, in, v->symbols[d]);
    if (dims[d] >= 0) continue;
    return qe__fail(QE_ERROR_STATE, "the state '%s' has no value yet, and no input says how large its dimension %d (%s) is; give it one with qe_session_set_state",
                    v->name, (int)d, v->symbols[d] ? v->symbols[d] : "unnamed");
  }
  QE_TRY(qe_tensor_create(v->dtype, (uint32_t)v->rank, dims, &s->zeros));
  if (!v->q.view.count) return QE_OK;
  /* the code of zero; states of codes have 8 bits and one pair of parameters */
  memset(s->zeros->data, v->q.view.zero_points[0] & 0xff, s->zeros->bytes);
  return qe_tensor_set_qparams(s->zeros, &v->q.view);
}

/* ---- runs ---- */

qe_status_t qe__states_begin(qe__states *states, const qe__graph *g, qe_tensor_t **in) {
  for (uint32_t i = 0; i < states->count; i++) {
    qe__state *s = &states->items[i];
    if (!in[s->slot]) in[s->slot] = s->value;
  }
  for (uint32_t i = 0; i < states->count; i++) { /* zeros say nothing about sizes, so they come last */
    qe__state *s = &states->items[i];
    if (in[s->slot]) continue;
    QE_TRY(make_zeros(s, g, in));
  }
  for (uint32_t i = 0; i < states->count; i++) {
    if (states->items[i].zeros) in[states->items[i].slot] = states->items[i].zeros;
  }
  return QE_OK;
}

bool qe__state_reuse(qe__state *s, qe_dtype_t dtype, uint32_t rank, const int64_t *dims) {
  const qe_tensor_t *t = s->spare;
  if (!t || t->dtype != dtype || t->rank != rank || (rank && memcmp(t->dims, dims, rank * sizeof *dims) != 0)) return false;
  s->next = s->spare;
  s->spare = NULL;
  return true;
}

void qe__states_finish(qe__states *states, bool done) {
  for (uint32_t i = 0; i < states->count; i++) {
    qe__state *s = &states->items[i];
    qe_tensor_t **rest = done ? &s->value : &s->next; /* the tensor that nobody reads any more */
    if (*rest) {
      qe_tensor_release(&s->spare);
      s->spare = *rest;
      *rest = NULL;
    }
    if (done) {
      s->value = s->next;
      s->next = NULL;
    }
    if (s->zeros && !s->spare) s->spare = s->zeros;
    else qe_tensor_release(&s->zeros);
    s->zeros = NULL;
  }
}

static void drop_tensors(qe__state *s) {
  qe_tensor_release(&s->value);
  qe_tensor_release(&s->spare);
  qe_tensor_release(&s->zeros);
  qe_tensor_release(&s->next);
}

void qe__states_free(qe__states *states) {
  for (uint32_t i = 0; i < states->count; i++) drop_tensors(&states->items[i]);
  qe__free(states->items);
  *states = (qe__states){0};
}

/* ---- the API ---- */

static qe_status_t find_input(const qe__graph *g, const char *name, uint32_t *slot) {
  for (*slot = 0; *slot < g->n_inputs; (*slot)++) {
    if (strcmp(g->values[g->inputs[*slot]].name, name) == 0) return QE_OK;
  }
  return qe__session_name_error(g, "input", name, g->inputs, g->n_inputs);
}

static qe__state *state_of(qe__states *states, uint32_t slot) {
  for (uint32_t i = 0; i < states->count; i++) {
    if (states->items[i].slot == slot) return &states->items[i];
  }
  return NULL;
}

/* What is known of both already; the rest is checked when a run plans. */
static qe_status_t check_pair(const qe__value *out, const qe__value *in) {
  const bool codes = out->q.view.count > 0 || in->q.view.count > 0;
  if (codes && (!qe__dtype_is_code8(in->dtype) || in->q.view.count != 1 || !qe__qparams_equal(&out->q.view, &in->q.view))) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "output '%s' and the input '%s' that it would become are quantized differently, or not per tensor in 8 bits; "
                    "bind values with the same scale and zero point", out->name, in->name);
  }
  if (out->dtype != QE_DTYPE_NONE && in->dtype != QE_DTYPE_NONE && out->dtype != in->dtype) {
    return qe__fail(QE_ERROR_DTYPE, "output '%s' is %s, but the input '%s' that it would become is %s", out->name, qe_dtype_name(out->dtype), in->name,
                    qe_dtype_name(in->dtype));
  }
  if (out->rank < 0 || in->rank < 0) return QE_OK;
  if (out->rank != in->rank) {
    return qe__fail(QE_ERROR_SHAPE, "output '%s' has %d dimensions, but the input '%s' that it would become has %d", out->name, (int)out->rank, in->name,
                    (int)in->rank);
  }
  for (int32_t d = 0; d < out->rank; d++) {
    if (out->dims[d] < 0 || in->dims[d] < 0 || out->dims[d] == in->dims[d]) continue;
    return qe__fail(QE_ERROR_SHAPE, "dimension %d of output '%s' is %lld, but that of the input '%s' that it would become is %lld", (int)d, out->name,
                    (long long)out->dims[d], in->name, (long long)in->dims[d]);
  }
  return QE_OK;
}

qe_status_t qe_session_bind_state(qe_session_t *session, const char *output_name, const char *input_name) {
  uint32_t slot;
  QE_CHECK_ARG(session && output_name && input_name, "session, output_name or input_name is NULL");
  const qe__graph *g = qe__session_graph(session);
  qe__states *states = qe__session_states(session);
  const qe__value_id output = qe__graph_find_value(g, output_name);
  if (output == QE__NO_VALUE) return qe__session_name_error(g, "value", output_name, NULL, g->n_values);
  QE_TRY(find_input(g, input_name, &slot));
  const qe__state *old = state_of(states, slot);
  if (old) return qe__fail(QE_ERROR_EXISTS, "input '%s' is the state of output '%s' already", input_name, g->values[old->output].name);
  QE_TRY(check_pair(&g->values[output], &g->values[g->inputs[slot]]));
  QE_TRY(qe__grow((void **)&states->items, &states->capacity, states->count, sizeof *states->items));
  states->items[states->count++] = (qe__state){.slot = slot, .output = output};
  return QE_OK;
}

static qe_status_t find_state(qe_session_t *session, const char *input_name, qe__state **out) {
  uint32_t slot;
  const qe__graph *g = qe__session_graph(session);
  QE_TRY(find_input(g, input_name, &slot));
  *out = state_of(qe__session_states(session), slot);
  return *out ? QE_OK : qe__fail(QE_ERROR_STATE, "input '%s' is no state; bind an output to it first (qe_session_bind_state)", input_name);
}

/* The same words as for an input that is given, and the same strictness. */
static qe_status_t check_value(const qe__value *v, const qe_tensor_t *t) {
  char found[128], expected[128];
  if (v->dtype != QE_DTYPE_NONE && t->dtype != v->dtype) {
    return qe__fail(QE_ERROR_DTYPE, "state '%s': found %s, the model expects %s", v->name, qe_dtype_name(t->dtype), qe_dtype_name(v->dtype));
  }
  bool fits = v->rank < 0 || (uint32_t)v->rank == t->rank;
  for (uint32_t d = 0; fits && v->rank >= 0 && d < t->rank; d++) fits = v->dims[d] < 0 || v->dims[d] == t->dims[d];
  if (fits) return QE_OK;
  return qe__fail(QE_ERROR_SHAPE, "state '%s': found shape %s, the model expects %s (-1: any)", v->name, qe__dims_text(t->rank, t->dims, found, sizeof found),
                  qe__dims_text((uint32_t)v->rank, v->dims, expected, sizeof expected));
}

qe_status_t qe_session_set_state(qe_session_t *session, const char *input_name, const qe_tensor_t *tensor) {
  qe__state *s;
  qe_tensor_t *copy;
  QE_CHECK_ARG(session && input_name && tensor, "session, input_name or tensor is NULL");
  QE_TRY(find_state(session, input_name, &s));
  const qe__graph *g = qe__session_graph(session);
  QE_TRY(check_value(&g->values[g->inputs[s->slot]], tensor));
  QE_TRY(qe__tensor_copy(tensor, &copy));
  qe_tensor_release(&s->value);
  s->value = copy;
  return QE_OK;
}

qe_status_t qe_session_get_state(qe_session_t *session, const char *input_name, qe_tensor_t **out) {
  qe__state *s;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(session && input_name, "session or input_name is NULL");
  QE_TRY(find_state(session, input_name, &s));
  if (!s->value) return qe__fail(QE_ERROR_STATE, "the state '%s' has no value before the first run; it is zeros", input_name);
  return qe__tensor_copy(s->value, out);
}

qe_status_t qe_session_reset_state(qe_session_t *session) {
  QE_CHECK_ARG(session, "session is NULL");
  qe__states *states = qe__session_states(session);
  for (uint32_t i = 0; i < states->count; i++) drop_tensors(&states->items[i]);
  return QE_OK;
}
