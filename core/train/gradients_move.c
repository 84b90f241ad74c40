/* Gradients of ops that take, put or join elements: what is taken goes back to where it came from, the rest is 0. */
#include "train/gradients.h"

/* v with before[d] zeros in front and behind[d] after dimension d; negative: cut. */
static qe__value_id padded(qe__emit *e, qe__value_id v, uint32_t rank, const int64_t *before, const int64_t *behind) {
  int64_t pads[2 * QE_MAX_RANK];
  bool any = false;
  for (uint32_t d = 0; d < rank; d++) {
    pads[d] = before[d];
    pads[rank + d] = behind[d];
    any = any || before[d] != 0 || behind[d] != 0;
  }
  return any ? qe__emit_binary(e, QE__OP_Pad, v, qe__emit_ints(e, 2 * rank, pads)) : v;
}

/* Position i of dimension d goes to position[i] (an int64 vector) of the `size` there are. */
static qe__value_id put_back(qe__emit *e, qe__value_id v, uint32_t d, int64_t size, uint32_t count, const int64_t *position) {
  qe__shape s = qe__shape_of(e->g, v);
  s.dims[d] = size;
  const qe__attr attr[2] = {QE__INT("axis", d), QE__INTS("shape", s.rank, s.dims)};
  const qe__value_id in[2] = {v, qe__emit_ints(e, count, position)};
  return qe__emit_node(e, QE__OP_GatherGrad, 2, in, 2, attr);
}

static int64_t *new_positions(qe__emit *e, int64_t n) {
  int64_t *p = n <= UINT32_MAX ? qe__calloc((size_t)n + 1, sizeof *p) : NULL;
  if (p == NULL) qe__emit_failed(e, QE_ERROR_OUT_OF_MEMORY);
  return p;
}

void qe__gradient_concat(qe__gradient *c) {
  const uint32_t axis = (uint32_t)c->params.axis;
  int64_t at = 0;
  for (uint32_t i = 0; i < c->n->n_in; i++) {
    const int64_t size = qe__gradient_shape(c, i).dims[axis];
    if (c->want[i]) c->dx[i] = qe__emit_slice(&c->e, c->dy[0], axis, at, at + size);
    at += size;
  }
}

/* A part that the loss does not depend on is 0. */
void qe__gradient_split(qe__gradient *c) {
  qe__value_id parts[QE__MAX_OUTPUTS];
  const qe__node *n = c->n;
  for (uint32_t i = 0; i < n->n_out; i++) {
    const qe__shape s = qe__shape_of(c->e.g, n->out[i]);
    parts[i] = c->dy[i] != QE__NO_VALUE ? c->dy[i] : qe__emit_filled(&c->e, s.rank, s.dims, 0.0f);
  }
  const qe__attr axis = QE__INT("axis", c->params.axis);
  c->dx[0] = n->n_out == 1 ? parts[0] : qe__emit_node(&c->e, QE__OP_Concat, n->n_out, parts, 1, &axis);
}

/* Steps of 1 become padding, others a GatherGrad. */
void qe__gradient_slice(qe__gradient *c) {
  const qe_op_params *p = &c->params;
  const qe__shape x = qe__gradient_shape(c, 0), y = qe__shape_of(c->e.g, c->dy[0]);
  int64_t before[QE_MAX_RANK] = {0}, behind[QE_MAX_RANK] = {0};
  qe__value_id v = c->dy[0];
  for (uint32_t d = 0; d < x.rank; d++) {
    if (p->steps[d] == 1 || y.dims[d] == 0) {
      before[d] = p->starts[d];
      behind[d] = x.dims[d] - y.dims[d] - before[d];
      continue;
    }
    int64_t *position = new_positions(&c->e, y.dims[d]);
    for (int64_t i = 0; position != NULL && i < y.dims[d]; i++) position[i] = p->starts[d] + i * p->steps[d];
    if (position != NULL) v = put_back(&c->e, v, d, x.dims[d], (uint32_t)y.dims[d], position);
    qe__free(position);
  }
  c->dx[0] = padded(&c->e, v, x.rank, before, behind);
}

/* The position that element i of a padded dimension was taken from; lo..hi-1 are what negative pads left. */
static int64_t pad_source(uint32_t mode, int64_t i, int64_t lo, int64_t hi) {
  const int64_t n = hi - lo, period = mode == QE_PAD_WRAP || n == 1 ? n : 2 * (n - 1);
  if (mode == QE_PAD_EDGE) return i < lo ? lo : i >= hi ? hi - 1 : i;
  const int64_t k = ((i - lo) % period + period) % period;
  return lo + (k < n ? k : period - k);
}

void qe__gradient_pad(qe__gradient *c) {
  const qe_op_params *p = &c->params;
  const qe__shape x = qe__gradient_shape(c, 0), y = qe__shape_of(c->e.g, c->dy[0]);
  int64_t before[QE_MAX_RANK] = {0}, behind[QE_MAX_RANK] = {0};
  qe__value_id v = c->dy[0];
  for (uint32_t d = 0; d < x.rank; d++) {
    const int64_t first = p->starts[d], last = y.dims[d] - x.dims[d] - first;
    if (p->mode == QE_PAD_CONSTANT || (first <= 0 && last <= 0) || y.dims[d] == 0) {
      before[d] = -first;
      behind[d] = -last;
      continue;
    }
    int64_t *position = new_positions(&c->e, y.dims[d]);
    const int64_t lo = first < 0 ? -first : 0, hi = x.dims[d] + (last < 0 ? last : 0);
    for (int64_t i = 0; position != NULL && i < y.dims[d]; i++) position[i] = pad_source(p->mode, i - first, lo, hi);
    if (position != NULL) v = put_back(&c->e, v, d, x.dims[d], (uint32_t)y.dims[d], position);
    qe__free(position);
  }
  c->dx[0] = padded(&c->e, v, x.rank, before, behind);
}

void qe__gradient_gather(qe__gradient *c) {
  qe__shape x = qe__gradient_shape(c, 0);
  const qe__attr attr[2] = {QE__INT("axis", c->params.axis), QE__INTS("shape", x.rank, x.dims)};
  c->dx[0] = qe__emit_node(&c->e, QE__OP_GatherGrad, 2, (qe__value_id[]){c->dy[0], c->n->in[1]}, 2, attr);
}

void qe__gradient_trilu(qe__gradient *c) {
  qe__value_id in[2] = {c->dy[0], qe__gradient_has(c, 1) ? c->n->in[1] : QE__NO_VALUE};
  c->dx[0] = qe__gradient_like(c, QE__OP_Trilu, qe__gradient_has(c, 1) ? 2 : 1, in, 0, NULL);
}
