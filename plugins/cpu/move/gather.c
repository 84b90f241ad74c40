/*
 * Gather along one dimension, row-major: y[outer, i, inner] = x[outer, indices[i], inner]. Indices int32 or int64,
 * negative ones count from the end; one out of range fails the run. A tile is a number of (outer, i) rows.
 */
#include <string.h>

#include "move/copy.h"

#define TILE_BYTES 131072

typedef struct shape {
  int64_t outer, size, indices, bytes, rows_per_tile;
} shape;

static shape shape_of(const qe_problem *p) {
  const qe_operand *x = p->in[0];
  const int64_t axis = p->params->axis;
  shape s = {.outer = 1, .size = x->dims[axis], .indices = p->in[1]->count, .bytes = (int64_t)fb_dtype_size(x->dtype)};
  for (int64_t d = 0; d < axis; ++d) s.outer *= x->dims[d];
  for (int64_t d = axis + 1; d < x->rank; ++d) s.bytes *= x->dims[d];
  s.rows_per_tile = fb_max64(1, TILE_BYTES / fb_max64(16, s.bytes));
  return s;
}

int fb_gather_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *indices = p->in[1];
  const int64_t axis = p->params->axis;
  if (indices->dtype != QE_DT_I32 && indices->dtype != QE_DT_I64)
    return fb_refuse(reason, reason_size, "Gather: expected indices of int32 or int64");
  if (axis < 0 || axis >= x->rank) return fb_refuse(reason, reason_size, "Gather: axis %lld", (long long)axis);
  if (!fb_move_supports(p, reason, reason_size)) return 0;
  const shape s = shape_of(p);
  if (s.outer * s.indices * s.bytes != p->out[0]->count * (int64_t)fb_dtype_size(x->dtype))
    return fb_refuse(reason, reason_size, "Gather: the output's size does not fit");
  return 1;
}

int fb_gather_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const shape s = shape_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(s.outer * s.indices, s.rows_per_tile);
  return 0;
}

#define COPY(n)                                                                    \
  for (; i < end; ++i, to += (n)) {                                                \
    const int64_t index = wide ? at64[i] : at32[i];                                \
    if (index < -s->size || index >= s->size) return 1;                            \
    memcpy(to, from + (index + (index < 0 ? s->size : 0)) * (n), (size_t)(n));     \
  }                                                                                \
  return 0

/* Indices i..end-1 of one outer index; elements and small rows of a fixed size are one load and one store. */
static int some_rows(const shape *s, char *to, const char *from, const void *indices, bool wide, int64_t i, int64_t end) {
  const int64_t *at64 = indices;
  const int32_t *at32 = indices;
  switch (s->bytes) {
  case 1: COPY(1);
  case 4: COPY(4);
  case 8: COPY(8);
  default: COPY(s->bytes);
  }
}

int fb_gather_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const shape s = shape_of(p);
  const int64_t end = fb_min64(tile_end * s.rows_per_tile, s.outer * s.indices);
  for (int64_t row = tile_begin * s.rows_per_tile; row < end;) {
    const int64_t outer = row / s.indices, first = row - outer * s.indices,
                  n = fb_min64(s.indices - first, end - row);
    const char *from = (const char *)call->in[0] + outer * s.size * s.bytes;
    char *to = (char *)call->out[0] + row * s.bytes;
    if (some_rows(&s, to, from, call->in[1], p->in[1]->dtype == QE_DT_I64, first, first + n) != 0) return 1;
    row += n;
  }
  return 0;
}
