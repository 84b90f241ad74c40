/* The dynamic flow over a whole graph: which nodes take part, in what order, and what is reported. */
#include "flow/dynamic.h"

#include <math.h>
#include <string.h>

#include "graph/model.h"

/* The graph's nodes while they are rebuilt, and what goes with each. */
typedef struct rebuild {
  qe__dynamic d;
  qe__dynamic_plan *plan;
  size_t cap_configs, cap_rows;
  uint32_t done; /* nodes of the graph that have their entries in the plan */
} rebuild;

/* Float activations and something to do with weights: codes, or float16 (torch's placeholder of that type). */
static bool weight_only(const qe_qconfig_t *q) {
  if (!qe__observer_config_is_none(&q->activation)) return false;
  return !qe__observer_config_is_none(&q->weight) || (q->weight.observer[0] && q->weight.dtype == QE_FLOAT16);
}

static bool takes_part(const rebuild *r, const qe_qconfig_t *q) {
  if (!q) return false;
  if (weight_only(q)) return true;
  return qe__observer_config_is_dynamic(&q->activation) || (r->d.all && !qe__observer_config_is_none(&q->activation));
}

/* Why a node that no rule of this flow covers stays as it is. */
static const char *other_op(const qe__graph *g, const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_Conv: case QE__OP_ConvTranspose: return "convolutions are quantized by the static flow";
    case QE__OP_Gather:
      return g->values[n->in[0]].data && g->values[n->in[0]].dtype == QE_FLOAT32
                 ? "an embedding is quantized by a weight-only qconfig, such as the preset 'embedding'"
                 : "it has no weight";
    default: return "it has no weight";
  }
}

static qe_status_t quantize(rebuild *r, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note) {
  if (weight_only(q)) return qe__dynamic_weight_only(&r->d, n, q, note);
  switch (n->op->id) {
    case QE__OP_Gemm: case QE__OP_MatMul: return qe__dynamic_linear(&r->d, n, q, note);
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN: return qe__dynamic_recurrent(&r->d, n, q, note);
    default: note->refusal = other_op(r->d.g, n); return QE_OK;
  }
}

static qe_status_t add_row(rebuild *r, const qe__node *n, const char *op, const qe__dynamic_note *note) {
  char *fused = !note->refusal && n->origin ? qe__format("fused: %s", n->origin) : qe__strdup(note->refusal ? note->refusal : "");
  if (!fused) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__report_add(r->plan->report, n->name, op, note->refusal == NULL, fused,
                                            note->refusal ? NAN : note->sqnr_db, note->weight[0] ? note->weight : "-", note->activation);
  qe__free(fused);
  return status;
}

/* Entries for every node that was added since the last call. */
static qe_status_t describe(rebuild *r, const qe_qconfig_t *config, int32_t row) {
  for (; r->done < r->d.g->n_nodes; r->done++) {
    QE_TRY(qe__grow((void **)&r->plan->config, &r->cap_configs, r->done, sizeof *r->plan->config));
    QE_TRY(qe__grow((void **)&r->plan->row, &r->cap_rows, r->done, sizeof *r->plan->row));
    r->plan->config[r->done] = config;
    r->plan->row[r->done] = row;
  }
  return QE_OK;
}

/* The node goes to the end of the graph again, behind the conversions that it needs. */
static qe_status_t place(rebuild *r, qe__node *n, const qe_qconfig_t *q) {
  qe__dynamic_note note = {.activation = "-"};
  const char *op = n->op->name;
  const bool part = takes_part(r, q);
  qe_status_t status = QE_OK;
  if (part) status = quantize(r, n, q, &note);
  else if (!q) note.refusal = "the mapping keeps it float";
  else note.refusal = "its qconfig quantizes nothing";
  const qe_status_t described = describe(r, NULL, QE__ROW_CONVERSION);
  if (status == QE_OK) status = described;
  qe_status_t pushed = qe__grow((void **)&r->d.g->nodes, &r->d.g->cap_nodes, r->d.g->n_nodes, sizeof(qe__node *));
  if (pushed != QE_OK) {
    qe__node_destroy(n);
    return pushed;
  }
  r->d.g->nodes[r->d.g->n_nodes++] = n;
  QE_TRY(status);
  const bool reported = part || r->d.all;
  if (reported) QE_TRY(add_row(r, n, op, &note));
  return describe(r, part ? NULL : q, reported ? (int32_t)qe_report_count(r->plan->report) - 1 : QE__ROW_NONE);
}

static qe_status_t rebuild_nodes(rebuild *r, const qe_qconfig_t *const *configs) {
  qe__graph *g = r->d.g;
  qe__node **nodes = g->nodes;
  const uint32_t n_nodes = g->n_nodes;
  uint32_t k = 0;
  qe_status_t status = QE_OK;
  g->nodes = NULL;
  g->n_nodes = 0;
  g->cap_nodes = 0;
  for (; k < n_nodes && status == QE_OK; k++) status = place(r, nodes[k], configs[k]);
  for (; k < n_nodes; k++) qe__node_destroy(nodes[k]);
  qe__free(nodes);
  return status;
}

static qe_status_t start(rebuild *r) {
  const size_t n = (size_t)r->d.n_values + 1;
  for (size_t i = 0; i < 2; i++) {
    r->d.arrivals[i] = qe__calloc(n, sizeof *r->d.arrivals[i]);
    if (!r->d.arrivals[i]) return QE_ERROR_OUT_OF_MEMORY;
    for (size_t v = 0; v < n; v++) r->d.arrivals[i][v].codes = QE__NO_VALUE;
  }
  return qe__report_create(&r->plan->report);
}

/* Constants that nothing reads any more give back their memory; every node keeps its place. */
static qe_status_t drop_float_weights(qe__graph *g) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (uses.start[v] == uses.start[v + 1] && !uses.is_output[v]) qe_tensor_release(&g->values[v].data);
  }
  qe__uses_free(&uses);
  return QE_OK;
}

qe_status_t qe__dynamic_apply(qe__graph *g, const qe_qconfig_mapping_t *mapping, bool all, qe__dynamic_plan *out) {
  *out = (qe__dynamic_plan){0};
  rebuild r = {.d = {.g = g, .all = all, .n_values = g->n_values}, .plan = out};
  const qe_qconfig_t **configs = qe__calloc((size_t)g->n_nodes + 1, sizeof *configs);
  qe_status_t status = configs ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) status = qe__infer_dtypes(g);
  if (status == QE_OK) status = qe__qconfig_resolve(mapping, g, configs);
  if (status == QE_OK) status = start(&r);
  if (status == QE_OK) status = rebuild_nodes(&r, configs);
  if (status == QE_OK) status = drop_float_weights(g);
  if (status == QE_OK) status = qe__graph_verify(g);
  if (status != QE_OK) qe__dynamic_plan_free(out);
  for (size_t i = 0; i < 2; i++) qe__free(r.d.arrivals[i]);
  qe__free(r.d.weights);
  qe__free(configs);
  return status;
}

void qe__dynamic_plan_free(qe__dynamic_plan *plan) {
  qe__free(plan->config);
  qe__free(plan->row);
  qe_report_destroy(&plan->report);
  *plan = (qe__dynamic_plan){0};
}

qe_status_t qe_quantize_dynamic(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, qe_model_t **out, qe_report_t **report) {
  qe_status_t status;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  if (report) *report = NULL;
  QE_CHECK_ARG(model, "model is NULL");
  qe_qconfig_mapping_t *preset = NULL;
  qe__graph *g = NULL;
  qe__dynamic_plan plan = {0};
  if (!mapping) QE_TRY(qe_qconfig_mapping_preset("dynamic", &preset));
  QE_TRY_GOTO(qe__graph_clone(model->graph, &g), done);
  QE_TRY_GOTO(qe__fuse(g), done);
  QE_TRY_GOTO(qe__dynamic_apply(g, mapping ? mapping : preset, true, &plan), done);
  status = qe__model_wrap(g, out);
  g = NULL;
  if (status == QE_OK && report) {
    *report = plan.report;
    plan.report = NULL;
  }
done:
  qe__dynamic_plan_free(&plan);
  qe__graph_destroy(&g);
  qe_qconfig_mapping_destroy(&preset);
  return status;
}
