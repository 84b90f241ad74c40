/*
 * First values of parameters. Each one has a stream of random numbers by its name, so that its values depend on the seed
 * and on nothing else of the model but its own shape and op. Only + - * / and sqrt are used: the same bytes everywhere.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "graph/model.h"
#include "qengine/train.h"
#include "train/random.h"
#include "train/role.h"

/* A parameter as its first reader sees it. */
typedef struct place {
  const qe__node *node;
  qe__role role;
  bool turned; /* read through a Transpose of its last two dimensions */
} place;

static uint64_t hash_name(const char *name) { /* FNV-1a */
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (; *name; name++) h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
  return h;
}

/* ---- where a value is used ---- */

static bool swaps_last_two(const qe__node *n, int32_t rank) {
  const qe__attr *perm = qe__node_attr(n, "perm");
  if (perm == NULL) return rank == 2;
  if (perm->kind != QE__ATTR_INTS || (int32_t)perm->count != rank || rank < 2) return false;
  for (int32_t d = 0; d < rank - 2; d++) {
    if (perm->ints[d] != d) return false;
  }
  return perm->ints[rank - 2] == rank - 1 && perm->ints[rank - 1] == rank - 2;
}

/* The first reader for whom the value is a parameter. */
static place find_place(const qe__graph *g, const qe__uses *uses, qe__value_id v) {
  place p = {0};
  for (uint32_t u = uses->start[v]; u < uses->start[v + 1] && p.role == QE__ROLE_NONE; u++) {
    const qe__node *n = g->nodes[uses->node[u]];
    const bool transposes = n->op->id == QE__OP_Transpose && swaps_last_two(n, g->values[v].rank);
    if (transposes && n->out[0] != QE__NO_VALUE) {
      const qe__value_id t = n->out[0];
      for (uint32_t k = uses->start[t]; k < uses->start[t + 1] && p.role == QE__ROLE_NONE; k++) {
        const qe__node *reader = g->nodes[uses->node[k]];
        const qe__role role = qe__node_role(g, uses, reader, uses->input[k]);
        if (role == QE__ROLE_WEIGHT) p = (place){reader, role, true};
      }
    } else {
      p = (place){n, qe__node_role(g, uses, n, uses->input[u]), false};
    }
  }
  return p;
}

/* Such inputs hold data as often as parameters; only those of known dimensions are taken for parameters. */
static bool could_be_data(const place *p) {
  return p->role == QE__ROLE_TABLE || p->node->op->id == QE__OP_MatMul || p->node->op->id == QE__OP_Add;
}

static bool known_shape(const qe__value *v) {
  if (v->rank < 0) return false;
  for (int32_t d = 0; d < v->rank; d++) {
    if (v->dims[d] < 0) return false;
  }
  return true;
}

static bool takes(const qe__value *v, const place *p) {
  if (p->role == QE__ROLE_NONE || v->dtype != QE_FLOAT32 || v->q.view.count > 0) return false;
  if (p->role == QE__ROLE_TABLE && v->rank != 2) return false;
  if (v->data != NULL || !could_be_data(p)) return true;
  return known_shape(v) && (v->rank == 2 || p->role == QE__ROLE_BIAS);
}

/* ---- how it begins ---- */

static bool is_rectifier(const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_Relu:
    case QE__OP_Clip:
    case QE__OP_LeakyRelu:
    case QE__OP_PRelu:
    case QE__OP_ThresholdedRelu:
    case QE__OP_Elu:
    case QE__OP_Selu:
    case QE__OP_Celu:
    case QE__OP_HardSwish:
    case QE__OP_Silu:
    case QE__OP_Mish:
    case QE__OP_Gelu:
    case QE__OP_Softplus: return true;
    default: return false;
  }
}

static bool passes_on(const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_BatchNormalization:
    case QE__OP_InstanceNormalization:
    case QE__OP_GroupNormalization:
    case QE__OP_LayerNormalization:
    case QE__OP_Add:
    case QE__OP_MaxPool:
    case QE__OP_Identity:
    case QE__OP_Dropout: return true;
    default: return false;
  }
}

/* A Relu-like activation reads the node's result, with at most `depth` normalizations or sums in between. */
static bool is_rectified(const qe__graph *g, const qe__uses *uses, const qe__node *n, int depth) {
  if (n->act.lo == 0.0f) return true;
  const qe__value_id v = n->out[0];
  for (uint32_t u = uses->start[v]; u < uses->start[v + 1]; u++) {
    const qe__node *reader = g->nodes[uses->node[u]];
    if (uses->input[u] == 0 && is_rectifier(reader)) return true;
    if (depth > 0 && passes_on(reader) && is_rectified(g, uses, reader, depth - 1)) return true;
  }
  return false;
}

/* Elements that one output is summed of, and outputs that one input goes into. */
static void fans(const qe__value *w, const place *p, double *in, double *out) {
  const int64_t group = qe__node_int(p->node, "group", 1);
  double window = 1.0;
  for (int32_t d = 2; d < w->rank; d++) window *= (double)w->dims[d];
  switch (p->node->op->id) {
    case QE__OP_Conv: /* [out, in / group, window] */
      *in = (double)w->dims[1] * window;
      *out = (double)w->dims[0] / (double)group * window;
      return;
    case QE__OP_ConvTranspose: /* [in, out / group, window] */
      *in = (double)w->dims[0] / (double)group * window;
      *out = (double)w->dims[1] * window;
      return;
    default: break;
  }
  const bool swapped = (p->node->op->id == QE__OP_Gemm && qe__node_int(p->node, "transB", 0) != 0) != p->turned;
  *in = (double)w->dims[w->rank - (swapped ? 1 : 2)];
  *out = (double)w->dims[w->rank - (swapped ? 2 : 1)];
}

/* Values lie within this distance of 0. */
static float weight_bound(const qe__graph *g, const qe__uses *uses, const qe__value *w, const place *p) {
  double in, out;
  if (p->role == QE__ROLE_RECURRENT) {
    const double hidden = (double)qe__node_int(p->node, "hidden_size", w->rank == 3 ? w->dims[2] : w->dims[1]);
    return hidden > 0.0 ? (float)(1.0 / sqrt(hidden)) : 0.0f;
  }
  fans(w, p, &in, &out);
  const double sum = is_rectified(g, uses, p->node, 3) ? in : in + out;
  return sum > 0.0 ? (float)sqrt(6.0 / sum) : 0.0f;
}

static void fill_uniform(float *data, int64_t count, uint64_t stream, float bound) {
  for (int64_t i = 0; i < count; i++) {
    const int32_t u = (int32_t)(qe__random_at(stream, (uint64_t)i) >> 40); /* 24 bits */
    data[i] = (float)(2 * u - 16777215) / 16777216.0f * bound;
  }
}

/* Deviation 1: the sum of twelve uniform numbers, minus 6; the sum itself is exact. */
static void fill_normal(float *data, int64_t count, uint64_t stream) {
  for (int64_t i = 0; i < count; i++) {
    int32_t sum = 0;
    for (uint64_t k = 0; k < 12; k++) sum += (int32_t)(qe__random_at(stream, 12 * (uint64_t)i + k) >> 40);
    data[i] = (float)((double)(sum - 6 * 16777215) / 16777216.0);
  }
}

static void fill_constant(float *data, int64_t count, float value) {
  for (int64_t i = 0; i < count; i++) data[i] = value;
}

static qe_status_t check_weight_shape(const qe__value *v, const place *p) {
  const bool conv = p->node->op->id == QE__OP_Conv || p->node->op->id == QE__OP_ConvTranspose;
  const int32_t least = p->role == QE__ROLE_WEIGHT ? (conv ? 3 : 2) : p->role == QE__ROLE_RECURRENT ? 2 : 0;
  if (v->rank >= least) return QE_OK;
  return qe__fail(QE_ERROR_SHAPE, "'%s' has rank %d; as the weight of node '%s' (%s) it needs at least %d", v->name,
                  (int)v->rank, p->node->name, p->node->op->name, (int)least);
}

static qe_status_t first_values(const qe__graph *g, const qe__uses *uses, const qe__value *v, const place *p,
                                uint64_t seed, qe_tensor_t **out) {
  QE_TRY(check_weight_shape(v, p));
  QE_TRY(qe_tensor_create(QE_FLOAT32, (uint32_t)v->rank, v->dims, out));
  float *data = (*out)->data;
  const int64_t count = (*out)->count;
  const uint64_t stream = qe__random_stream(seed, hash_name(v->name));
  switch (p->role) {
    case QE__ROLE_WEIGHT:
    case QE__ROLE_RECURRENT: fill_uniform(data, count, stream, weight_bound(g, uses, v, p)); break;
    case QE__ROLE_TABLE: fill_normal(data, count, stream); break;
    case QE__ROLE_SCALE:
    case QE__ROLE_VARIANCE: fill_constant(data, count, 1.0f); break;
    case QE__ROLE_SLOPE: fill_constant(data, count, 0.25f); break;
    default: fill_constant(data, count, 0.0f); break;
  }
  return QE_OK;
}

/* ---- the model ---- */

static bool is_input(const qe__graph *g, qe__value_id v) {
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (g->inputs[i] == v) return true;
  }
  return false;
}

static qe_status_t unknown_shape(const qe__value *v, const place *p) {
  return qe__fail(QE_ERROR_SHAPE,
                  "input '%s' is a parameter of node '%s' (%s), but not all of its dimensions are known; give the model "
                  "an input of fixed dimensions there",
                  v->name, p->node->name, p->node->op->name);
}

/* fresh[v]: what value v gets, or NULL. Nothing of the model is changed. */
static qe_status_t choose(const qe__graph *g, uint64_t seed, bool all, qe_tensor_t **fresh) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  qe_status_t status = QE_OK;
  for (uint32_t v = 0; v < g->n_values && status == QE_OK; v++) {
    const qe__value *value = &g->values[v];
    const bool missing = value->data == NULL && is_input(g, (qe__value_id)v);
    if (!missing && !(all && value->data != NULL)) continue;
    const place p = find_place(g, &uses, (qe__value_id)v);
    if (!takes(value, &p)) continue;
    status = known_shape(value) ? first_values(g, &uses, value, &p, seed, &fresh[v]) : unknown_shape(value, &p);
  }
  qe__uses_free(&uses);
  return status;
}

static uint32_t apply(qe__graph *g, qe_tensor_t **fresh) {
  uint32_t count = 0, kept = 0;
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (fresh[g->inputs[i]] == NULL) g->inputs[kept++] = g->inputs[i];
  }
  g->n_inputs = kept;
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (fresh[v] == NULL) continue;
    qe_tensor_release(&g->values[v].data);
    g->values[v].data = fresh[v];
    fresh[v] = NULL;
    count++;
  }
  if (count > 0) memset(g->model_hash, 0, sizeof g->model_hash); /* no longer what is in the file */
  return count;
}

qe_status_t qe_model_initialize(qe_model_t *model, uint64_t seed, int all, uint32_t *count) {
  if (count != NULL) *count = 0;
  QE_CHECK_ARG(model != NULL, "model is NULL");
  qe__graph *g = model->graph;
  qe_tensor_t **fresh = qe__calloc((size_t)g->n_values + 1, sizeof(qe_tensor_t *));
  if (fresh == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = choose(g, seed, all != 0, fresh);
  if (status == QE_OK) {
    const uint32_t made = apply(g, fresh);
    if (count != NULL) *count = made;
  }
  for (uint32_t v = 0; v < g->n_values; v++) qe_tensor_release(&fresh[v]);
  qe__free(fresh);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "model '%s'", g->name);
}
