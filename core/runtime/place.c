/*
 * Placement: which kernel computes a node and in which memory layout. Engines are asked in order, each engine's kernels
 * by falling priority; the first that supports the problem is taken. Where its layout differs from what an operand
 * has, a Relayout step is put in front.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "registry/quant_rule.h"
#include "runtime/operand.h"
#include "runtime/plan.h"

enum { MAX_CANDIDATES = 64 };

/* ---- operands and physical values ---- */

/* Memory order is the same in both layouts when there is one channel or one position. */
static bool layouts_coincide(const qe_operand *o) {
  if (o->rank < 3 || o->dims[1] == 1) return true;
  int64_t positions = 1;
  for (uint32_t d = 2; d < o->rank; d++) positions *= o->dims[d];
  return positions <= 1;
}

static void fill_operand(const qe__planner *p, qe__value_id v, uint8_t layout, qe_operand *o) {
  const qe__operand_info *info = &p->info[v];
  const qe_qparams_t *q = &p->g->values[v].q.view;
  memset(o, 0, sizeof *o);
  o->struct_size = sizeof *o;
  o->dtype = (uint8_t)info->dtype;
  o->rank = (uint8_t)info->rank;
  o->count = 1;
  for (uint32_t d = 0; d < info->rank; d++) {
    o->dims[d] = info->dims[d];
    o->count *= info->dims[d];
  }
  o->q_axis = -1;
  if (q->count) {
    o->q_count = q->count;
    o->q_axis = q->count > 1 ? q->axis : -1;
    o->scales = q->scales;
    o->zero_points = q->zero_points;
  }
  qe__operand_set_strides(o, layout);
}

qe_status_t qe__place_phys(qe__planner *p, qe__value_id v, uint8_t layout, qe__place place, int32_t *phys) {
  qe__plan *plan = p->plan;
  QE_TRY(qe__grow((void **)&plan->phys, &plan->cap_phys, plan->n_phys, sizeof(qe__phys)));
  qe__phys *x = &plan->phys[plan->n_phys];
  memset(x, 0, sizeof *x);
  x->value = v;
  x->place = place;
  x->alias_of = -1;
  x->first = x->last = -1;
  fill_operand(p, v, layout, &x->operand);
  if (!qe__dtype_bytes(p->info[v].dtype, x->operand.count, &x->bytes)) {
    return qe__fail(QE_ERROR_SHAPE, "tensor '%s' is too large", p->g->values[v].name);
  }
  *phys = (int32_t)plan->n_phys++;
  p->phys_of[v][x->operand.layout] = *phys;
  return QE_OK;
}

static qe_status_t constant_phys(qe__planner *p, qe__value_id v, int32_t *phys) {
  QE_TRY(qe__place_phys(p, v, QE_LAYOUT_ROW_MAJOR, QE__PLACE_CONSTANT, phys));
  qe__phys *x = &p->plan->phys[*phys];
  x->constant = qe_tensor_retain((qe_tensor_t *)(uintptr_t)p->info[v].data);
  x->operand.data = x->constant->data;
  return QE_OK;
}

static qe_status_t run_relayout(qe__planner *p, qe__value_id v, int32_t from, uint8_t layout, int32_t *phys);

qe_status_t qe__place_layout(qe__planner *p, qe__value_id v, uint8_t layout, int32_t *phys) {
  if (p->info[v].rank < 3) layout = QE_LAYOUT_ROW_MAJOR;
  if ((*phys = p->phys_of[v][layout]) >= 0) return QE_OK;
  int32_t other = p->phys_of[v][1 - layout];
  if (other < 0) {
    if (!p->info[v].data) return qe__fail(QE_ERROR_INTERNAL, "value '%s' is read before it is computed", p->g->values[v].name);
    QE_TRY(constant_phys(p, v, &other));
    if (layout == QE_LAYOUT_ROW_MAJOR) {
      *phys = other;
      return QE_OK;
    }
  }
  if (layouts_coincide(&p->plan->phys[other].operand)) {
    QE_TRY(qe__place_phys(p, v, layout, QE__PLACE_NONE, phys));
    qe__phys *x = &p->plan->phys[*phys];
    x->alias_of = other;
    x->operand.data = p->plan->phys[other].operand.data;
    return QE_OK;
  }
  return run_relayout(p, v, other, layout, phys);
}

/* ---- problems ---- */

static bool same_dims(const qe__operand_info *a, const qe__operand_info *b) {
  return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

/* Ops of several equal operands broadcast; in every other op the inputs after the first are parameters of it. */
static bool only_first_is_data(const qe__op_schema *op) {
  return op->infer != qe__infer_binary && op->infer != qe__infer_compare && op->infer != qe__infer_logical && op->infer != qe__infer_where;
}

typedef struct layouts {
  uint8_t in[QE__MAX_OUTPUTS + 1];
  uint8_t out;
} layouts;

static bool has_layout(const qe__planner *p, qe__value_id v, uint8_t layout) { return p->phys_of[v][layout] >= 0; }

/* The layout each operand must have for this kernel; false: the kernel can't serve these shapes. */
static bool layouts_for(const qe__planner *p, const qe__node *n, uint32_t n_in, uint8_t want, layouts *out) {
  const qe__value_id y = n->out[0];
  const uint32_t rank = y == QE__NO_VALUE ? 0 : p->info[y].rank;
  memset(out, 0, sizeof *out);
  const bool have_x = n_in > 0 && n->in[0] != QE__NO_VALUE;
  switch (want) {
    case QE_LAYOUT_ROW_MAJOR: return true;
    case QE_LAYOUT_CHANNELS_LAST:
      if (rank < 3) return false;
      for (uint32_t i = 0; i < n_in; i++) {
        if (n->in[i] == QE__NO_VALUE || p->info[n->in[i]].rank != rank) continue;
        if (i > 0 && (p->info[n->in[i]].data || qe__op_is_weighted(n->op->id) || n->op->id == QE__OP_ConvInteger)) continue;
        out->in[i] = QE_LAYOUT_CHANNELS_LAST;
      }
      out->out = QE_LAYOUT_CHANNELS_LAST;
      return true;
    case QE_LAYOUT_SAME: {
      bool last = false;
      for (uint32_t i = 0; i < n_in; i++) {
        if (n->in[i] == QE__NO_VALUE || (i > 0 && only_first_is_data(n->op))) continue;
        if (!same_dims(&p->info[n->in[i]], &p->info[y])) return false;
        last = last || (!has_layout(p, n->in[i], QE_LAYOUT_ROW_MAJOR) && has_layout(p, n->in[i], QE_LAYOUT_CHANNELS_LAST));
      }
      for (uint32_t i = 0; i < n_in && last; i++) {
        if (i == 0 || !only_first_is_data(n->op)) out->in[i] = QE_LAYOUT_CHANNELS_LAST;
      }
      out->out = last ? QE_LAYOUT_CHANNELS_LAST : QE_LAYOUT_ROW_MAJOR;
      return true;
    }
    default: /* strided: as they come */
      for (uint32_t i = 0; i < n_in; i++) {
        if (n->in[i] == QE__NO_VALUE) continue;
        if (has_layout(p, n->in[i], QE_LAYOUT_CHANNELS_LAST) && !has_layout(p, n->in[i], QE_LAYOUT_ROW_MAJOR)) out->in[i] = QE_LAYOUT_CHANNELS_LAST;
      }
      if (have_x && rank >= 3 && p->info[n->in[0]].rank == rank) out->out = out->in[0];
      return true;
  }
}

static void fused_clamp(const qe__planner *p, const qe__node *n, qe_problem *problem) {
  problem->act_lo = n->act.lo;
  problem->act_hi = n->act.hi;
  const qe__value *y = n->n_out && n->out[0] != QE__NO_VALUE ? &p->g->values[n->out[0]] : NULL;
  if (!y || !n->quantized) return;
  qe__act_codes(&n->act, y->dtype, y->q.view.count ? &y->q.view : NULL, &problem->clamp_lo, &problem->clamp_hi);
}

static void kernel_key(const qe__planner *p, const qe__node *n, uint32_t n_in, qe_kernel_key *key) {
  memset(key, 0, sizeof *key);
  memcpy(key->op, n->op->name, strnlen(n->op->name, sizeof key->op - 1));
  for (uint32_t i = 0; i < QE_KEY_INPUTS && i < n_in; i++) {
    key->in[i] = n->in[i] == QE__NO_VALUE ? QE_DT_NONE : (uint8_t)p->info[n->in[i]].dtype;
  }
  if (n->n_out && n->out[0] != QE__NO_VALUE) key->out = (uint8_t)p->info[n->out[0]].dtype;
  key->quantized = n->quantized;
}

static int64_t elements(const qe__operand_info *x) {
  int64_t count = 1;
  for (uint32_t d = 0; d < x->rank; d++) count *= x->dims[d];
  return count;
}

static int64_t count_macs(const qe__planner *p, const qe__node *n) {
  const int64_t outputs = n->n_out && n->out[0] != QE__NO_VALUE ? elements(&p->info[n->out[0]]) : 0;
  int64_t depth = 1;
  if (n->n_in < 2 || n->in[1] == QE__NO_VALUE) return 0;
  const qe__operand_info *x = &p->info[n->in[0]], *w = &p->info[n->in[1]];
  switch (n->op->id) {
    case QE__OP_Conv: case QE__OP_ConvInteger:
      for (uint32_t d = 1; d < w->rank; d++) depth *= w->dims[d];
      return outputs * depth;
    case QE__OP_ConvTranspose:
      for (uint32_t d = 1; d < w->rank; d++) depth *= w->dims[d];
      return elements(x) * depth;
    case QE__OP_Gemm: return outputs * x->dims[qe__node_int(n, "transA", 0) ? 0 : 1];
    case QE__OP_MatMul: case QE__OP_MatMulInteger: case QE__OP_MatMulIntegerToFloat: case QE__OP_MatMulNBits:
      return x->rank ? outputs * x->dims[x->rank - 1] : 0;
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN: case QE__OP_DynamicQuantizeLSTM: case QE__OP_DynamicQuantizeGRU:
    case QE__OP_DynamicQuantizeRNN: /* every weight once for each step and row; sequences that end early count in full */
      if (x->rank != 3 || n->n_in < 3 || n->in[2] == QE__NO_VALUE) return 0;
      return x->dims[0] * x->dims[1] * (elements(w) + elements(&p->info[n->in[2]]));
    default: return 0;
  }
}

char *qe__step_dtypes(const qe__step *step) {
  char text[256];
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t i = 0; i < step->n_in && used < sizeof text; i++) {
    const char *name = step->in_operands[i] ? qe_dtype_name((qe_dtype_t)step->in_operands[i]->dtype) : "-";
    const int w = snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", name);
    used += w > 0 ? (size_t)w : 0;
  }
  for (uint32_t i = 0; i < step->n_out && used < sizeof text; i++) {
    const char *name = step->out_operands[i] ? qe_dtype_name((qe_dtype_t)step->out_operands[i]->dtype) : "-";
    const int w = snprintf(text + used, sizeof text - used, "%s%s", i ? " " : " -> ", name);
    used += w > 0 ? (size_t)w : 0;
  }
  return qe__strdup(text);
}

/* ---- steps ---- */

/* Operands that live as long as the step: phys may move while the plan grows, so steps get their own copies. */
static qe_status_t own_operands(qe__planner *p, qe__step *s) {
  for (uint32_t i = 0; i < s->n_in + s->n_out; i++) {
    const int32_t phys = i < s->n_in ? s->in[i] : s->out[i - s->n_in];
    const qe_operand **slot = i < s->n_in ? &s->in_operands[i] : &s->out_operands[i - s->n_in];
    if (phys < 0) continue;
    qe_operand *copy = qe__calloc(1, sizeof *copy);
    if (!copy) return QE_ERROR_OUT_OF_MEMORY;
    *copy = p->plan->phys[phys].operand;
    *slot = copy;
  }
  return QE_OK;
}

static void set_problem(qe__step *s, const char *op) {
  s->problem.struct_size = sizeof s->problem;
  s->problem.op = op;
  s->problem.n_in = s->n_in;
  s->problem.n_out = s->n_out;
  s->problem.in = s->in_operands;
  s->problem.out = s->out_operands;
  s->problem.params = &s->params;
}

/* Whether a constant that the kernel may pack has another content for other inputs of the model. */
static bool weights_vary(const qe__planner *p, const qe__step *s) {
  const qe__node *n = p->g->nodes[s->node];
  for (uint32_t i = 0; i < s->n_in; i++) {
    if (n->in[i] != QE__NO_VALUE && p->info[n->in[i]].data && p->request->lowered->varies[n->in[i]]) return true;
  }
  return false;
}

static qe_status_t run_relayout(qe__planner *p, qe__value_id v, int32_t from, uint8_t layout, int32_t *phys) {
  qe__step *s;
  QE_TRY(qe__place_phys(p, v, layout, QE__PLACE_ARENA, phys));
  const bool constant = p->plan->phys[from].place == QE__PLACE_CONSTANT;
  qe_kernel_key key = {.op = "Relayout"};
  key.in[0] = key.out = (uint8_t)p->info[v].dtype;
  const qe__kernel *kernel = NULL;
  for (uint32_t e = 0; e < p->n_order && !kernel; e++) qe__engine_kernels(p->order[e], &key, 1, &kernel);
  if (!kernel) return qe__fail(QE_ERROR_UNSUPPORTED, "tensor '%s': no engine has a Relayout kernel for %s", p->g->values[v].name, qe_dtype_name(p->info[v].dtype));
  QE_TRY(qe__plan_add_step(p->plan, 1, 1, &s));
  s->relayout = true;
  s->kernel = kernel;
  s->in[0] = from;
  s->out[0] = *phys;
  s->problem.act_lo = -INFINITY;
  s->problem.act_hi = INFINITY;
  s->params.struct_size = sizeof s->params;
  QE_TRY(own_operands(p, s));
  set_problem(s, "Relayout");
  QE_TRY(qe__step_prepare(p->plan, s, NULL, p->g->values[v].name));
  return constant ? qe__plan_fold(p, s) : QE_OK;
}

/* The note of a step: what lowering did, what was fused, why it is not on the preferred engine. */
static qe_status_t describe(qe__planner *p, qe__step *s, const qe__node *n, const char *refusals) {
  const qe__lowered *l = p->request->lowered;
  const char *lowered = s->node < l->n_notes && l->note[s->node] ? l->note[s->node] : "";
  char act[80] = "";
  if (n->act.lo > -INFINITY && n->act.hi < INFINITY) snprintf(act, sizeof act, "fused Clip(%g, %g)", (double)n->act.lo, (double)n->act.hi);
  else if (n->act.lo > -INFINITY) snprintf(act, sizeof act, n->act.lo == 0.0f ? "fused Relu" : "fused Max(%g)", (double)n->act.lo);
  else if (n->act.hi < INFINITY) snprintf(act, sizeof act, "fused Min(%g)", (double)n->act.hi);
  const qe__engine *preferred = p->request->engine;
  s->fallback = qe__node_works_on_codes(n) && preferred && s->kernel && s->kernel->engine != preferred;
  char fallback[800] = "";
  if (s->fallback) snprintf(fallback, sizeof fallback, "not on '%s': %s", preferred->name, refusals[0] ? refusals : "it has no kernel for this op and these types");
  s->note = qe__format("%s%s%s%s%s", lowered, lowered[0] && act[0] ? "; " : "", act, (lowered[0] || act[0]) && fallback[0] ? "; " : "", fallback);
  if (!s->note) return QE_ERROR_OUT_OF_MEMORY;
  if (s->fallback && p->request->strict) {
    return qe__fail(QE_ERROR_PLACEMENT, "node '%s' (%s): engine '%s' can't run it (%s) and placement is strict; use another engine or drop --strict",
                    n->name, n->op->name, preferred->name, fallback);
  }
  return QE_OK;
}

static qe_status_t place_view(qe__planner *p, uint32_t index, const qe__node *n) {
  int32_t x, y;
  qe__step *s;
  QE_TRY(qe__place_layout(p, n->in[0], QE_LAYOUT_ROW_MAJOR, &x));
  QE_TRY(qe__place_phys(p, n->out[0], QE_LAYOUT_ROW_MAJOR, QE__PLACE_NONE, &y));
  p->plan->phys[y].alias_of = x;
  QE_TRY(qe__plan_add_step(p->plan, 1, 1, &s));
  s->node = index;
  s->in[0] = x;
  s->out[0] = y;
  QE_TRY(own_operands(p, s));
  s->note = qe__strdup("view");
  return s->note ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

/* Is this candidate able to do it? Builds throwaway operands in the layouts the kernel wants. */
static bool supported(const qe__planner *p, const qe__node *n, uint32_t n_in, const qe__kernel *k, const layouts *lay,
                      const qe_op_params *params, char *reason, size_t size) {
  qe_operand operands[QE__MAX_OUTPUTS * 2];
  const qe_operand *in[QE__MAX_OUTPUTS], *out[QE__MAX_OUTPUTS];
  uint32_t used = 0;
  reason[0] = '\0';
  if (!k->row.supports) return true;
  for (uint32_t i = 0; i < n_in; i++) {
    in[i] = NULL;
    if (n->in[i] == QE__NO_VALUE) continue;
    fill_operand(p, n->in[i], lay->in[i], &operands[used]);
    if (p->info[n->in[i]].data) operands[used].data = qe_tensor_const_data(p->info[n->in[i]].data);
    in[i] = &operands[used++];
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    out[i] = NULL;
    if (n->out[i] == QE__NO_VALUE) continue;
    fill_operand(p, n->out[i], lay->out, &operands[used]);
    out[i] = &operands[used++];
  }
  qe_problem problem = {.struct_size = sizeof problem, .n_in = n_in, .n_out = n->n_out, .op = n->op->name, .in = in, .out = out, .params = params};
  fused_clamp(p, n, &problem);
  const int yes = k->row.supports(k->engine->self, &problem, reason, size);
  reason[size - 1] = '\0';
  return yes == 1;
}

/* Every candidate in order until one fits; refusals collects why not. */
static const qe__kernel *choose(const qe__planner *p, const qe__node *n, uint32_t n_in, const qe_op_params *params, layouts *lay, char *refusals, size_t size) {
  const qe__kernel *candidates[MAX_CANDIDATES];
  qe_kernel_key key;
  size_t used = 0;
  refusals[0] = '\0';
  kernel_key(p, n, n_in, &key);
  for (uint32_t e = 0; e < p->n_order; e++) {
    const uint32_t found = qe__engine_kernels(p->order[e], &key, MAX_CANDIDATES, candidates);
    for (uint32_t i = 0; i < found && i < MAX_CANDIDATES; i++) {
      char reason[160];
      if (!layouts_for(p, n, n_in, candidates[i]->row.key.layout, lay)) snprintf(reason, sizeof reason, "its memory layout does not fit these shapes");
      else if (supported(p, n, n_in, candidates[i], lay, params, reason, sizeof reason)) return candidates[i];
      const int w = snprintf(refusals + used, size - used, "%s%s: %s", used ? "; " : "", candidates[i]->row.name, reason[0] ? reason : "declined");
      if (w > 0) used = used + (size_t)w < size ? used + (size_t)w : size - 1;
    }
  }
  return NULL;
}

static bool all_constant(const qe__planner *p, const qe__node *n, uint32_t n_in) {
  for (uint32_t i = 0; i < n_in; i++) {
    if (n->in[i] != QE__NO_VALUE && !p->info[n->in[i]].data) return false;
  }
  return true;
}

static qe_status_t no_kernel(const qe__planner *p, const qe__node *n, uint32_t n_in, const char *refusals) {
  char types[200] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < n_in && used < sizeof types; i++) {
    const int w = snprintf(types + used, sizeof types - used, "%s%s", i ? ", " : "", n->in[i] == QE__NO_VALUE ? "-" : qe_dtype_name(p->info[n->in[i]].dtype));
    used += w > 0 ? (size_t)w : 0;
  }
  return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s': no engine has a%s kernel for %s on (%s) -> %s%s%s", n->name, n->quantized ? " quantized" : "", n->op->name,
                  types, n->out[0] == QE__NO_VALUE ? "-" : qe_dtype_name(p->info[n->out[0]].dtype), refusals[0] ? "; asked: " : "", refusals);
}

qe_status_t qe__place_node(qe__planner *p, uint32_t index, const qe_op_params *params) {
  const qe__node *n = p->g->nodes[index];
  const uint32_t n_in = n->op->kernel_in == 255 || n->op->kernel_in > n->n_in ? n->n_in : n->op->kernel_in;
  if (n_in > QE__MAX_OUTPUTS || n->n_out > QE__MAX_OUTPUTS) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): more than %d inputs or outputs", n->name, n->op->name, QE__MAX_OUTPUTS);
  }
  const bool constant = all_constant(p, n, n_in);
  if (n->op->view && !constant) return place_view(p, index, n);
  layouts lay;
  char refusals[700];
  const qe__kernel *kernel = choose(p, n, n_in, params, &lay, refusals, sizeof refusals);
  if (!kernel) return no_kernel(p, n, n_in, refusals);
  int32_t in[QE__MAX_OUTPUTS];
  for (uint32_t i = 0; i < n_in; i++) { /* before the step: these may add Relayout steps */
    in[i] = -1;
    if (n->in[i] != QE__NO_VALUE) QE_TRY(qe__place_layout(p, n->in[i], lay.in[i], &in[i]));
  }
  qe__step *s;
  QE_TRY(qe__plan_add_step(p->plan, n_in, n->n_out, &s));
  s->node = index;
  s->kernel = kernel;
  s->params = *params;
  memcpy(s->in, in, n_in * sizeof in[0]);
  for (uint32_t i = 0; i < n->n_out; i++) {
    s->out[i] = -1;
    if (n->out[i] != QE__NO_VALUE) QE_TRY(qe__place_phys(p, n->out[i], lay.out, QE__PLACE_ARENA, &s->out[i]));
  }
  QE_TRY(own_operands(p, s));
  set_problem(s, n->op->name);
  fused_clamp(p, n, &s->problem);
  QE_TRY(describe(p, s, n, refusals));
  QE_TRY(qe__step_prepare(p->plan, s, weights_vary(p, s) ? NULL : p->request->packs, n->name));
  s->macs = count_macs(p, n);
  if (constant) return qe__plan_fold(p, s);
  p->plan->n_quantized += qe__node_works_on_codes(n);
  p->plan->n_fallback += s->fallback;
  return QE_OK;
}
