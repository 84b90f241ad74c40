/*
 * Concat and Split along one dimension, any byte-sized type, any strides. A part is a box of the whole; a tile
 * belongs to one part.
 */
#include "nest.h"

typedef struct parts {
  uint32_t n;
  const qe_operand *const *part;
  const qe_operand *whole;
} parts;

static parts parts_of(const qe_problem *p) {
  if (p->op[0] == 'C')
    return (parts){p->n_in, p->in, p->out[0]};
  return (parts){p->n_out, p->out, p->in[0]};
}

int ref_concat_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const parts s = parts_of(p);
  const int64_t axis = p->params->axis;
  int64_t sum = 0;
  bool fits = axis >= 0 && axis < s.whole->rank && ref_dtype_size(s.whole->dtype) != 0;
  for (uint32_t i = 0; fits && i < s.n; ++i) {
    const qe_operand *o = s.part[i];
    if (!o) { /* an output of Split that nobody wants: its size is not known, so only the last may be missing */
      fits = i + 1 == s.n && p->op[0] == 'S';
      continue;
    }
    fits = o->rank == s.whole->rank && o->dtype == s.whole->dtype;
    for (uint32_t d = 0; fits && d < o->rank; ++d)
      fits = d == axis || o->dims[d] == s.whole->dims[d];
    sum += fits ? o->dims[axis] : 0;
  }
  if (!fits || sum > s.whole->dims[axis] || (sum != s.whole->dims[axis] && p->op[0] == 'C'))
    return ref_refuse(reason, reason_size, "%s: the parts do not make up the whole along dimension %lld", p->op,
                      (long long)axis);
  return 1;
}

static int64_t part_tiles(const qe_operand *o) { return o ? ref_ceil_div(o->count, REF_FLAT_TILE) : 0; }

int ref_concat_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const parts s = parts_of(p);
  plan->tiles = 0;
  for (uint32_t i = 0; i < s.n; ++i)
    plan->tiles += part_tiles(s.part[i]);
  return 0;
}

int ref_concat_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const parts s = parts_of(p);
  const bool joins = p->op[0] == 'C';
  const size_t size = ref_dtype_size(s.whole->dtype);
  const int64_t axis = p->params->axis;
  int64_t first_tile = 0, at = 0; /* of the part: its first tile, its place along the axis */
  for (uint32_t i = 0; i < s.n; ++i) {
    const qe_operand *o = s.part[i];
    const int64_t tiles = part_tiles(o), begin = ref_max64(tile_begin, first_tile),
                  end = ref_min64(tile_end, first_tile + tiles);
    if (begin < end) {
      ref_nest nest;
      ref_nest_init(&nest, o->rank, o->dims);
      ref_nest_add(&nest, joins ? s.whole->strides : o->strides);
      ref_nest_add(&nest, joins ? o->strides : s.whole->strides);
      ref_nest_close(&nest);
      const int64_t offset = at * s.whole->strides[axis];
      void *y = joins ? ref_at(call->out[0], size, offset) : call->out[i];
      const void *x = joins ? call->in[i] : ref_at_const(call->in[0], size, offset);
      ref_nest_copy(&nest, size, y, x, (begin - first_tile) * REF_FLAT_TILE, (end - first_tile) * REF_FLAT_TILE);
    }
    first_tile += tiles;
    at += o ? o->dims[axis] : 0;
  }
  return 0;
}
