/* See torch_step.h. */
#include "torch_step.h"

#include <math.h>
#include <string.h>

#include "train/differentiate.h"
#include "train/emit.h"
#include "train/step.h"

#define OK(call) cr_assert_eq((call), QE_OK, "%s: %s", #call, qe_last_error())

void torch_choose_qparams(float lo, float hi, int32_t quant_min, int32_t quant_max, bool symmetric, float *scale, float *zero_point) {
  static const double SMALLEST = 6.1e-5;
  const double steps = (double)quant_max - (double)quant_min;
  float least = fminf(lo, 0.0f), most = fmaxf(hi, 0.0f);
  const bool middle = symmetric && least < 0.0f && most > 0.0f; /* a range on one side of 0 is treated as an affine one */
  if (middle) {
    const int32_t half = (quant_max - quant_min) / 2;
    const double unit = fmax(fabs((double)least / -(double)(half + 1)), fabs((double)most / (double)half));
    least = (float)(unit * -(double)(half + 1));
    most = (float)(unit * (double)half);
  }
  double s = ((double)most - (double)least) / steps;
  if ((float)s <= 0.0f || isinf(1.0f / (float)s)) s = 0.1;
  if (s < SMALLEST) {
    const double times = SMALLEST / s;
    if (least >= 0.0f) most = (float)(SMALLEST * steps);
    else if (most <= 0.0f) least = (float)(-SMALLEST * steps);
    else least = (float)((double)least * times), most = (float)((double)most * times);
    s = SMALLEST;
  }
  const double below = fabs((double)quant_min) - fabs((double)least / s), above = fabs((double)quant_max) - fabs((double)most / s);
  double z = below < above ? (double)quant_min - (double)least / s : (double)quant_max - (double)most / s;
  if (middle) z = ((double)quant_min + (double)quant_max) / 2.0;
  *scale = (float)s;
  *zero_point = (float)nearbyint(fmin(fmax(z, (double)quant_min), (double)quant_max));
}

/* ---- the graph ---- */

static qe__value_id constant_like(qe__graph *g, int64_t count, float value) {
  qe_tensor_t *t;
  qe__value_id v;
  OK(qe_tensor_create(QE_FLOAT32, 1, &count, &t));
  for (int64_t i = 0; i < count; i++) ((float *)t->data)[i] = value;
  OK(qe__graph_add_constant(g, NULL, t, &v));
  qe_tensor_release(&t);
  return v;
}

static void replace_uses(qe__graph *g, qe__value_id from, qe__value_id to) {
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    for (uint32_t i = 0; i < g->nodes[k]->n_in; i++) {
      if (g->nodes[k]->in[i] == from) g->nodes[k]->in[i] = to;
    }
  }
}

static void override_parameters(torch_step *s) {
  qe__graph *g = s->p->model->graph;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    if (n->op->id != QE__OP_MovingAverageQParams) continue;
    cr_assert_lt(s->n, TORCH_PLACES);
    const int64_t channels = g->values[n->in[0]].dims[1];
    torch_place *place = &s->place[s->n++];
    *place = (torch_place){.state = n->out[0], .quant_min = (int32_t)qe__node_int(n, "quant_min", 0), .quant_max = (int32_t)qe__node_int(n, "quant_max", 255),
                           .symmetric = qe__node_int(n, "symmetric", 0) != 0};
    place->scale = constant_like(g, channels, 1.0f);
    place->zero_point = constant_like(g, channels, 0.0f);
    replace_uses(g, n->out[1], place->scale);
    replace_uses(g, n->out[2], place->zero_point);
  }
}

void torch_step_open(torch_step *s, qe_trainer_t *t, const qe__batch *batch, bool fused) {
  const uint32_t n_inputs = t->base->graph->n_inputs;
  const float inverse = 1.0f / (float)batch->labels->count;
  *s = (torch_step){.t = t, .batch = batch, .p = qe__calloc(1, sizeof *s->p)};
  cr_assert_not_null(s->p);
  s->p->phase = qe__trainer_phase(t);
  s->p->dims = qe__calloc(n_inputs + 1, sizeof *s->p->dims);
  for (uint32_t i = 0; i < n_inputs; i++) {
    for (uint32_t d = 0; d < QE_MAX_RANK; d++) s->p->dims[i][d] = d < batch->inputs[i]->rank ? batch->inputs[i]->dims[d] : -1;
  }
  qe__step_builder b = {.t = t, .phase = s->p->phase, .p = s->p};
  OK(qe__step_graph(&b, batch));
  OK(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &inverse, &s->inverse_count));
  if (fused) override_parameters(s);
}

void torch_gradients_at(torch_step *s, qe_tensor_t *dy, uint32_t n, const uint32_t *parameter, qe__value_id *grad) {
  qe__graph *g = s->p->model->graph;
  qe__value_id y = QE__NO_VALUE, wrt[TORCH_PLACES] = {QE__NO_VALUE}, at;
  cr_assert_lt(n, TORCH_PLACES);
  for (uint32_t i = 0; i < s->p->n_out; i++) {
    if (s->p->out[i].what == QE__YIELD_LOGITS) y = s->p->out[i].value;
  }
  for (uint32_t i = 0; i < s->p->n_in; i++) {
    const qe__port *port = &s->p->in[i];
    if (port->what == QE__FEED_INPUT) wrt[0] = port->value;
    for (uint32_t k = 0; k < n; k++) {
      if (port->what == QE__FEED_PARAMETER && port->index == parameter[k]) wrt[k + 1] = port->value;
    }
  }
  qe__emit e = {.g = g};
  OK(qe__graph_add_constant(g, NULL, dy, &at));
  const qe__value_id product = qe__emit_binary(&e, QE__OP_Mul, y, at);
  const qe__value_id loss = qe__emit_sum(&e, product, (1u << dy->rank) - 1u, false);
  OK(e.status);
  OK(qe__differentiate(g, loss, n + 1, wrt, grad));
  for (uint32_t i = 0; i <= n; i++) {
    cr_assert_neq(grad[i], QE__NO_VALUE, "no gradient %u", i);
    OK(qe__graph_add_output(g, grad[i]));
  }
  OK(qe__graph_sort(g));
  OK(qe__graph_verify(g));
}

/* ---- running ---- */

static void feed(const torch_step *s, qe_named_tensor_t *in) {
  for (uint32_t i = 0; i < s->p->n_in; i++) {
    const qe__port *port = &s->p->in[i];
    in[i].name = s->p->model->graph->values[port->value].name;
    switch (port->what) {
      case QE__FEED_INPUT: in[i].tensor = s->batch->inputs[port->index]; break;
      case QE__FEED_LABELS: in[i].tensor = s->batch->labels; break;
      case QE__FEED_INVERSE_COUNT: in[i].tensor = s->inverse_count; break;
      case QE__FEED_PARAMETER: in[i].tensor = s->t->parameters[port->index].tensor; break;
      case QE__FEED_STATISTIC: in[i].tensor = s->t->statistics[port->index].tensor; break;
      default: cr_assert_fail("port %d", port->what);
    }
  }
}

typedef struct settling {
  torch_step *s;
  bool changed;
} settling;

static qe_status_t take_state(void *arg, int32_t value, const qe_tensor_t *state) {
  settling *w = arg;
  qe__graph *g = w->s->p->model->graph;
  for (uint32_t i = 0; i < w->s->n; i++) {
    const torch_place *place = &w->s->place[i];
    if (place->state != value) continue;
    float *scale = g->values[place->scale].data->data, *zero = g->values[place->zero_point].data->data;
    const int64_t channels = g->values[place->scale].data->count;
    const float *range = state->data;
    for (int64_t c = 0; c < channels; c++) {
      float new_scale, new_zero;
      torch_choose_qparams(range[c], range[channels + c], place->quant_min, place->quant_max, place->symmetric, &new_scale, &new_zero);
      w->changed = w->changed || new_scale != scale[c] || new_zero != zero[c];
      scale[c] = new_scale;
      zero[c] = new_zero;
    }
  }
  return QE_OK;
}

void torch_step_settle(torch_step *s) {
  const qe_session_options_t o = {.struct_size = sizeof o, .threads = 1};
  qe_named_tensor_t *in = qe__calloc(s->p->n_in + 1, sizeof *in);
  int32_t states[TORCH_PLACES];
  settling w = {s, true};
  feed(s, in);
  for (uint32_t i = 0; i < s->n; i++) states[i] = s->place[i].state;
  for (uint32_t round = 0; w.changed; round++) { /* what a place observes depends on the places before it */
    cr_assert_leq(round, s->n + 1);
    w.changed = false;
    qe_session_destroy(&s->p->session);
    OK(qe_session_create(s->p->model, &o, &s->p->session));
    if (s->n > 0) OK(qe_session_run_tapped(s->p->session, s->p->n_in, in, s->n, states, take_state, &w));
  }
  qe__free(in);
}

void torch_step_run(torch_step *s, uint32_t n, qe_named_tensor_t *out) {
  qe_named_tensor_t *in = qe__calloc(s->p->n_in + 1, sizeof *in);
  feed(s, in);
  OK(qe_session_run(s->p->session, s->p->n_in, in, n, out));
  qe__free(in);
}

qe_tensor_t *torch_step_yield(torch_step *s, qe__yield what, uint32_t index) {
  for (uint32_t i = 0; i < s->p->n_out; i++) {
    if (s->p->out[i].what != (int)what || s->p->out[i].index != index) continue;
    qe_named_tensor_t out = {s->p->model->graph->values[s->p->out[i].value].name, NULL};
    torch_step_run(s, 1, &out);
    return out.tensor;
  }
  return NULL;
}

void torch_step_install(torch_step *s) {
  for (uint32_t i = 0; i < QE__PROGRAMS; i++) qe__program_destroy(&s->t->programs[i]);
  s->t->programs[0] = s->p;
  s->p = NULL;
}

void torch_step_close(torch_step *s) {
  qe__program_destroy(&s->p);
  qe_tensor_release(&s->inverse_count);
}

/* ---- looking things up ---- */

void torch_clamps(qe_prepared_t *p) {
  for (uint32_t i = 0; i < p->qat->n_fakes; i++) {
    qe__fake *f = &p->qat->fakes[i];
    f->clamp_min = f->args.quant_min;
    f->clamp_max = f->args.quant_max;
  }
}

void torch_weights_only(qe_prepared_t *p) {
  qe__qat *q = p->qat;
  uint32_t n = 0;
  for (uint32_t i = 0; i < q->n_fakes; i++) {
    if (q->fakes[i].node >= 0) q->fakes[n++] = q->fakes[i];
  }
  q->n_fakes = n;
}

static qe__value_id input_of(const qe_trainer_t *t, const char *node, uint32_t input) {
  const qe__graph *g = t->base->graph;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    if (strcmp(g->nodes[k]->name, node) == 0 && input < g->nodes[k]->n_in) return g->nodes[k]->in[input];
  }
  cr_assert_fail("no node '%s' with an input %u", node, input);
  return QE__NO_VALUE;
}

uint32_t torch_parameter(const qe_trainer_t *t, const char *node, uint32_t input) {
  const qe__value_id v = input_of(t, node, input);
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    if (t->parameters[i].fake < 0 && t->parameters[i].value == v) return i;
  }
  cr_assert_fail("input %u of '%s' is no parameter", input, node);
  return 0;
}

uint32_t torch_statistic(const qe_trainer_t *t, const char *node, uint32_t input) {
  const int32_t i = qe__find_statistic(t, input_of(t, node, input), -1);
  cr_assert_geq(i, 0, "input %u of '%s' is no statistic", input, node);
  return (uint32_t)i;
}

uint32_t torch_range(const qe_trainer_t *t, const char *activation, const char *node) {
  const qe__graph *g = t->base->graph;
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    const qe__statistic *s = &t->statistics[i];
    if (s->fake < 0) continue;
    const qe__fake *f = &t->qat->qat->fakes[s->fake];
    if (activation ? f->node < 0 && strcmp(g->values[f->value].name, activation) == 0 : f->node >= 0 && strcmp(g->nodes[f->node]->name, node) == 0) return i;
  }
  cr_assert_fail("no observed range of '%s'", activation ? activation : node);
  return 0;
}

double torch_distance(const qe_tensor_t *a, const qe_tensor_t *b) {
  double worst = 0.0, most = 1e-30;
  cr_assert_eq(a->count, b->count, "%lld and %lld elements", (long long)a->count, (long long)b->count);
  for (int64_t i = 0; i < b->count; i++) {
    const double x = (double)((const float *)a->data)[i], y = (double)((const float *)b->data)[i];
    worst = fmax(worst, isnan(x) ? INFINITY : fabs(x - y));
    most = fmax(most, fabs(y));
  }
  return worst / most;
}
