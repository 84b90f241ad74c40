/*
 * Recomputation: choose cuts such that what must be kept and the largest segment are small together, then give each
 * segment a copy that stands before the first node of the backward part that reads from it. The last segment's values
 * are still there when the way back begins; it is not copied.
 */
#include "train/recompute.h"

#include <string.h>

#include "train/emit.h"

enum { MAX_SEGMENTS = 64, SMALL = 16 }; /* values of less than 1 / SMALL of the average are kept */

typedef struct recompute {
  qe__emit e;
  qe__graph *g;
  uint32_t n_forward, n_values;
  qe__uses uses;
  uint64_t *bytes;         /* per value */
  bool *needed;            /* per value: made by the forward part, read by the backward part */
  uint32_t *last;          /* per value: its last reader in the forward part */
  uint64_t total, small;   /* bytes of all needed values; of what is not worth computing again */
  uint32_t n_segments;
  uint32_t cut[MAX_SEGMENTS + 1]; /* segment s is nodes cut[s]..cut[s + 1] - 1 */
  qe__value_id *copy;      /* per value: what stands for it in the backward part */
  bool *copied;            /* per node of the forward part */
  bool *read;              /* per value: by a copied node */
} recompute;

static void release(recompute *r) {
  qe__uses_free(&r->uses);
  qe__free(r->bytes);
  qe__free(r->needed);
  qe__free(r->last);
  qe__free(r->copy);
  qe__free(r->copied);
  qe__free(r->read);
}

static bool from_forward(const recompute *r, qe__value_id v) {
  return v != QE__NO_VALUE && (uint32_t)v < r->n_values && r->uses.producer[v] >= 0 && (uint32_t)r->uses.producer[v] < r->n_forward;
}

static qe_status_t start(recompute *r) {
  const qe__graph *g = r->g;
  uint64_t count = 0;
  const size_t n = (size_t)r->n_values + 1;
  QE_TRY(qe__graph_uses(g, &r->uses));
  r->bytes = qe__calloc(n, sizeof *r->bytes);
  r->needed = qe__calloc(n, sizeof *r->needed);
  r->last = qe__calloc(n, sizeof *r->last);
  r->copy = qe__calloc(n, sizeof *r->copy);
  r->copied = qe__calloc((size_t)r->n_forward + 1, sizeof *r->copied);
  r->read = qe__calloc(n, sizeof *r->read);
  if (!r->bytes || !r->needed || !r->last || !r->copy || !r->copied || !r->read) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t v = 0; v < r->n_values; v++) {
    r->copy[v] = (qe__value_id)v;
    if (!from_forward(r, (qe__value_id)v)) continue;
    const qe__shape s = qe__shape_of(g, (qe__value_id)v);
    size_t bytes = 0;
    (void)qe__dtype_bytes(g->values[v].dtype, qe__shape_count(&s, 0, s.rank), &bytes);
    r->bytes[v] = bytes;
    r->last[v] = (uint32_t)r->uses.producer[v];
    for (uint32_t k = r->uses.start[v]; k < r->uses.start[v + 1]; k++) {
      if (r->uses.node[k] >= r->n_forward) r->needed[v] = true;
      else if (r->uses.node[k] > r->last[v]) r->last[v] = r->uses.node[k];
    }
    if (!r->needed[v]) continue;
    r->total += bytes;
    count++;
  }
  r->small = count > 0 ? r->total / count / SMALL : 0;
  return QE_OK;
}

/* ---- where to cut ---- */

static uint32_t segment_of(const recompute *r, uint32_t node) {
  uint32_t lo = 0, hi = r->n_segments; /* the last segment that begins at the node or before */
  while (hi - lo > 1) {
    const uint32_t mid = (lo + hi) / 2;
    if (r->cut[mid] <= node) lo = mid;
    else hi = mid;
  }
  return lo;
}

/* The forward part reads it, or another result of the node that makes it, beyond a cut. */
static bool crosses(const recompute *r, uint32_t node, uint32_t segment) {
  const qe__node *n = r->g->nodes[node];
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] != QE__NO_VALUE && segment_of(r, r->last[n->out[i]]) != segment) return true;
  }
  return false;
}

/* It stays in memory: it crosses a cut, is wanted as a result, is small, or is of the last segment. */
static bool is_kept(const recompute *r, qe__value_id v) {
  const uint32_t node = (uint32_t)r->uses.producer[v], segment = segment_of(r, node);
  return segment + 1 == r->n_segments || r->uses.is_output[v] || r->bytes[v] <= r->small || crosses(r, node, segment);
}

/* Bytes alive across a cut before node k, for all k; freed by the caller. */
static uint64_t *crossing_bytes(const recompute *r) {
  uint64_t *across = qe__calloc((size_t)r->n_forward + 2, sizeof *across);
  for (uint32_t v = 0; across && v < r->n_values; v++) {
    if (!from_forward(r, (qe__value_id)v) || r->last[v] == (uint32_t)r->uses.producer[v]) continue;
    across[r->uses.producer[v] + 1] += r->bytes[v]; /* a difference array, modulo 2^64 */
    across[r->last[v] + 1] -= r->bytes[v];
  }
  for (uint32_t k = 1; across && k <= r->n_forward; k++) across[k] += across[k - 1];
  return across;
}

/* n segments of about equal bytes for the gradients; each cut is moved, by half a segment at most, to where least crosses. */
static void place_cuts(recompute *r, uint32_t n, const uint64_t *made, const uint64_t *across) {
  uint32_t k = 1;
  r->n_segments = n;
  r->cut[0] = 0;
  for (uint32_t s = 1; s < n; s++) {
    const uint64_t each = r->total / n, lo = each * s - each / 2, hi = each * s + each / 2;
    uint32_t best = 0;
    while (k < r->n_forward && made[k] < lo) k++;
    for (uint32_t j = k; j < r->n_forward && made[j] <= hi; j++) {
      if (best == 0 || across[j] < across[best]) best = j;
    }
    if (best == 0) best = k < r->n_forward ? k : r->n_forward - 1;
    r->cut[s] = best < r->cut[s - 1] ? r->cut[s - 1] : best;
  }
  r->cut[n] = r->n_forward;
}

/* Nodes of segments that get a copy whose results are needed and not kept, what these are computed from, and what is read
 * of what is kept. */
static void mark(recompute *r) {
  memset(r->read, 0, r->n_values * sizeof *r->read);
  for (uint32_t k = r->n_forward; k-- > 0;) {
    const qe__node *n = r->g->nodes[k];
    r->copied[k] = false;
    for (uint32_t i = 0; i < n->n_out; i++) {
      const qe__value_id v = n->out[i];
      if (v != QE__NO_VALUE && !is_kept(r, v) && (r->needed[v] || r->read[v])) r->copied[k] = true;
    }
    for (uint32_t i = 0; r->copied[k] && i < n->n_in; i++) {
      if (from_forward(r, n->in[i])) r->read[n->in[i]] = true;
    }
  }
}

/* What is kept and the largest segment's rest. */
static uint64_t estimate(recompute *r) {
  uint64_t kept = 0, rest[MAX_SEGMENTS] = {0}, most = 0;
  mark(r);
  for (uint32_t v = 0; v < r->n_values; v++) {
    if (!from_forward(r, (qe__value_id)v) || (!r->needed[v] && !r->read[v])) continue;
    const uint32_t s = segment_of(r, (uint32_t)r->uses.producer[v]);
    if (s + 1 < r->n_segments && is_kept(r, (qe__value_id)v)) kept += r->bytes[v];
    else if (r->needed[v]) rest[s] += r->bytes[v];
  }
  for (uint32_t s = 0; s < r->n_segments; s++) most = rest[s] > most ? rest[s] : most;
  return kept + most;
}

/* Leaves one segment when nothing is better than all. */
static qe_status_t choose_cuts(recompute *r) {
  uint64_t best = r->total;
  uint32_t best_n = 1;
  uint64_t *across = crossing_bytes(r), *made = qe__calloc((size_t)r->n_forward + 1, sizeof *made);
  const qe_status_t status = across && made ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t v = 0; status == QE_OK && v < r->n_values; v++) {
    if (r->needed[v]) made[r->uses.producer[v] + 1] += r->bytes[v];
  }
  for (uint32_t k = 1; status == QE_OK && k <= r->n_forward; k++) made[k] += made[k - 1];
  for (uint32_t n = 2; status == QE_OK && n <= MAX_SEGMENTS && n <= r->n_forward; n++) {
    place_cuts(r, n, made, across);
    const uint64_t peak = estimate(r);
    if (peak >= best) continue;
    best = peak;
    best_n = n;
  }
  if (status == QE_OK) place_cuts(r, best_n, made, across);
  if (status == QE_OK) mark(r);
  qe__free(across);
  qe__free(made);
  return status;
}

/* ---- copies ---- */

static void copy_node(recompute *r, const qe__node *n, qe__value_id *in, bool *wanted, qe__value_id *out) {
  for (uint32_t i = 0; i < n->n_in; i++) in[i] = n->in[i] == QE__NO_VALUE ? QE__NO_VALUE : r->copy[n->in[i]];
  for (uint32_t i = 0; i < n->n_out; i++) wanted[i] = n->out[i] != QE__NO_VALUE;
  r->e.name = n->name;
  qe__emit_outputs(&r->e, n->op->id, n->n_in, in, n->n_attr, n->attr, n->n_out, wanted, out);
  if (r->e.status != QE_OK) return;
  r->g->nodes[r->g->n_nodes - 1]->act = n->act;
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] != QE__NO_VALUE && !is_kept(r, n->out[i])) r->copy[n->out[i]] = out[i];
  }
}

static qe_status_t copy_segment(recompute *r, uint32_t s) {
  for (uint32_t k = r->cut[s]; k < r->cut[s + 1] && r->e.status == QE_OK; k++) {
    const qe__node *n = r->g->nodes[k];
    if (!r->copied[k]) continue;
    qe__value_id *ids = qe__calloc((size_t)n->n_in + n->n_out + 1, sizeof *ids);
    bool *outputs = qe__calloc((size_t)n->n_out + 1, sizeof *outputs);
    if (ids && outputs) copy_node(r, n, ids, outputs, ids + n->n_in);
    else r->e.status = QE_ERROR_OUT_OF_MEMORY;
    qe__free(ids);
    qe__free(outputs);
  }
  return r->e.status;
}

/* The node reads copies where values are not kept; segments get theirs when the first one is asked for. */
static qe_status_t read_copies(recompute *r, qe__node *n, bool *there) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!from_forward(r, n->in[i]) || is_kept(r, n->in[i])) continue;
    const uint32_t s = segment_of(r, (uint32_t)r->uses.producer[n->in[i]]);
    if (!there[s]) QE_TRY(copy_segment(r, s));
    there[s] = true;
    n->in[i] = r->copy[n->in[i]];
  }
  return QE_OK;
}

/* order: room for every node there will be. */
static qe_status_t walk_back(recompute *r, uint32_t n_nodes, qe__node **order) {
  bool there[MAX_SEGMENTS] = {false};
  uint32_t placed = r->n_forward, added = n_nodes;
  for (uint32_t k = r->n_forward; k < n_nodes; k++) {
    qe__node *n = r->g->nodes[k];
    QE_TRY(read_copies(r, n, there));
    while (added < r->g->n_nodes) order[placed++] = r->g->nodes[added++]; /* copies, in front of their first reader */
    order[placed++] = n;
  }
  memcpy(r->g->nodes + r->n_forward, order + r->n_forward, (placed - r->n_forward) * sizeof *order);
  return QE_OK;
}

qe_status_t qe__recompute(qe__graph *g, uint32_t n_forward) {
  const uint32_t n_nodes = g->n_nodes;
  recompute r = {.e = {.g = g}, .g = g, .n_forward = n_forward, .n_values = g->n_values};
  qe__node **order = qe__calloc((size_t)n_nodes + n_forward + 1, sizeof(qe__node *)); /* a node is copied once at most */
  qe_status_t status = order ? start(&r) : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) status = choose_cuts(&r);
  if (status == QE_OK && r.n_segments > 1) status = walk_back(&r, n_nodes, order);
  release(&r);
  qe__free(order);
  return status;
}
