/* How long each layer takes in each flow, and how many bytes it moves. See advise.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"

static const char *const flow_names[ADVISE_FLOWS] = { "float", "static", "dynamic" };

/* Opens a case over `model` with tensors of its own. */
static int open_case(const advice *a, const qe_model_t *model, const char *flow, bench_case *c) {
  const uint32_t n = qe_model_input_count(model);
  *c = (bench_case){ .graph = model, .model = a->path, .flow = flow, .batch = a->batch };
  c->name = cli_format("%s/%s", a->path, flow);
  c->inputs = cli_calloc(n, sizeof *c->inputs);
  for (uint32_t i = 0; i < n; i++)
    c->inputs[i] = (qe_named_tensor_t){ a->timed[i].name, qe_tensor_retain(a->timed[i].tensor) };
  return bench_open(c);
}

static bench_settings settings_of(const advice *a) {
  return (bench_settings){ .repeat = -1, .min_time = a->min_time, .profile = true };
}

/* ---- layers ---- */

static int32_t node_named(const qe_model_t *model, const char *name) {
  qe_node_info_t info;
  for (uint32_t n = 0; n < qe_model_node_count(model); n++)
    if (qe_model_node(model, n, &info) == QE_OK && strcmp(info.name, name) == 0) return (int32_t)n;
  return -1;
}

static advise_layer *layer_named(const advice *a, const char *name) {
  for (size_t i = 0; i < a->n_layers; i++)
    if (strcmp(a->layers[i].node, name) == 0) return &a->layers[i];
  return NULL;
}

/* The layer that a conversion of a flow serves: the first reader of what it makes codes of, the maker of what it makes
 * floats of. */
static advise_layer *served(const advice *a, const qe_model_t *model, const bench_step *step) {
  const int32_t node = node_named(model, step->node);
  const bool back = strcmp(step->op, "DequantizeLinear") == 0;
  qe_node_info_t info;
  if (node < 0 || (!back && !strstr(step->op, "QuantizeLinear"))) return NULL;
  const int32_t value =
      back ? qe_model_node_input(model, (uint32_t)node, 0) : qe_model_node_output(model, (uint32_t)node, 0);
  for (uint32_t n = 0; n < qe_model_node_count(model); n++) {
    if (qe_model_node(model, n, &info) != QE_OK) continue;
    for (uint32_t i = 0; i < (back ? info.n_out : info.n_in); i++)
      if ((back ? qe_model_node_output(model, n, i) : qe_model_node_input(model, n, i)) == value)
        return layer_named(a, info.name);
  }
  return NULL;
}

static bool works_on_codes(const bench_step *s) {
  return strstr(s->types, "int8") != NULL;
}

static void add_layers(advice *a) {
  const bench_case *c = &a->cases[ADVISE_FLOAT];
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  double all = 0.0;
  a->layers = cli_calloc(c->n_steps, sizeof *a->layers);
  for (uint32_t i = 0; i < c->n_steps; i++) {
    const bench_step *s = &c->steps[i];
    const int32_t node = node_named(model, s->node);
    if (node < 0 || !isfinite(s->ms) || s->ms <= 0.0) continue; /* a view: nothing runs */
    advise_layer *l = &a->layers[a->n_layers++];
    *l = (advise_layer){ .node = s->node, .op = s->op, .index = (uint32_t)node, .macs = s->macs, .ms = { s->ms } };
    for (int f = 0; f < ADVISE_FLOWS; f++) l->sqnr[f] = NAN;
    all += s->ms;
  }
  for (size_t i = 0; i < a->n_layers; i++) a->layers[i].share = a->layers[i].ms[ADVISE_FLOAT] / all;
}

static void add_times(advice *a, int flow) {
  const bench_case *c = &a->cases[flow];
  advise_flow *f = &a->flows[flow];
  for (uint32_t i = 0; i < c->n_steps; i++) {
    const bench_step *s = &c->steps[i];
    if (!isfinite(s->ms)) continue;
    advise_layer *l = layer_named(a, s->node);
    if (l && works_on_codes(s)) l->covered[flow] = true;
    if (!l) l = served(a, f->model, s);
    if (l) l->ms[flow] += s->ms;
  }
  for (size_t i = 0; i < a->n_layers; i++) f->coverage += a->layers[i].covered[flow] ? a->layers[i].share : 0.0;
}

int advise_measure_time(advice *a) {
  const bench_settings s = settings_of(a);
  int code = CLI_OK;
  for (int f = 0; f < ADVISE_FLOWS && !code; f++) code = open_case(a, a->flows[f].model, flow_names[f], &a->cases[f]);
  if (!code) code = bench_time(a->cases, ADVISE_FLOWS, &s);
  cli_messages_hold(true); /* placement has been told of */
  for (int f = 0; f < ADVISE_FLOWS && !code; f++) code = bench_profile(&a->cases[f], &s);
  cli_messages_hold(false);
  if (code) return code;
  add_layers(a);
  for (int f = 0; f < ADVISE_FLOWS; f++) {
    a->flows[f].ms = a->cases[f].wall.min;
    a->flows[f].gain = a->flows[ADVISE_FLOAT].ms / a->flows[f].ms;
    if (f != ADVISE_FLOAT) add_times(a, f);
  }
  return CLI_OK;
}

int advise_measure_gain(advice *a, const qe_model_t *model, double *gain) {
  const bench_settings s = settings_of(a);
  bench_case cases[2] = { { 0 } };
  int code = open_case(a, a->flows[ADVISE_FLOAT].model, "float", &cases[0]);
  if (!code) code = open_case(a, model, "mixed", &cases[1]);
  if (!code) code = bench_time(cases, 2, &s);
  if (!code) *gain = cases[0].wall.min / cases[1].wall.min;
  for (int i = 0; i < 2; i++)
    if (cases[i].graph) bench_close(&cases[i]);
  return code;
}

/* ---- bytes ---- */

/* A computed value: how large it is, and its first dimension (time steps, of a recurrent layer's input). */
typedef struct extent {
  int64_t bytes, first;
} extent;

static qe_status_t record_extent(void *arg, int32_t value, const qe_tensor_t *tensor) {
  ((extent *)arg)[value] =
      (extent){ (int64_t)qe_tensor_bytes(tensor), qe_tensor_rank(tensor) ? qe_tensor_dims(tensor)[0] : 1 };
  return QE_OK;
}

/* Of every computed value, by its index. */
static int value_extents(const advice *a, extent *extents) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  const uint32_t n_values = qe_model_value_count(model);
  int32_t *wanted = cli_calloc(n_values, sizeof *wanted);
  uint32_t n = 0;
  for (uint32_t v = 0; v < n_values; v++) {
    qe_value_info_t info;
    if (qe_model_value(model, v, &info) != QE_OK || info.constant) continue;
    const int32_t input = info.name ? cli_model_find_input(model, info.name, strlen(info.name)) : -1;
    if (input >= 0) record_extent(extents, (int32_t)v, a->timed[input].tensor);
  }
  for (uint32_t node = 0; node < qe_model_node_count(model); node++) {
    qe_node_info_t info;
    if (qe_model_node(model, node, &info) != QE_OK) continue;
    for (uint32_t i = 0; i < info.n_out; i++) {
      const int32_t v = qe_model_node_output(model, node, i);
      if (v >= 0) wanted[n++] = v;
    }
  }
  qe_session_t *session = NULL;
  const qe_session_options_t o = cli_session_options();
  qe_status_t status = qe_session_create(model, &o, &session);
  if (status == QE_OK)
    status = qe_session_run_tapped(session, qe_model_input_count(model), a->timed, n, wanted, record_extent, extents);
  qe_session_destroy(&session);
  free(wanted);
  return status == QE_OK ? CLI_OK : cli_fail(status, "%s", a->path);
}

/* How often a layer reads this constant in one run: recurrent weights (input 2) at every step. */
static int64_t times_read(const advice *a, const advise_layer *l, uint32_t input, const extent *extents) {
  const bool recurrent = strcmp(l->op, "LSTM") == 0 || strcmp(l->op, "GRU") == 0 || strcmp(l->op, "RNN") == 0;
  const int32_t x = qe_model_node_input(a->flows[ADVISE_FLOAT].model, l->index, 0);
  return recurrent && input == 2 && x >= 0 && extents[x].first > 0 ? extents[x].first : 1;
}

static void move(const advice *a, advise_layer *l, const extent *extents) {
  const qe_model_t *model = a->flows[ADVISE_FLOAT].model;
  qe_node_info_t info;
  if (qe_model_node(model, l->index, &info) != QE_OK) return;
  for (uint32_t i = 0; i < info.n_in + info.n_out; i++) {
    const bool in = i < info.n_in;
    const int32_t v =
        in ? qe_model_node_input(model, l->index, i) : qe_model_node_output(model, l->index, i - info.n_in);
    qe_value_info_t value;
    if (v < 0 || qe_model_value(model, (uint32_t)v, &value) != QE_OK) continue;
    if (!value.constant)
      l->activation_bytes += extents[v].bytes;
    else if (l->macs)
      l->weight_bytes += (int64_t)qe_tensor_bytes(value.constant) * times_read(a, l, i, extents);
  }
  const int64_t all = l->weight_bytes + l->activation_bytes;
  l->intensity = all ? (double)l->macs / (double)all : 0.0;
  l->bound = l->weight_bytes > l->activation_bytes ? ADVISE_BY_WEIGHTS : ADVISE_BY_ACTIVATIONS;
  if (l->intensity >= ADVISE_BALANCE) l->bound = ADVISE_BY_COMPUTE;
}

int advise_measure_bytes(advice *a) {
  extent *extents = cli_calloc(qe_model_value_count(a->flows[ADVISE_FLOAT].model), sizeof *extents);
  const int code = value_extents(a, extents);
  for (size_t i = 0; i < a->n_layers && !code; i++) move(a, &a->layers[i], extents);
  free(extents);
  return code;
}
