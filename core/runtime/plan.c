/*
 * Making a plan: shapes and parameters are inferred node by node in topological order, what depends on constants or
 * shapes only is computed at once, everything else gets a kernel (runtime/place.c); then memory is laid out.
 */
#include "runtime/plan.h"

#include <stdio.h>
#include <string.h>

/* ---- parts of a plan ---- */

static void step_free(qe__step *s) {
  for (uint32_t i = 0; i < s->n_in; i++) qe__free((void *)(uintptr_t)s->in_operands[i]);
  for (uint32_t i = 0; i < s->n_out; i++) qe__free((void *)(uintptr_t)s->out_operands[i]);
  qe__free(s->in);
  qe__free(s->out);
  qe__free(s->in_operands);
  qe__free(s->out_operands);
  qe__free(s->in_data);
  qe__free(s->out_data);
  qe__free(s->note);
  qe__free(s->dtypes);
  qe__pack_free(s->own_pack);
  memset(s, 0, sizeof *s);
}

qe_status_t qe__plan_add_step(qe__plan *plan, uint32_t n_in, uint32_t n_out, qe__step **out) {
  *out = NULL;
  QE_TRY(qe__grow((void **)&plan->steps, &plan->cap_steps, plan->n_steps, sizeof(qe__step)));
  qe__step s = {.tap = QE__NO_VALUE};
  s.in = qe__calloc(n_in + 1, sizeof *s.in);
  s.out = qe__calloc(n_out + 1, sizeof *s.out);
  s.in_operands = qe__calloc(n_in + 1, sizeof *s.in_operands);
  s.out_operands = qe__calloc(n_out + 1, sizeof *s.out_operands);
  s.in_data = qe__calloc(n_in + 1, sizeof *s.in_data);
  s.out_data = qe__calloc(n_out + 1, sizeof *s.out_data);
  if (!s.in || !s.out || !s.in_operands || !s.out_operands || !s.in_data || !s.out_data) {
    step_free(&s);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  s.n_in = n_in;
  s.n_out = n_out;
  for (uint32_t i = 0; i < n_in; i++) s.in[i] = -1;
  for (uint32_t i = 0; i < n_out; i++) s.out[i] = -1;
  plan->steps[plan->n_steps] = s;
  *out = &plan->steps[plan->n_steps++];
  return QE_OK;
}

/* What has to wait for all steps: they point to their own params, and the array may have moved while it grew; scratch
 * memory is aligned as the most demanding kernel wants. */
static void finish_steps(qe__plan *plan) {
  plan->scratch_alignment = 64;
  for (uint32_t i = 0; i < plan->n_steps; i++) {
    qe__step *s = &plan->steps[i];
    s->problem.params = &s->params;
    if (s->kernel && s->kernel->row.alignment > plan->scratch_alignment) plan->scratch_alignment = s->kernel->row.alignment;
  }
}

void qe__plan_destroy(qe__plan **plan) {
  qe__plan *p = *plan;
  if (!p) return;
  for (uint32_t i = 0; i < p->n_steps; i++) step_free(&p->steps[i]);
  for (uint32_t i = 0; i < p->n_phys; i++) qe_tensor_release(&p->phys[i].constant);
  for (uint32_t i = 0; i < p->n_engines; i++) qe__engine_release(p->engines[i]);
  qe__free(p->steps);
  qe__free(p->phys);
  qe__free(p->outputs);
  qe__free(p);
  *plan = NULL;
}

int32_t qe__phys_root(const qe__plan *plan, int32_t p) {
  while (plan->phys[p].alias_of >= 0) p = plan->phys[p].alias_of;
  return p;
}

/* ---- folding ---- */

static void set_known(qe__planner *p, qe__value_id v, qe_tensor_t *t) {
  qe_tensor_t *old = p->known[v];
  p->known[v] = qe_tensor_retain(t);
  p->info[v].data = t;
  qe_tensor_release(&old);
}

static qe_status_t fold_outputs(qe__planner *p, uint32_t n_out, const int32_t *outs, bool relayout) {
  for (uint32_t i = 0; i < n_out; i++) {
    if (outs[i] < 0) continue;
    const qe__value_id v = p->plan->phys[outs[i]].value;
    if (relayout) continue;
    int32_t row_major = outs[i];
    if (p->plan->phys[outs[i]].operand.layout != QE_LAYOUT_ROW_MAJOR) QE_TRY(qe__place_layout(p, v, QE_LAYOUT_ROW_MAJOR, &row_major));
    set_known(p, v, p->plan->phys[qe__phys_root(p->plan, row_major)].constant);
  }
  return QE_OK;
}

qe_status_t qe__plan_fold(qe__planner *p, qe__step *step) {
  qe__plan *plan = p->plan;
  qe_status_t status = QE_OK;
  void *scratch = NULL;
  int32_t outs[QE__MAX_OUTPUTS];
  const uint32_t n_out = step->n_out;
  const bool relayout = step->relayout;
  for (uint32_t i = 0; i < step->n_in; i++) {
    if (step->in[i] >= 0) step->in_data[i] = qe_tensor_const_data(plan->phys[qe__phys_root(plan, step->in[i])].constant);
  }
  for (uint32_t i = 0; i < n_out; i++) {
    outs[i] = step->out[i];
    if (outs[i] < 0) continue;
    qe__phys *y = &plan->phys[outs[i]];
    QE_TRY(qe_tensor_create((qe_dtype_t)y->operand.dtype, y->operand.rank, y->operand.dims, &y->constant));
    y->place = QE__PLACE_CONSTANT;
    y->operand.data = y->constant->data;
    step->out_data[i] = y->constant->data;
  }
  const size_t scratch_size = (size_t)step->sizes.scratch_size;
  if (scratch_size && !(scratch = qe__alloc_aligned(scratch_size, QE__ALIGNMENT_MAX))) return QE_ERROR_OUT_OF_MEMORY;
  step->problem.params = &step->params;
  status = qe__step_execute(step, NULL, step->in_data, step->out_data, scratch, 0, p->g->nodes[step->node]->name);
  qe__free_aligned(scratch);
  step_free(step);
  plan->n_steps--; /* folded steps are always the last one */
  QE_TRY(status);
  return fold_outputs(p, n_out, outs, relayout);
}

static qe_status_t make_known(qe__planner *p, qe__value_id v, qe_tensor_t *t) {
  set_known(p, v, t);
  qe_tensor_release(&t);
  return QE_OK;
}

/* Shape and Size read dimensions, which are known. */
static qe_status_t fold_shape(qe__planner *p, const qe__node *n) {
  const qe__operand_info *x = &p->info[n->in[0]];
  qe_tensor_t *t = NULL;
  if (n->op->id == QE__OP_Size) {
    int64_t count = 0;
    (void)qe__dims_count(x->rank, x->dims, &count);
    QE_TRY(qe_tensor_from_data(QE_INT64, 0, NULL, &count, &t));
    return make_known(p, n->out[0], t);
  }
  const int64_t rank = x->rank;
  int64_t start = qe__node_int(n, "start", 0), end = qe__node_int(n, "end", rank);
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  start = start < 0 ? 0 : start > rank ? rank : start;
  end = end < start ? start : end > rank ? rank : end;
  QE_TRY(qe_tensor_from_data(QE_INT64, 1, &(int64_t){end - start}, x->dims + start, &t));
  return make_known(p, n->out[0], t);
}

static qe_status_t fold_view(qe__planner *p, const qe__node *n) {
  qe_tensor_t *t = NULL;
  const qe__operand_info *y = &p->info[n->out[0]];
  QE_TRY(qe__tensor_reshape(p->info[n->in[0]].data, y->rank, y->dims, &t));
  return make_known(p, n->out[0], t);
}

/* ---- inputs ---- */

static qe_status_t bind_input(qe__planner *p, uint32_t index) {
  const qe__value_id v = p->g->inputs[index];
  const qe__value *value = &p->g->values[v];
  qe_tensor_t *t = p->request->inputs[index];
  char found[128], expected[128];
  if (value->dtype != QE_DTYPE_NONE && t->dtype != value->dtype) {
    return qe__fail(QE_ERROR_DTYPE, "input '%s': found %s, the model expects %s", value->name, qe_dtype_name(t->dtype), qe_dtype_name(value->dtype));
  }
  bool fits = value->rank < 0 || (uint32_t)value->rank == t->rank;
  for (uint32_t d = 0; fits && value->rank >= 0 && d < t->rank; d++) fits = value->dims[d] < 0 || value->dims[d] == t->dims[d];
  if (!fits) {
    return qe__fail(QE_ERROR_SHAPE, "input '%s': found shape %s, the model expects %s (-1: any)", value->name,
                    qe__dims_text(t->rank, t->dims, found, sizeof found), qe__dims_text((uint32_t)value->rank, value->dims, expected, sizeof expected));
  }
  qe__operand_info *info = &p->info[v];
  *info = (qe__operand_info){.present = true, .dtype = t->dtype, .rank = t->rank};
  memcpy(info->dims, t->dims, sizeof info->dims);
  if (p->request->lowered->needs_value[v]) { /* a copy: the plan outlives the call, and the caller may write to t */
    qe_tensor_t *copy;
    QE_TRY(qe_tensor_from_data(t->dtype, t->rank, t->dims, t->data, &copy));
    return make_known(p, v, copy);
  }
  int32_t phys;
  QE_TRY(qe__place_phys(p, v, QE_LAYOUT_ROW_MAJOR, QE__PLACE_INPUT, &phys));
  p->plan->phys[phys].slot = index;
  return QE_OK;
}

static void bind_constants(qe__planner *p) {
  for (uint32_t v = 0; v < p->g->n_values; v++) {
    const qe_tensor_t *t = p->g->values[v].data;
    if (!t) continue;
    p->info[v] = (qe__operand_info){.present = true, .dtype = t->dtype, .rank = t->rank, .data = t};
    memcpy(p->info[v].dims, t->dims, sizeof p->info[v].dims);
  }
}

/* ---- nodes ---- */

static qe_status_t infer_node(qe__planner *p, const qe__node *n, qe_op_params *params) {
  qe__operand_info *in = qe__calloc(n->n_in + n->n_out + 1, sizeof *in);
  if (!in) return QE_ERROR_OUT_OF_MEMORY;
  qe__operand_info *out = in + n->n_in;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] != QE__NO_VALUE) in[i] = p->info[n->in[i]];
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    out[i].present = n->out[i] != QE__NO_VALUE;
    if (out[i].present) out[i].dtype = p->g->values[n->out[i]].dtype;
  }
  memset(params, 0, sizeof *params);
  params->struct_size = sizeof *params;
  qe__infer_ctx ctx = {.node = n, .n_in = n->n_in, .n_out = n->n_out, .in = in, .out = out, .params = params};
  qe_status_t status = qe__op_infer(&ctx);
  for (uint32_t i = 0; status == QE_OK && i < n->n_out; i++) {
    if (!out[i].present) continue;
    const qe__value *v = &p->g->values[n->out[i]];
    if (v->q.view.count && v->dtype != out[i].dtype) {
      status = qe__fail(QE_ERROR_DTYPE, "node '%s' (%s): output '%s' is %s, its quantization parameters are for %s", n->name, n->op->name, v->name,
                        qe_dtype_name(out[i].dtype), qe_dtype_name(v->dtype));
      break;
    }
    out[i].data = NULL;
    p->info[n->out[i]] = out[i];
  }
  qe__free(in);
  return status;
}

static bool tapped(const qe__plan_request *r, qe__value_id v) {
  for (uint32_t i = 0; i < r->n_taps; i++) {
    if (r->taps[i] == v) return true;
  }
  return false;
}

static qe_status_t add_tap(qe__planner *p, qe__value_id v) {
  int32_t phys;
  qe__step *s;
  if (!tapped(p->request, v)) return QE_OK;
  QE_TRY(qe__place_layout(p, v, QE_LAYOUT_ROW_MAJOR, &phys));
  QE_TRY(qe__plan_add_step(p->plan, 1, 0, &s));
  s->in[0] = phys;
  s->tap = v;
  return QE_OK;
}

static qe_status_t plan_node(qe__planner *p, uint32_t index) {
  const qe__node *n = p->g->nodes[index];
  qe_op_params params;
  QE_TRY(infer_node(p, n, &params));
  if (n->op->id == QE__OP_Shape || n->op->id == QE__OP_Size) QE_TRY(fold_shape(p, n));
  else if (n->op->view && p->info[n->in[0]].data) QE_TRY(fold_view(p, n));
  else QE_TRY(qe__place_node(p, index, &params));
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] != QE__NO_VALUE) QE_TRY(add_tap(p, n->out[i]));
  }
  return QE_OK;
}

/* Nodes that the wanted outputs and taps depend on. */
static bool *find_wanted(const qe__planner *p) {
  const qe__graph *g = p->g;
  bool *node = qe__calloc(g->n_nodes + 1, sizeof *node);
  bool *value = qe__calloc(g->n_values + 1, sizeof *value);
  if (!node || !value) {
    qe__free(node);
    qe__free(value);
    return NULL;
  }
  for (uint32_t i = 0; i < p->request->n_outputs; i++) value[p->request->outputs[i]] = true;
  for (uint32_t i = 0; i < p->request->n_taps; i++) value[p->request->taps[i]] = true;
  for (uint32_t k = g->n_nodes; k-- > 0;) {
    const qe__node *n = g->nodes[k];
    for (uint32_t i = 0; i < n->n_out; i++) node[k] = node[k] || (n->out[i] != QE__NO_VALUE && value[n->out[i]]);
    for (uint32_t i = 0; node[k] && i < n->n_in; i++) {
      if (n->in[i] != QE__NO_VALUE) value[n->in[i]] = true;
    }
  }
  qe__free(value);
  return node;
}

static qe_status_t plan_outputs(qe__planner *p) {
  qe__plan *plan = p->plan;
  plan->n_outputs = p->request->n_outputs;
  plan->outputs = qe__calloc(plan->n_outputs + 1, sizeof *plan->outputs);
  if (!plan->outputs) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    qe__plan_output *o = &plan->outputs[i];
    QE_TRY(qe__place_layout(p, p->request->outputs[i], QE_LAYOUT_ROW_MAJOR, &o->phys));
    qe__phys *root = &plan->phys[qe__phys_root(plan, o->phys)];
    o->copy = root->place != QE__PLACE_ARENA || root->bytes != plan->phys[o->phys].bytes;
    if (!o->copy) {
      root->place = QE__PLACE_OUTPUT;
      root->slot = i;
    }
  }
  return QE_OK;
}

static qe_status_t build(qe__planner *p) {
  bind_constants(p);
  for (uint32_t i = 0; i < p->g->n_inputs; i++) {
    QE_TRY(bind_input(p, i));
    QE_TRY(add_tap(p, p->g->inputs[i]));
  }
  bool *wanted = find_wanted(p);
  if (!wanted) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  for (uint32_t k = 0; k < p->g->n_nodes && status == QE_OK; k++) {
    if (wanted[k]) status = plan_node(p, k);
  }
  qe__free(wanted);
  QE_TRY(status);
  QE_TRY(plan_outputs(p));
  finish_steps(p->plan);
  return qe__plan_memory(p->plan);
}

/* Engines that are retired meanwhile are left out, the one that was asked for is missed. */
static qe_status_t acquire_engines(qe__planner *p) {
  const qe__engine *all[QE__MAX_ENGINES];
  const uint32_t count = qe__engine_order(p->request->engine, QE__MAX_ENGINES, all);
  for (uint32_t i = 0; i < count; i++) {
    if (qe__engine_acquire(all[i])) p->order[p->n_order++] = all[i];
    else if (all[i] == p->request->engine)
      return qe__fail(QE_ERROR_ENGINE, "engine '%s' was retired; make a new session with another one", all[i]->name);
  }
  return QE_OK;
}

/* The plan keeps the references of the engines that it runs on. */
static void keep_engines(qe__planner *p, bool keep) {
  for (uint32_t e = 0; e < p->n_order; e++) {
    bool used = false;
    for (uint32_t i = 0; keep && !used && i < p->plan->n_steps; i++) {
      const qe__kernel *kernel = p->plan->steps[i].kernel;
      used = kernel && kernel->engine == p->order[e];
    }
    if (used) p->plan->engines[p->plan->n_engines++] = p->order[e];
    else qe__engine_release(p->order[e]);
  }
}

qe_status_t qe__plan_create(const qe__plan_request *request, qe__plan **out) {
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  const uint32_t n_values = request->lowered->graph->n_values;
  *out = NULL;
  qe__planner p = {.request = request, .g = request->lowered->graph};
  p.plan = qe__calloc(1, sizeof *p.plan);
  p.phys_of = qe__calloc(n_values + 1, sizeof *p.phys_of);
  p.info = qe__calloc(n_values + 1, sizeof *p.info);
  p.known = qe__calloc(n_values + 1, sizeof *p.known);
  if (p.plan && p.phys_of && p.info && p.known) {
    for (uint32_t v = 0; v < n_values; v++) p.phys_of[v][0] = p.phys_of[v][1] = -1;
    status = acquire_engines(&p);
    if (status == QE_OK) status = build(&p);
    keep_engines(&p, status == QE_OK);
  }
  for (uint32_t v = 0; p.known && v < n_values; v++) qe_tensor_release(&p.known[v]);
  qe__free(p.known);
  qe__free(p.info);
  qe__free(p.phys_of);
  if (status != QE_OK) qe__plan_destroy(&p.plan);
  *out = p.plan;
  return status;
}
