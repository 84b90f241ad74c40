/*
 * Differentiation: find the nodes between the parameters and the loss, then walk them backwards. A value's gradient is
 * complete when its first reader has been differentiated.
 */
#include "train/differentiate.h"

#include <math.h>
#include <string.h>

#include "registry/quant_rule.h"
#include "train/gradients.h"
#include "train/merge.h"

static const qe__gradient_row rows[QE__OP_COUNT] = {
#define QE_GRADIENT(op, inputs_, outputs_, rule_) \
  [QE__OP_##op] = {.inputs = (inputs_), .outputs = (outputs_), .rule = qe__gradient_##rule_, .known = true},
#define QE_NO_GRADIENT(op) [QE__OP_##op] = {.known = true},
#include "train/gradients.def"
#undef QE_GRADIENT
#undef QE_NO_GRADIENT
};

/* ---- the way from the parameters to the loss ---- */

typedef struct path {
  bool *depends; /* per value: on a parameter, in a differentiable way */
  bool *leads;   /* per value: the loss depends on it in such a way */
} path;

static bool in_mask(uint32_t mask, uint32_t i) { return mask == UINT32_MAX || (i < 32 && (mask >> i & 1u) != 0); }

static bool is_float(qe_dtype_t t) { return t == QE_FLOAT32 || t == QE_FLOAT16 || t == QE_BFLOAT16 || t == QE_FLOAT64; }

/* An op without a row lets everything pass here, so that it is found on the way and refused. */
static bool passes_input(const qe__node *n, uint32_t i) {
  const qe__gradient_row *row = &rows[n->op->id];
  if (n->in[i] == QE__NO_VALUE) return false;
  if (n->op->id == QE__OP_Cast && !is_float((qe_dtype_t)qe__node_int(n, "to", QE_FLOAT32))) return false;
  return !row->known || in_mask(row->inputs, i);
}

static bool passes_output(const qe__node *n, uint32_t i) {
  const qe__gradient_row *row = &rows[n->op->id];
  return n->out[i] != QE__NO_VALUE && (!row->known || in_mask(row->outputs, i));
}

static bool any_input(const qe__node *n, const bool *of) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (passes_input(n, i) && of[n->in[i]]) return true;
  }
  return false;
}

static bool any_output(const qe__node *n, const bool *of) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (passes_output(n, i) && of[n->out[i]]) return true;
  }
  return false;
}

static bool on_path(const path *p, const qe__node *n) { return !n->dead && any_input(n, p->depends) && any_output(n, p->leads); }

static void path_free(path *p) {
  qe__free(p->depends);
  qe__free(p->leads);
}

static qe_status_t path_find(const qe__graph *g, qe__value_id loss, uint32_t n_wrt, const qe__value_id *wrt, path *p) {
  p->depends = qe__calloc((size_t)g->n_values + 1, sizeof *p->depends);
  p->leads = qe__calloc((size_t)g->n_values + 1, sizeof *p->leads);
  if (p->depends == NULL || p->leads == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < n_wrt; i++) p->depends[wrt[i]] = true;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    if (n->dead || !any_input(n, p->depends)) continue;
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (passes_output(n, i)) p->depends[n->out[i]] = true;
    }
  }
  p->leads[loss] = true;
  for (uint32_t k = g->n_nodes; k-- > 0;) {
    const qe__node *n = g->nodes[k];
    if (n->dead || !any_output(n, p->leads)) continue;
    for (uint32_t i = 0; i < n->n_in; i++) {
      if (passes_input(n, i)) p->leads[n->in[i]] = true;
    }
  }
  return QE_OK;
}

/* ---- what can be differentiated ---- */

static qe_status_t check_dtype(const qe__graph *g, const qe__node *n, qe__value_id v) {
  const qe_dtype_t t = g->values[v].dtype;
  if (t == QE_FLOAT32 || t == QE_DTYPE_NONE || n->op->id == QE__OP_Cast) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): '%s' is %s; gradients are computed in float32, so the model must be float32 there",
                  n->name, n->op->name, g->values[v].name, qe_dtype_name(t));
}

/* later: recurrent layers are still to be unrolled. */
static qe_status_t check_node(const qe__graph *g, const path *p, const qe__node *n, bool later) {
  const qe__gradient_row *row = &rows[n->op->id];
  if (n->quantized) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s) works on codes, which have no gradient; train the float model and convert it afterwards",
                    n->name, n->op->name);
  }
  if (later && qe__op_is_recurrent(n->op->id)) return QE_OK;
  if (!row->known) {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "node '%s' (%s): this op has no gradient, but the loss depends on trained parameters through it; freeze the parameters "
                    "before it, or express it in other ops",
                    n->name, n->op->name);
  }
  for (uint32_t i = 1; n->op->id == QE__OP_LayerNormalization && i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE || !p->leads[n->out[i]]) continue;
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): the loss depends on '%s', its output %u, which has no gradient; compute it by ReduceMean",
                    n->name, n->op->name, g->values[n->out[i]].name, (unsigned)i);
  }
  if (n->op->id == QE__OP_Resize && strcmp(qe__node_string(n, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): attribute 'keep_aspect_ratio_policy' is '%s'; only 'stretch' has a gradient, so give the sizes themselves",
                    n->name, n->op->name, qe__node_string(n, "keep_aspect_ratio_policy", ""));
  }
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (passes_input(n, i) && p->depends[n->in[i]]) QE_TRY(check_dtype(g, n, n->in[i]));
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (passes_output(n, i) && p->leads[n->out[i]]) QE_TRY(check_dtype(g, n, n->out[i]));
  }
  return QE_OK;
}

static qe_status_t check_path(const qe__graph *g, const path *p, bool later) {
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    if (on_path(p, g->nodes[k])) QE_TRY(check_node(g, p, g->nodes[k], later));
  }
  return QE_OK;
}

qe_status_t qe__check_gradients(const qe__graph *g, qe__value_id loss, uint32_t n, const qe__value_id *wrt) {
  path p = {0};
  qe_status_t status = path_find(g, loss, n, wrt, &p);
  if (status == QE_OK) status = check_path(g, &p, true);
  path_free(&p);
  return status;
}

/* ---- the walk back ---- */

typedef struct part { /* one reader's contribution to a value's gradient */
  qe__value_id gradient;
  int32_t next;
} part;

typedef struct walk {
  qe__graph *g;
  path path;
  uint32_t n_values;   /* before nodes were added */
  int32_t *first;      /* per value: its contributions, those of later readers behind; -1: none (left) */
  qe__value_id *total; /* per value: their sum, once there is no reader to come */
  uint32_t *pending;   /* per value: reads on the path that are still to be differentiated */
  part *parts;
  size_t n_parts, cap_parts;
} walk;

static void walk_free(walk *w) {
  path_free(&w->path);
  qe__free(w->first);
  qe__free(w->total);
  qe__free(w->pending);
  qe__free(w->parts);
}

static qe_status_t walk_start(walk *w) {
  w->first = qe__calloc((size_t)w->n_values + 1, sizeof *w->first);
  w->total = qe__calloc((size_t)w->n_values + 1, sizeof *w->total);
  w->pending = qe__calloc((size_t)w->n_values + 1, sizeof *w->pending);
  if (w->first == NULL || w->total == NULL || w->pending == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t v = 0; v < w->n_values; v++) {
    w->first[v] = -1;
    w->total[v] = QE__NO_VALUE;
  }
  for (uint32_t k = 0; k < w->g->n_nodes; k++) {
    const qe__node *n = w->g->nodes[k];
    if (!on_path(&w->path, n)) continue;
    for (uint32_t i = 0; i < n->n_in; i++) {
      if (passes_input(n, i)) w->pending[n->in[i]]++;
    }
  }
  return QE_OK;
}

/* Readers come last first, so a new contribution goes in front. */
static qe_status_t contribute(walk *w, qe__value_id v, qe__value_id gradient) {
  void *array = w->parts;
  QE_TRY(qe__grow(&array, &w->cap_parts, w->n_parts, sizeof *w->parts));
  w->parts = array;
  w->parts[w->n_parts] = (part){.gradient = gradient, .next = w->first[v]};
  w->first[v] = (int32_t)w->n_parts++;
  return QE_OK;
}

/* The sum of v's contributions, in order. */
static qe__value_id sum_of(walk *w, qe__emit *e, qe__value_id v) {
  uint32_t n = 0;
  for (int32_t p = w->first[v]; p >= 0; p = w->parts[p].next) n++;
  qe__value_id *parts = qe__calloc((size_t)n + 1, sizeof *parts);
  if (parts == NULL) {
    qe__emit_failed(e, QE_ERROR_OUT_OF_MEMORY);
    return QE__NO_VALUE;
  }
  n = 0;
  for (int32_t p = w->first[v]; p >= 0; p = w->parts[p].next) parts[n++] = w->parts[p].gradient;
  qe__value_id sum = qe__merge_products(e, n, parts);
  if (sum == QE__NO_VALUE) {
    sum = parts[0];
    for (uint32_t i = 1; i < n; i++) sum = qe__emit_binary(e, QE__OP_Add, sum, parts[i]);
  }
  qe__free(parts);
  return sum;
}

static void add_up(walk *w, qe__emit *e, qe__value_id v) {
  if (w->first[v] >= 0) w->total[v] = sum_of(w, e, v);
  w->first[v] = -1;
}

/* Values that n was the last to read have their whole gradient: what it is made of need not wait. */
static void finish_reads(walk *w, qe__emit *e, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (passes_input(n, i) && --w->pending[n->in[i]] == 0) add_up(w, e, n->in[i]);
  }
}

/* The gradient before the fused activation. */
static void undo_activation(qe__gradient *c, qe__value_id *dy) {
  const qe__act *act = &c->n->act;
  if (dy[0] == QE__NO_VALUE || (act->lo == -INFINITY && act->hi == INFINITY)) return;
  const qe__attr bounds[2] = {QE__FLOAT("min", act->lo), QE__FLOAT("max", act->hi)};
  dy[0] = qe__emit_node(&c->e, QE__OP_ClipGrad, 2, (qe__value_id[]){dy[0], c->n->out[0]}, 2, bounds);
}

static qe_status_t apply_rule(walk *w, qe__gradient *c, qe__value_id *dy, bool *want, qe__value_id *dx) {
  const qe__node *n = c->n;
  bool any = false;
  for (uint32_t i = 0; i < n->n_out; i++) {
    dy[i] = passes_output(n, i) ? w->total[n->out[i]] : QE__NO_VALUE;
    any = any || dy[i] != QE__NO_VALUE;
  }
  if (!any) return c->e.status;
  for (uint32_t i = 0; i < n->n_in; i++) {
    want[i] = passes_input(n, i) && w->path.depends[n->in[i]];
    dx[i] = QE__NO_VALUE;
  }
  undo_activation(c, dy);
  QE_TRY(c->e.status);
  QE_TRY(qe__infer_concrete(w->g, n, &c->params));
  rows[n->op->id].rule(c);
  QE_TRY(c->e.status);
  for (uint32_t i = n->n_in; i-- > 0;) {
    if (dx[i] != QE__NO_VALUE) QE_TRY(contribute(w, n->in[i], dx[i]));
  }
  return QE_OK;
}

static qe_status_t differentiate_node(walk *w, const qe__node *n) {
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  char *name = qe__format("%s/grad", n->name);
  qe__value_id *ids = qe__calloc((size_t)n->n_out + n->n_in + 1, sizeof *ids);
  bool *want = qe__calloc((size_t)n->n_in + 1, sizeof *want);
  if (name != NULL && ids != NULL && want != NULL) {
    qe__gradient c = {.e = {.g = w->g, .name = name}, .n = n, .dy = ids, .want = want, .dx = ids + n->n_out};
    status = apply_rule(w, &c, ids, want, ids + n->n_out);
    if (status != QE_OK) qe__fail_in(status, "gradient of node '%s' (%s)", n->name, n->op->name);
  }
  qe__free(want);
  qe__free(ids);
  qe__free(name);
  return status;
}

static qe_status_t run(walk *w, qe__value_id loss, uint32_t n, const qe__value_id *wrt, qe__value_id *grad) {
  qe__graph *g = w->g;
  const uint32_t n_nodes = g->n_nodes;
  const qe__shape shape = qe__shape_of(g, loss);
  qe__emit e = {.g = g, .name = "grad"};
  QE_TRY(walk_start(w));
  const qe__value_id seed = qe__emit_filled(&e, shape.rank, shape.dims, 1.0f);
  QE_TRY(e.status);
  w->total[loss] = seed;
  for (uint32_t k = n_nodes; k-- > 0;) {
    if (!on_path(&w->path, g->nodes[k])) continue;
    QE_TRY(differentiate_node(w, g->nodes[k]));
    finish_reads(w, &e, g->nodes[k]);
    QE_TRY(e.status);
  }
  for (uint32_t i = 0; i < n; i++) grad[i] = w->total[wrt[i]];
  return QE_OK;
}

qe_status_t qe__differentiate(qe__graph *g, qe__value_id loss, uint32_t n, const qe__value_id *wrt, qe__value_id *grad) {
  walk w = {.g = g, .n_values = g->n_values};
  const qe__shape shape = qe__shape_of(g, loss);
  for (uint32_t i = 0; i < n; i++) grad[i] = QE__NO_VALUE;
  if (g->values[loss].rank < 0 || qe__shape_count(&shape, 0, shape.rank) != 1) {
    char text[200];
    return qe__fail(QE_ERROR_SHAPE, "the loss '%s' has shape %s; one element was expected", g->values[loss].name,
                    qe__dims_text(shape.rank, shape.dims, text, sizeof text));
  }
  qe_status_t status = path_find(g, loss, n, wrt, &w.path);
  if (status == QE_OK) status = check_path(g, &w.path, false);
  if (status == QE_OK) status = run(&w, loss, n, wrt, grad);
  walk_free(&w);
  return status;
}

/* ---- what rules share ---- */

qe__value_id qe__gradient_like(qe__gradient *c, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_extra, const qe__attr *extra) {
  const qe__node *n = c->n;
  qe__attr *all = qe__calloc((size_t)n->n_attr + n_extra + 1, sizeof *all);
  if (all == NULL) {
    qe__emit_failed(&c->e, QE_ERROR_OUT_OF_MEMORY);
    return QE__NO_VALUE;
  }
  if (n->n_attr > 0) memcpy(all, n->attr, n->n_attr * sizeof *all);
  if (n_extra > 0) memcpy(all + n->n_attr, extra, n_extra * sizeof *all);
  const qe__value_id out = qe__emit_node(&c->e, op, n_in, in, n->n_attr + n_extra, all);
  qe__free(all);
  return out;
}

qe__value_id qe__gradient_result(qe__gradient *c) {
  const qe__node *n = c->n;
  if (n->act.lo == -INFINITY && n->act.hi == INFINITY) return n->out[0];
  return qe__gradient_like(c, n->op->id, n->n_in, n->in, 0, NULL);
}

void qe__gradient_sum_to(qe__gradient *c, uint32_t i, qe__value_id v) {
  const qe__shape to = qe__gradient_shape(c, i);
  if (c->want[i]) c->dx[i] = qe__emit_sum_to(&c->e, v, to.rank, to.dims);
}
