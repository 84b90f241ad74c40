/*
 * Convert: the calibrated float graph becomes the quantized one. Parameters come from observers, from the rule of the
 * op, or from the input they are shared with; weights and biases become integer constants; QuantizeLinear and
 * DequantizeLinear appear only where quantized and float nodes meet, once per value.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "flow/flow_internal.h"
#include "flow/report.h"
#include "graph/model.h"
#include "registry/quant_rule.h"
#include "train/qat.h"

typedef struct converter {
  const qe_prepared_t *p;
  qe__graph *g;              /* the graph being made; ids below n_float are those of the float graph */
  uint32_t n_float;
  qe__qparams *q;            /* per float value: parameters of its codes */
  qe_dtype_t *dtype;         /* per float value: dtype of its codes */
  qe__value_id *codes;       /* per float value: the value that holds its codes, or QE__NO_VALUE */
  qe__value_id *real;        /* per float value: the float32 value, or QE__NO_VALUE while only codes exist */
  qe_report_t *report;
} converter;

/* ---- parameters ---- */

void qe__fixed_qparams(const qe__node *n, qe_dtype_t dtype, float *scale, int32_t *zero_point) {
  const bool from_zero = qe__node_qrule(n) == QE__Q_FIXED_01;
  *scale = from_zero ? 1.0f / 256.0f : 2.0f / 256.0f;
  *zero_point = from_zero ? (dtype == QE_INT8 ? -128 : 0) : (dtype == QE_INT8 ? 0 : 128);
}

static qe_status_t fixed_params(const qe__node *n, qe_dtype_t dtype, qe__qparams *q) {
  float scale;
  int32_t zero;
  qe__fixed_qparams(n, dtype, &scale, &zero);
  return qe__qparams_set(q, &(qe_qparams_t){1, -1, &scale, &zero}, dtype, 0, NULL);
}

/*
 * A histogram that grew may choose a range beyond what its tensor can hold: the clamp fused into the node that makes it
 * is the end of the range, so that no code is wasted and files need no Clip behind the node.
 */
static qe_status_t keep_within(converter *c, qe__value_id v, qe__act act) {
  const qe__observer *o = c->p->observer[v];
  const qe_observer_config_t *config = qe__observer_config(o);
  if (config->qscheme != QE_PER_TENSOR_AFFINE || strcmp(config->observer, "histogram") != 0) return QE_OK;
  float scale = c->q[v].view.scales[0];
  int32_t zero = c->q[v].view.zero_points[0], qmin, qmax;
  qe__observer_range(o, &qmin, &qmax);
  const float lo = (float)(qmin - zero) * scale, hi = (float)(qmax - zero) * scale;
  if (!(lo < act.lo || hi > act.hi) || act.lo > 0.0f || act.hi < 0.0f) return QE_OK;
  QE_TRY(qe_choose_qparams(lo < act.lo ? act.lo : lo, hi > act.hi ? act.hi : hi, config->dtype, qmin, qmax, 0, config->eps, &scale, &zero));
  return qe__qparams_set(&c->q[v], &(qe_qparams_t){1, -1, &scale, &zero}, config->dtype, 0, NULL);
}

static qe_status_t observed_params(converter *c, qe__value_id v, qe__act act) {
  const qe__observer *o = c->p->observer[v];
  bool observed;
  c->dtype[v] = qe__observer_dtype(o);
  if (c->p->given[v].view.count) return qe__qparams_set(&c->q[v], &c->p->given[v].view, c->dtype[v], 0, NULL);
  QE_TRY(qe__observer_qparams(o, &c->q[v], &observed));
  if (!observed) qe__log(QE_LOG_WARNING, "tensor '%s' was never observed: scale 1, zero point 0; calibrate with data that reaches it", c->g->values[v].name);
  if (c->q[v].view.count != 1) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "tensor '%s': activations are quantized per tensor; its observer gave %u pairs of parameters", c->g->values[v].name, c->q[v].view.count);
  }
  return observed ? keep_within(c, v, act) : QE_OK;
}

static qe_status_t assign_params(converter *c) {
  const qe__graph *g = c->p->model->graph;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] != QE__NO_VALUE && c->p->observer[n->out[i]]) QE_TRY(observed_params(c, n->out[i], n->act));
    }
  }
  for (uint32_t v = 0; v < c->n_float; v++) { /* inputs of the model */
    if (c->p->observer[v] && !c->q[v].view.count) QE_TRY(observed_params(c, (qe__value_id)v, (qe__act){-INFINITY, INFINITY}));
  }
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    const qe__decision *d = &c->p->decision[k];
    if (!d->quantized) continue;
    for (uint32_t i = 0; i < n->n_out; i++) {
      const qe__value_id y = n->out[i];
      if (y == QE__NO_VALUE || c->q[y].view.count || !qe__op_quantizes_output(n->op->id, i)) continue;
      if (d->shares_input) {
        c->dtype[y] = c->dtype[n->in[0]];
        QE_TRY(qe__qparams_set(&c->q[y], &c->q[n->in[0]].view, c->dtype[y], 0, NULL));
      } else {
        c->dtype[y] = d->qconfig->activation.dtype;
        QE_TRY(fixed_params(n, c->dtype[y], &c->q[y]));
      }
    }
  }
  return QE_OK;
}

/* ---- values and nodes of the new graph ---- */

static qe_status_t push(converter *c, qe__node *n) {
  QE_TRY(qe__grow((void **)&c->g->nodes, &c->g->cap_nodes, c->g->n_nodes, sizeof(qe__node *)));
  c->g->nodes[c->g->n_nodes++] = n;
  return QE_OK;
}

static qe_status_t add_value(converter *c, qe__value_id like, const char *suffix, qe_dtype_t dtype, qe__value_id *out) {
  char *base = qe__format("%s%s", c->g->values[like].name, suffix);
  char *name = base ? qe__graph_fresh_name(c->g, base) : NULL;
  const qe_status_t status = name ? qe__graph_add_value(c->g, name, dtype, out) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(base);
  qe__free(name);
  QE_TRY(status);
  qe__value *to = &c->g->values[*out];
  const qe__value *from = &c->g->values[like];
  to->rank = from->rank;
  memcpy(to->dims, from->dims, sizeof to->dims);
  for (uint32_t d = 0; d < QE_MAX_RANK; d++) {
    if (from->symbols[d] && !(to->symbols[d] = qe__strdup(from->symbols[d]))) return QE_ERROR_OUT_OF_MEMORY;
  }
  return QE_OK;
}

static qe_status_t add_conversion(converter *c, const char *op, qe__value_id from, qe__value_id to) {
  char *base = qe__format("%s_%s", c->g->values[from].name, op);
  char *name = base ? qe__graph_fresh_name(c->g, base) : NULL;
  qe__node *node;
  const qe_status_t status = name ? qe__graph_add_node(c->g, op, name, 1, &from, 1, &to, &node) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(base);
  qe__free(name);
  return status;
}

/* The codes of a float value; made by one QuantizeLinear. */
static qe_status_t codes_of(converter *c, qe__value_id v, qe__value_id *out) {
  if (c->codes[v] == QE__NO_VALUE) {
    QE_TRY(add_value(c, v, "_quantized", c->dtype[v], &c->codes[v]));
    QE_TRY(qe__qparams_set(&c->g->values[c->codes[v]].q, &c->q[v].view, c->dtype[v], 0, NULL));
    QE_TRY(add_conversion(c, "QuantizeLinear", v, c->codes[v]));
  }
  *out = c->codes[v];
  return QE_OK;
}

/* The float form of a value; made by one DequantizeLinear. */
static qe_status_t real_of(converter *c, qe__value_id v, qe__value_id *out) {
  if (c->real[v] == QE__NO_VALUE) {
    QE_TRY(add_value(c, v, "_dequantized", QE_FLOAT32, &c->real[v]));
    QE_TRY(add_conversion(c, "DequantizeLinear", c->codes[v], c->real[v]));
  }
  *out = c->real[v];
  return QE_OK;
}

static qe_status_t add_constant(converter *c, qe__value_id like, qe_tensor_t *t, qe__value_id *out) {
  char *base = qe__format("%s_quantized", c->g->values[like].name);
  char *name = base ? qe__graph_fresh_name(c->g, base) : NULL;
  const qe_status_t status = name ? qe__graph_add_constant(c->g, name, t, out) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(base);
  qe__free(name);
  return status;
}

/* ---- one quantized node ---- */

static const char *scheme_text(const qe_qparams_t *q, qe_dtype_t dtype, char *buffer, size_t size) {
  if (q->count > 1) snprintf(buffer, size, "%s per_channel(%d)", qe_dtype_name(dtype), q->axis);
  else snprintf(buffer, size, "%s per_tensor", qe_dtype_name(dtype));
  return buffer;
}

static qe_status_t check_bias(const qe_tensor_t *b, float sx) {
  for (int64_t i = 0; i < b->count; i++) {
    const float v = ((const float *)b->data)[i];
    if (isfinite(v / sx)) continue;
    return qe__fail(QE_ERROR_NUMERIC,
                    "element %lld of its bias is %g, which has no int32 code beside an input of scale %g; "
                    "correct it, or keep the node float in the qconfig",
                    (long long)i, (double)v, (double)sx);
  }
  return QE_OK;
}

/* Smallest weight scale per channel that keeps the int32 bias below 2^30. */
static float *bias_bound(const qe_tensor_t *b, int64_t channels, float sx) {
  float *bound = qe__calloc((size_t)channels + 1, sizeof *bound);
  for (int64_t c = 0; bound && c < channels; c++) {
    const float v = fabsf(((const float *)b->data)[b->count > 1 ? c : 0]);
    bound[c] = v / sx / 1073741824.0f;
  }
  return bound;
}

static qe_status_t convert_weight(converter *c, qe__node *n, const qe__decision *d, double *sqnr, char *scheme, size_t scheme_size) {
  const qe_tensor_t *w = c->g->values[n->in[1]].data;
  const qe_tensor_t *b = n->n_in > 2 && n->in[2] != QE__NO_VALUE ? c->g->values[n->in[2]].data : NULL;
  const float sx = c->g->values[n->in[0]].q.view.scales[0];
  const int32_t axis = qe__weight_axis(c->g, n);
  const int64_t channels = qe__weight_channels(c->g, n);
  qe_tensor_t *codes = NULL, *bias = NULL;
  float *bound = NULL;
  qe_status_t status = QE_OK;
  const bool per_channel = qe__observer_config_per_channel(&d->qconfig->weight) && axis >= 0 && n->op->id != QE__OP_ConvTranspose;
  if (b) QE_TRY(check_bias(b, sx));
  if (b && per_channel && !(bound = bias_bound(b, channels, sx))) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY_GOTO(qe__quantize_constant(w, &d->qconfig->weight, axis, &c->p->given[n->in[1]].view, bound, n->name, &codes, sqnr), done);
  const qe_qparams_t *wq = qe_tensor_qparams(codes);
  scheme_text(wq, codes->dtype, scheme, scheme_size);
  if (b) {
    QE_TRY_GOTO(qe__quantize_bias(b, channels, sx, wq, n->name, &bias), done);
    QE_TRY_GOTO(add_constant(c, n->in[2], bias, &n->in[2]), done);
  }
  QE_TRY_GOTO(add_constant(c, n->in[1], codes, &n->in[1]), done);
done:
  qe_tensor_release(&codes);
  qe_tensor_release(&bias);
  qe__free(bound);
  return status;
}

/* W and R of a recurrent node, each gate row a channel; B stays float. *sqnr: of the worse one. */
static qe_status_t convert_recurrent(converter *c, qe__node *n, const qe__decision *d, double *sqnr, char *scheme, size_t scheme_size) {
  for (uint32_t i = 1; i < 3; i++) {
    qe_tensor_t *codes = NULL;
    double db;
    QE_TRY(qe__quantize_constant(c->g->values[n->in[i]].data, &d->qconfig->weight, 1, &c->p->given[n->in[i]].view, NULL, n->name, &codes, &db));
    if (i == 1 || db < *sqnr) *sqnr = db;
    scheme_text(qe_tensor_qparams(codes), codes->dtype, scheme, scheme_size);
    const qe_status_t status = add_constant(c, n->in[i], codes, &n->in[i]);
    qe_tensor_release(&codes);
    QE_TRY(status);
  }
  return QE_OK;
}

/* A float constant among the data inputs (the other operand of an Add): quantized over its own range. */
static qe_status_t convert_operand(converter *c, qe__node *n, uint32_t i, const qe__decision *d) {
  qe_observer_config_t config = d->qconfig->activation;
  qe_tensor_t *codes = NULL;
  snprintf(config.observer, sizeof config.observer, "min_max");
  QE_TRY(qe__quantize_constant(c->g->values[n->in[i]].data, &config, -1, NULL, NULL, n->name, &codes, NULL));
  const qe_status_t status = add_constant(c, n->in[i], codes, &n->in[i]);
  qe_tensor_release(&codes);
  return status;
}

/* Input i of a node reads real numbers. */
static qe_status_t real_input(converter *c, qe__node *n, uint32_t i) {
  const qe__value_id v = n->in[i];
  return v != QE__NO_VALUE && (uint32_t)v < c->n_float && c->p->quantized_value[v] ? real_of(c, v, &n->in[i]) : QE_OK;
}

static qe_status_t convert_node(converter *c, qe__node *n, const qe__decision *d) {
  char weight[64] = "", activation[64] = "";
  double sqnr = NAN;
  const bool recurrent = qe__op_is_recurrent(n->op->id);
  const bool weighted = recurrent || (qe__op_is_weighted(n->op->id) && c->g->values[n->in[1]].data);
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!qe__is_data_input(n, i) || (weighted && i > 0)) {
      QE_TRY(real_input(c, n, i));
      continue;
    }
    if (c->g->values[n->in[i]].data) QE_TRY(convert_operand(c, n, i, d));
    else QE_TRY(codes_of(c, n->in[i], &n->in[i]));
  }
  if (weighted) {
    const qe_status_t status = recurrent ? convert_recurrent(c, n, d, &sqnr, weight, sizeof weight)
                                         : convert_weight(c, n, d, &sqnr, weight, sizeof weight);
    if (status != QE_OK) return qe__fail_in(status, "node '%s'", n->name);
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    const qe__value_id y = n->out[i];
    if (y == QE__NO_VALUE || !qe__op_quantizes_output(n->op->id, i)) continue;
    QE_TRY(qe__qparams_set(&c->g->values[c->codes[y]].q, &c->q[y].view, c->dtype[y], 0, NULL));
    c->g->values[c->codes[y]].dtype = c->dtype[y];
    n->out[i] = c->codes[y];
    if (i == 0) scheme_text(&c->q[y].view, c->dtype[y], activation, sizeof activation);
  }
  n->quantized = true;
  QE_TRY(push(c, n));
  const char *note = n->origin ? n->origin : "";
  char *reason = note[0] ? qe__format("fused: %s", note) : qe__strdup("");
  if (!reason) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__report_add(c->report, n->name, n->op->name, 1, reason, sqnr, weight[0] ? weight : "-", activation);
  qe__free(reason);
  return status;
}

/* row: what the dynamic flow says of it, or an enumerator */
static qe_status_t keep_float(converter *c, qe__node *n, const qe__decision *d, int32_t row) {
  for (uint32_t i = 0; i < n->n_in; i++) QE_TRY(real_input(c, n, i));
  QE_TRY(push(c, n));
  if (row == QE__ROW_CONVERSION) return QE_OK;
  if (row == QE__ROW_NONE) return qe__report_add(c->report, n->name, n->op->name, 0, d->reason, NAN, "-", "-");
  const qe_report_row_t *r = qe_report_at(c->p->dynamic.report, (uint32_t)row);
  return qe__report_add(c->report, r->node, r->op, r->quantized, r->reason, r->weight_sqnr_db, r->weight_scheme, r->activation_scheme);
}

/* A graph output keeps its name and its float type: its codes get a value of their own. */
static qe_status_t split_outputs(converter *c) {
  for (uint32_t i = 0; i < c->g->n_outputs; i++) {
    const qe__value_id v = c->g->outputs[i];
    if (!c->p->quantized_value[v] || c->codes[v] != v) continue;
    QE_TRY(add_value(c, v, "_quantized", c->dtype[v], &c->codes[v]));
  }
  return QE_OK;
}

static qe_status_t finish_outputs(converter *c) {
  for (uint32_t i = 0; i < c->g->n_outputs; i++) {
    const qe__value_id v = c->g->outputs[i];
    if (!c->p->quantized_value[v] || c->real[v] == v) continue;
    c->real[v] = v;
    QE_TRY(add_conversion(c, "DequantizeLinear", c->codes[v], v));
  }
  return QE_OK;
}

static qe_status_t rebuild(converter *c) {
  qe__graph *g = c->g;
  qe__node **nodes = g->nodes;
  const uint32_t n_nodes = g->n_nodes;
  qe_status_t status = QE_OK;
  uint32_t done = 0;
  g->nodes = NULL;
  g->n_nodes = 0;
  g->cap_nodes = 0;
  status = split_outputs(c);
  for (; done < n_nodes && status == QE_OK; done++) {
    const qe__decision *d = &c->p->decision[done];
    const uint32_t before = g->n_nodes;
    status = d->quantized ? convert_node(c, nodes[done], d) : keep_float(c, nodes[done], d, c->p->dynamic.row[done]);
    if (status != QE_OK && (g->n_nodes == before || g->nodes[g->n_nodes - 1] != nodes[done])) break; /* not taken over */
  }
  for (; status != QE_OK && done < n_nodes; done++) qe__node_destroy(nodes[done]);
  qe__free(nodes);
  QE_TRY(status);
  QE_TRY(finish_outputs(c));
  QE_TRY(qe__graph_sort(g));
  QE_TRY(qe__graph_sweep(g));
  return qe__graph_verify(g);
}

qe_status_t qe__convert_static(const qe_prepared_t *p, qe_model_t **out, qe_report_t **report) {
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  converter c = {.p = p, .n_float = p->model->graph->n_values};
  const size_t n = c.n_float + 1;
  c.q = qe__calloc(n, sizeof *c.q);
  c.dtype = qe__calloc(n, sizeof *c.dtype);
  c.codes = qe__calloc(n, sizeof *c.codes);
  c.real = qe__calloc(n, sizeof *c.real);
  if (!c.q || !c.dtype || !c.codes || !c.real) goto done;
  QE_TRY_GOTO(qe__report_create(&c.report), done);
  QE_TRY_GOTO(qe__graph_clone(p->model->graph, &c.g), done);
  for (uint32_t v = 0; v < c.n_float; v++) {
    const bool quantized = p->quantized_value[v];
    c.codes[v] = quantized ? (qe__value_id)v : QE__NO_VALUE;
    c.real[v] = quantized ? QE__NO_VALUE : (qe__value_id)v;
  }
  QE_TRY_GOTO(assign_params(&c), done);
  QE_TRY_GOTO(rebuild(&c), done);
  qe__graph *graph = c.g;
  c.g = NULL;
  QE_TRY_GOTO(qe__model_wrap(graph, out), done);
  if (report) {
    *report = c.report;
    c.report = NULL;
  }
done:
  for (uint32_t v = 0; c.q && v < c.n_float; v++) qe__qparams_clear(&c.q[v]);
  qe__free(c.q);
  qe__free(c.dtype);
  qe__free(c.codes);
  qe__free(c.real);
  qe_report_destroy(&c.report);
  qe__graph_destroy(&c.g);
  return status;
}

qe_status_t qe_convert(qe_prepared_t *p, qe_model_t **out, qe_report_t **report) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  if (report) *report = NULL;
  QE_CHECK_ARG(p, "prepared is NULL");
  return p->qat ? qe__qat_convert(p, out, report) : qe__convert_static(p, out, report);
}
