/* Sessions: one model, a pool of threads, and a cache of plans keyed by input shapes and by the content of inputs that decide shapes. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/nearest.h"
#include "graph/model.h"
#include "registry/quant_rule.h"
#include "runtime/plan.h"
#include "runtime/state.h"

enum { MAX_PLANS = 16 }; /* the least recently used plan makes room */

typedef struct cached_plan {
  qe__plan *plan;
  void *key;
  size_t key_size;
  uint64_t used; /* clock of the last use */
} cached_plan;

struct qe_session {
  qe_model_t *model;
  const qe__engine *engine; /* NULL: none */
  qe__lowered lowered;
  qe__pool *pool;
  qe__pack_cache packs;
  qe__memory memory;
  qe__states states;
  cached_plan plans[MAX_PLANS];
  uint32_t n_plans, current, plans_made;
  uint64_t clock;
  bool strict, profile;
};

/* ---- life ---- */

/* quantized_engine "none" means float only: a quantized node can't be honoured. */
static qe_status_t check_none(const qe_session_t *s) {
  const qe__graph *g = s->model->graph;
  for (uint32_t k = 0; !s->engine && k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    if (!n->quantized) continue;
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s) is quantized, but quantized_engine is 'none' (float only); choose an engine ('qengine engines' lists them)", n->name,
                    n->op->name);
  }
  return QE_OK;
}

/* *out holds a reference. */
static qe_status_t choose_engine(const char *name, const qe__engine **out) {
  const qe__engine *engine;
  *out = NULL;
  QE_TRY(qe__engine_resolve(name, &engine));
  if (engine && !qe__engine_acquire(engine)) return qe__fail(QE_ERROR_ENGINE, "engine '%s' was retired; choose another one", engine->name);
  *out = engine;
  return QE_OK;
}

qe_status_t qe_session_create(const qe_model_t *model, const qe_session_options_t *options, qe_session_t **out) {
  qe_status_t status;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(model, "model is NULL");
  QE_TRY(qe__graph_verify(model->graph));
  qe_session_options_t o = {0};
  if (options) {
    QE_CHECK_ARG(options->struct_size >= sizeof(uint32_t) && options->struct_size <= 4096, "options.struct_size is not set to sizeof(qe_session_options_t)");
    memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
  }
  qe_session_t *s = qe__calloc(1, sizeof *s);
  if (!s) return QE_ERROR_OUT_OF_MEMORY;
  s->strict = o.strict != 0;
  s->profile = o.profile != 0;
  s->model = qe__model_retain(model);
  QE_TRY_GOTO(qe__engines_ready(), fail);
  QE_TRY_GOTO(choose_engine(o.engine, &s->engine), fail);
  QE_TRY_GOTO(check_none(s), fail);
  QE_TRY_GOTO(qe__lower(model->graph, o.no_fuse != 0, &s->lowered), fail);
  QE_TRY_GOTO(qe__pool_create(o.threads, &s->pool), fail);
  *out = s;
  return QE_OK;
fail:
  qe_session_destroy(&s);
  return status;
}

static void drop_plan(cached_plan *c) {
  qe__plan_destroy(&c->plan);
  qe__free(c->key);
  memset(c, 0, sizeof *c);
}

void qe_session_destroy(qe_session_t **session) {
  qe_session_t *s = session ? *session : NULL;
  if (!s) return;
  for (uint32_t i = 0; i < s->n_plans; i++) drop_plan(&s->plans[i]);
  qe__pack_cache_free(&s->packs);
  qe__memory_free(&s->memory);
  qe__states_free(&s->states);
  qe__pool_destroy(&s->pool);
  qe__lowered_free(&s->lowered);
  qe_model_destroy(&s->model);
  qe__engine_release(s->engine);
  qe__free(s);
  *session = NULL;
}

/* ---- matching inputs and outputs ---- */

qe__states *qe__session_states(qe_session_t *s) { return &s->states; }

const qe__graph *qe__session_graph(const qe_session_t *s) { return s->model->graph; }

qe_status_t qe__session_name_error(const qe__graph *g, const char *kind, const char *name, const qe__value_id *ids, uint32_t n) {
  const char **names = qe__calloc(n + 1, sizeof *names);
  if (!names) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < n; i++) names[i] = g->values[ids ? ids[i] : (qe__value_id)i].name;
  const char *near = qe__nearest_name(name, n, names);
  const qe_status_t status = qe__fail(QE_ERROR_NOT_FOUND, "the model has no %s named '%s'%s%s%s", kind, name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  qe__free(names);
  return status;
}

/* Brings the caller's tensors into the graph's order; states stand in for those that are bound and not given. */
static qe_status_t match_inputs(qe_session_t *s, uint32_t n, const qe_named_tensor_t *given, qe_tensor_t **in) {
  const qe__graph *g = s->model->graph;
  QE_CHECK_ARG(n == 0 || given, "inputs is NULL");
  for (uint32_t i = 0; i < n; i++) {
    QE_CHECK_ARG(given[i].tensor, "an input's tensor is NULL");
    uint32_t slot = i;
    if (given[i].name) {
      for (slot = 0; slot < g->n_inputs && strcmp(g->values[g->inputs[slot]].name, given[i].name) != 0; slot++) continue;
      if (slot == g->n_inputs) return qe__session_name_error(g, "input", given[i].name, g->inputs, g->n_inputs);
    } else if (i >= g->n_inputs) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%u inputs given, the model has %u", n, g->n_inputs);
    }
    if (in[slot]) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "input '%s' is given twice", g->values[g->inputs[slot]].name);
    in[slot] = given[i].tensor;
  }
  QE_TRY(qe__states_begin(&s->states, g, in));
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (!in[i]) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "input '%s' is not given", g->values[g->inputs[i]].name);
  }
  return QE_OK;
}

static qe_status_t match_outputs(const qe_session_t *s, uint32_t n, const qe_named_tensor_t *wanted, qe__value_id *out) {
  const qe__graph *g = s->model->graph;
  QE_CHECK_ARG(n == 0 || wanted, "outputs is NULL");
  for (uint32_t i = 0; i < n; i++) {
    if (wanted[i].name) {
      out[i] = qe__graph_find_value(g, wanted[i].name);
      if (out[i] == QE__NO_VALUE) return qe__session_name_error(g, "value", wanted[i].name, NULL, g->n_values);
    } else if (i < g->n_outputs) {
      out[i] = g->outputs[i];
    } else {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%u outputs wanted, the model has %u", n, g->n_outputs);
    }
  }
  return QE_OK;
}

/* ---- plan cache ---- */

typedef struct key_buffer {
  unsigned char *data;
  size_t size, capacity;
} key_buffer;

static qe_status_t key_add(key_buffer *k, const void *data, size_t size) {
  if (size == 0) return QE_OK;
  if (size > k->capacity - k->size) {
    size_t want = k->capacity * 2 + size;
    unsigned char *grown = qe__realloc(k->data, want, 1);
    if (!grown) return QE_ERROR_OUT_OF_MEMORY;
    k->data = grown;
    k->capacity = want;
  }
  memcpy(k->data + k->size, data, size);
  k->size += size;
  return QE_OK;
}

static qe_status_t make_key(const qe__plan_request *r, key_buffer *k) {
  const qe__graph *g = r->lowered->graph;
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    const qe_tensor_t *t = r->inputs[i];
    QE_TRY(key_add(k, &t->dtype, sizeof t->dtype));
    QE_TRY(key_add(k, &t->rank, sizeof t->rank));
    QE_TRY(key_add(k, t->dims, t->rank * sizeof t->dims[0]));
    if (r->lowered->needs_value[g->inputs[i]]) QE_TRY(key_add(k, t->data, t->bytes));
  }
  QE_TRY(key_add(k, &r->n_outputs, sizeof r->n_outputs));
  QE_TRY(key_add(k, r->outputs, r->n_outputs * sizeof r->outputs[0]));
  return key_add(k, r->taps, r->n_taps * sizeof r->taps[0]);
}

static void report_fallback(const qe_session_t *s, const qe__plan *plan) {
  if (plan->n_fallback == 0) return;
  for (uint32_t i = 0; i < plan->n_steps; i++) {
    if (!plan->steps[i].fallback) continue;
    qe__log(QE_LOG_WARNING, "%u of %u quantized steps do not run on engine '%s'; first: node '%s' (%s), %s. See 'qengine explain'", plan->n_fallback,
            plan->n_quantized, s->engine->name, s->lowered.graph->nodes[plan->steps[i].node]->name, plan->steps[i].problem.op, plan->steps[i].note);
    return;
  }
}

/* The plan for this request, from the cache or made now. */
static qe_status_t get_plan(qe_session_t *s, const qe__plan_request *request, qe__plan **out) {
  key_buffer key = {0};
  qe_status_t status = make_key(request, &key);
  if (status != QE_OK) goto done;
  for (uint32_t i = 0; i < s->n_plans; i++) {
    if (s->plans[i].key_size == key.size && memcmp(s->plans[i].key, key.data, key.size) == 0) {
      s->current = i;
      s->plans[i].used = ++s->clock;
      *out = s->plans[i].plan;
      goto done;
    }
  }
  qe__plan *plan;
  QE_TRY_GOTO(qe__plan_create(request, &plan), done);
  uint32_t slot = s->n_plans;
  if (slot == MAX_PLANS) {
    slot = 0;
    for (uint32_t i = 1; i < MAX_PLANS; i++) slot = s->plans[i].used < s->plans[slot].used ? i : slot;
    drop_plan(&s->plans[slot]);
  } else {
    s->n_plans++;
  }
  s->plans[slot] = (cached_plan){plan, key.data, key.size, ++s->clock};
  key.data = NULL;
  s->current = slot;
  s->plans_made++;
  report_fallback(s, plan);
  *out = plan;
done:
  qe__free(key.data);
  return status;
}

static qe__plan_request request_for(qe_session_t *s, qe_tensor_t *const *inputs) {
  return (qe__plan_request){.lowered = &s->lowered, .engine = s->engine, .strict = s->strict, .threads = qe__pool_threads(s->pool), .packs = &s->packs, .inputs = inputs};
}

/* ---- running ---- */

/* Tensors of a quantized value carry its parameters. */
static qe_status_t make_output(const qe_session_t *s, const qe__plan *plan, uint32_t i, qe_tensor_t **out) {
  const qe__phys *x = &plan->phys[plan->outputs[i].phys];
  QE_TRY(qe_tensor_create((qe_dtype_t)x->operand.dtype, x->operand.rank, x->operand.dims, out));
  const qe__qparams *q = &s->lowered.graph->values[x->value].q;
  return q->view.count ? qe_tensor_set_qparams(*out, &q->view) : QE_OK;
}

/* What one run is asked for: values as outputs, or fed to a tap; or nothing but a plan for the model's outputs. */
typedef struct job {
  uint32_t n_inputs, n_outputs, n_taps;
  const qe_named_tensor_t *inputs;
  qe_named_tensor_t *outputs;
  const qe__value_id *taps;
  qe_tap_fn tap;
  void *tap_arg;
  bool plan_only;
} job;

/* Lists of one run. The states' results come after the outputs that the caller wants. */
typedef struct lists {
  qe_tensor_t **in, **out;
  qe__value_id *wanted;
} lists;

static qe_status_t make_outputs(qe_session_t *s, const qe__plan *plan, uint32_t n, qe_tensor_t **out) {
  for (uint32_t i = 0; i < n; i++) QE_TRY(make_output(s, plan, i, &out[i]));
  for (uint32_t i = 0; i < s->states.count; i++) {
    qe__state *state = &s->states.items[i];
    const qe_operand *o = &plan->phys[plan->outputs[n + i].phys].operand;
    if (!qe__state_reuse(state, (qe_dtype_t)o->dtype, o->rank, o->dims)) QE_TRY(make_output(s, plan, n + i, &state->next));
    out[n + i] = qe_tensor_retain(state->next);
  }
  return QE_OK;
}

static qe_status_t compute(qe_session_t *s, const job *j, const lists *l) {
  const qe__graph *g = s->model->graph;
  qe__plan *plan;
  const uint32_t n = j->plan_only ? g->n_outputs : j->n_outputs;
  QE_TRY(match_inputs(s, j->n_inputs, j->inputs, l->in));
  if (!j->plan_only) QE_TRY(match_outputs(s, n, j->outputs, l->wanted));
  else if (n) memcpy(l->wanted, g->outputs, n * sizeof *l->wanted);
  for (uint32_t i = 0; i < s->states.count; i++) l->wanted[n + i] = s->states.items[i].output;
  qe__plan_request request = request_for(s, l->in);
  request.n_outputs = n + s->states.count;
  request.outputs = l->wanted;
  request.n_taps = j->n_taps;
  request.taps = j->taps;
  QE_TRY(get_plan(s, &request, &plan));
  if (j->plan_only) return QE_OK;
  QE_TRY(make_outputs(s, plan, n, l->out));
  return qe__plan_run(plan, &s->lowered, s->pool, &s->memory, l->in, l->out, j->tap, j->tap_arg, s->profile);
}

static qe_status_t execute(qe_session_t *s, const job *j) {
  const qe__graph *g = s->model->graph;
  if (g->n_inputs > 4096) return qe__fail(QE_ERROR_UNSUPPORTED, "the model has %u inputs; at most 4096 are supported", g->n_inputs);
  const size_t n_out = (size_t)(j->plan_only ? g->n_outputs : j->n_outputs) + s->states.count;
  lists l = {qe__calloc(g->n_inputs + 1, sizeof *l.in), qe__calloc(n_out + 1, sizeof *l.out), qe__calloc(n_out + 1, sizeof *l.wanted)};
  const qe_status_t status = l.in && l.out && l.wanted ? compute(s, j, &l) : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; status == QE_OK && i < j->n_outputs; i++) {
    j->outputs[i].tensor = l.out[i];
    l.out[i] = NULL;
  }
  for (size_t i = 0; l.out && i < n_out; i++) qe_tensor_release(&l.out[i]);
  qe__states_finish(&s->states, status == QE_OK && !j->plan_only);
  qe__free(l.in);
  qe__free(l.out);
  qe__free(l.wanted);
  return status;
}

qe_status_t qe_session_run(qe_session_t *s, uint32_t n_inputs, const qe_named_tensor_t *inputs, uint32_t n_outputs, qe_named_tensor_t *outputs) {
  QE_CHECK_ARG(s, "session is NULL");
  for (uint32_t i = 0; outputs && i < n_outputs; i++) outputs[i].tensor = NULL;
  return execute(s, &(job){.n_inputs = n_inputs, .inputs = inputs, .n_outputs = n_outputs, .outputs = outputs});
}

qe_status_t qe_session_run_tapped(qe_session_t *s, uint32_t n_inputs, const qe_named_tensor_t *inputs, uint32_t n_values, const int32_t *values, qe_tap_fn tap, void *arg) {
  QE_CHECK_ARG(s && tap, "session or tap is NULL");
  QE_CHECK_ARG(n_values == 0 || values, "values is NULL");
  for (uint32_t i = 0; i < n_values; i++) QE_CHECK_ARG(values[i] >= 0 && (uint32_t)values[i] < s->model->graph->n_values, "a value index is out of range");
  return execute(s, &(job){.n_inputs = n_inputs, .inputs = inputs, .n_taps = n_values, .taps = values, .tap = tap, .tap_arg = arg});
}

/* ---- reporting ---- */

qe_status_t qe_session_plan(qe_session_t *s, uint32_t n_inputs, const qe_named_tensor_t *inputs) {
  QE_CHECK_ARG(s, "session is NULL");
  return execute(s, &(job){.n_inputs = n_inputs, .inputs = inputs, .plan_only = true});
}

static const qe__plan *current_plan(const qe_session_t *s) { return s->n_plans ? s->plans[s->current].plan : NULL; }

uint32_t qe_session_step_count(const qe_session_t *s) {
  const qe__plan *plan = s ? current_plan(s) : NULL;
  return plan ? plan->n_steps : 0;
}

qe_status_t qe_session_step(const qe_session_t *s, uint32_t index, qe_step_info_t *out) {
  QE_CHECK_ARG(out, "out is NULL");
  memset(out, 0, sizeof *out);
  const qe__plan *plan = s ? current_plan(s) : NULL;
  QE_CHECK_ARG(plan && index < plan->n_steps, "no such step; plan or run first");
  qe__step *step = &plan->steps[index]; /* its text is made when it is first asked for */
  const bool of_node = !step->relayout && step->tap == QE__NO_VALUE;
  const qe__node *n = of_node ? s->lowered.graph->nodes[step->node] : NULL;
  if (!step->dtypes && !(step->dtypes = qe__step_dtypes(step))) return QE_ERROR_OUT_OF_MEMORY;
  out->node = n ? n->name : s->lowered.graph->values[plan->phys[step->in[0]].value].name;
  out->op = n ? n->op->name : step->relayout ? "Relayout" : "Tap";
  out->origin = n ? n->origin : NULL;
  out->engine = step->kernel ? step->kernel->engine->name : "core";
  out->kernel = step->kernel ? step->kernel->row.name : "-";
  out->dtypes = step->dtypes;
  out->note = step->relayout ? "memory layout changes here" : step->note ? step->note : "";
  out->quantized = n && step->kernel && qe__node_works_on_codes(n);
  out->fallback = step->fallback;
  out->milliseconds = step->milliseconds;
  out->macs = step->macs;
  out->runs = step->runs;
  return QE_OK;
}

qe_status_t qe_session_get_stats(const qe_session_t *s, qe_session_stats_t *out) {
  QE_CHECK_ARG(s && out, "session or out is NULL");
  const uint32_t size = out->struct_size;
  QE_CHECK_ARG(size >= sizeof(uint32_t) && size <= 4096, "out->struct_size is not set to sizeof(qe_session_stats_t)");
  qe_session_stats_t stats = {.struct_size = size};
  const qe__plan *plan = current_plan(s);
  stats.engine = s->engine ? s->engine->name : "none";
  stats.threads = qe__pool_threads(s->pool);
  stats.plans = s->plans_made;
  stats.steps = plan ? plan->n_steps : 0;
  stats.quantized_steps = plan ? plan->n_quantized : 0;
  stats.fallback_steps = plan ? plan->n_fallback : 0;
  stats.arena_bytes = plan ? plan->arena_bytes : 0;
  stats.packed_bytes = s->packs.bytes;
  stats.scratch_bytes = s->memory.scratch_bytes;
  memcpy(out, &stats, size < sizeof stats ? size : sizeof stats);
  return QE_OK;
}
