/* Loop nests over strided operands (nest.h). */
#include "nest.h"

#include <string.h>

void ref_nest_init(ref_nest *nest, uint32_t rank, const int64_t *dims) {
  nest->rank = rank;
  nest->n = 0;
  nest->count = 1;
  for (uint32_t d = 0; d < rank; ++d) {
    nest->dims[d] = dims[d];
    nest->count *= dims[d];
  }
}

void ref_nest_add(ref_nest *nest, const int64_t *strides) {
  for (uint32_t d = 0; d < nest->rank; ++d)
    nest->strides[nest->n][d] = strides[d];
  ++nest->n;
}

void ref_nest_add_operand(ref_nest *nest, const qe_operand *o) {
  ref_broadcast_strides(o, nest->rank, nest->strides[nest->n++]);
}

static void move_dim(ref_nest *nest, uint32_t from, uint32_t to) {
  nest->dims[to] = nest->dims[from];
  for (uint32_t i = 0; i < nest->n; ++i)
    nest->strides[i][to] = nest->strides[i][from];
}

static void swap_dims(ref_nest *nest, uint32_t a, uint32_t b) {
  const int64_t dim = nest->dims[a];
  nest->dims[a] = nest->dims[b];
  nest->dims[b] = dim;
  for (uint32_t i = 0; i < nest->n; ++i) {
    const int64_t stride = nest->strides[i][a];
    nest->strides[i][a] = nest->strides[i][b];
    nest->strides[i][b] = stride;
  }
}

/* Do dimensions d and d + 1 make one for every operand? */
static bool joins(const ref_nest *nest, uint32_t d) {
  for (uint32_t i = 0; i < nest->n; ++i)
    if (nest->strides[i][d] != nest->strides[i][d + 1] * nest->dims[d + 1])
      return false;
  return true;
}

void ref_nest_close(ref_nest *nest) {
  uint32_t kept = 0;
  for (uint32_t d = 0; d < nest->rank; ++d)
    if (nest->dims[d] != 1)
      move_dim(nest, d, kept++);
  for (uint32_t d = 1; d < kept; ++d)
    for (uint32_t e = d; e > 0 && nest->strides[0][e - 1] < nest->strides[0][e]; --e)
      swap_dims(nest, e - 1, e);
  for (uint32_t d = 0; d + 1 < kept;) {
    if (!joins(nest, d)) {
      ++d;
      continue;
    }
    nest->dims[d + 1] *= nest->dims[d];
    for (uint32_t e = d; e + 1 < kept; ++e)
      move_dim(nest, e + 1, e);
    --kept;
  }
  if (kept == 0) {
    nest->dims[0] = 1;
    for (uint32_t i = 0; i < nest->n; ++i)
      nest->strides[i][0] = 0;
    kept = 1;
  }
  nest->rank = kept;
}

void ref_nest_of_problem(ref_nest *nest, const qe_problem *p) {
  const qe_operand *y = p->out[0];
  ref_nest_init(nest, y->rank, y->dims);
  ref_nest_add(nest, y->strides);
  for (uint32_t i = 0; i < p->n_in; ++i)
    ref_nest_add_operand(nest, p->in[i]);
  ref_nest_close(nest);
}

static void set_piece(ref_walk *w) {
  const ref_nest *nest = w->nest;
  const uint32_t last = nest->rank - 1;
  w->n = w->at < w->end ? ref_min64(nest->dims[last] - w->index[last], w->end - w->at) : 0;
}

void ref_walk_start(ref_walk *w, const ref_nest *nest, int64_t begin, int64_t end) {
  w->nest = nest;
  w->at = begin;
  w->end = ref_min64(end, nest->count);
  for (uint32_t i = 0; i < nest->n; ++i) {
    w->offset[i] = 0;
    w->step[i] = nest->strides[i][nest->rank - 1];
  }
  int64_t rest = begin;
  for (uint32_t d = nest->rank; d-- > 0;) {
    const int64_t dim = ref_max64(nest->dims[d], 1);
    w->index[d] = rest % dim;
    rest /= dim;
    for (uint32_t i = 0; i < nest->n; ++i)
      w->offset[i] += w->index[d] * nest->strides[i][d];
  }
  set_piece(w);
}

void ref_walk_next(ref_walk *w) {
  const ref_nest *nest = w->nest;
  uint32_t d = nest->rank - 1;
  w->at += w->n;
  for (uint32_t i = 0; i < nest->n; ++i)
    w->offset[i] += w->n * nest->strides[i][d];
  w->index[d] += w->n;
  while (w->index[d] == nest->dims[d] && d > 0) {
    for (uint32_t i = 0; i < nest->n; ++i)
      w->offset[i] += nest->strides[i][d - 1] - nest->dims[d] * nest->strides[i][d];
    w->index[d] = 0;
    ++w->index[--d];
  }
  set_piece(w);
}

int ref_broadcast_check(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *y = p->out[0];
  if (p->n_in + 1 > REF_NEST_MAX)
    return ref_refuse(reason, reason_size, "%s: %u inputs, at most %d are possible", p->op, p->n_in, REF_NEST_MAX - 1);
  for (uint32_t i = 0; i < p->n_in; ++i) {
    const qe_operand *x = p->in[i];
    bool fits = x && x->rank <= y->rank;
    for (uint32_t d = 0; fits && d < x->rank; ++d)
      fits = x->dims[d] == 1 || x->dims[d] == y->dims[y->rank - x->rank + d];
    if (!fits)
      return ref_refuse(reason, reason_size, "%s: input %u does not broadcast to the output", p->op, i);
  }
  return 1;
}

int ref_broadcast_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  plan->tiles = ref_ceil_div(y->count, REF_FLAT_TILE);
  const bool same = x->rank == y->rank && memcmp(x->dims, y->dims, sizeof x->dims[0] * x->rank) == 0 &&
                    memcmp(x->strides, y->strides, sizeof x->strides[0] * x->rank) == 0;
  if (same && ref_dtype_size(x->dtype) == ref_dtype_size(y->dtype))
    plan->flags = QE_PLAN_INPLACE;
  return 0;
}

/* memcpy of a fixed size is one load and one store, whatever the elements' type is. */
#define COPY(bytes)                                                                                 \
  for (int64_t i = 0; i < n; ++i)                                                                   \
    memcpy((char *)y + i * y_step * (bytes), (const char *)x + i * x_step * (bytes), (bytes));      \
  break

void ref_copy_elements(size_t size, void *y, int64_t y_step, const void *x, int64_t x_step, int64_t n) {
  if (n <= 0)
    return;
  if (y_step == 1 && x_step == 1) {
    memcpy(y, x, (size_t)n * size);
    return;
  }
  switch (size) {
  case 1: COPY(1);
  case 2: COPY(2);
  case 4: COPY(4);
  default: COPY(8);
  }
}

void ref_nest_copy(const ref_nest *nest, size_t size, void *y, const void *x, int64_t begin, int64_t end) {
  ref_walk w;
  for (ref_walk_start(&w, nest, begin, end); w.n > 0; ref_walk_next(&w))
    ref_copy_elements(size, ref_at(y, size, w.offset[0]), w.step[0], ref_at_const(x, size, w.offset[1]), w.step[1],
                      w.n);
}

int ref_move_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (x->dtype != y->dtype || ref_dtype_size(y->dtype) == 0)
    return ref_refuse(reason, reason_size, "%s: %s -> %s, expected one type of whole bytes", p->op,
                      ref_dtype_name(x->dtype), ref_dtype_name(y->dtype));
  return 1;
}
