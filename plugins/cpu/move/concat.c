/* Concat and Split along one dimension: a part is a box of the whole; a tile belongs to one part. */
#include "move/copy.h"

typedef struct parts {
  uint32_t n;
  const qe_operand *const *part;
  const qe_operand *whole;
} parts;

static parts parts_of(const qe_problem *p) {
  if (p->op[0] == 'C') return (parts){p->n_in, p->in, p->out[0]};
  return (parts){p->n_out, p->out, p->in[0]};
}

int fb_concat_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const parts s = parts_of(p);
  const int64_t axis = p->params->axis;
  int64_t sum = 0;
  bool fits = axis >= 0 && axis < s.whole->rank && fb_dtype_size(s.whole->dtype) > 0;
  for (uint32_t i = 0; fits && i < s.n; ++i) {
    const qe_operand *o = s.part[i];
    if (!o) { /* an output of Split that nobody wants: its size is not known, so only the last may be missing */
      fits = i + 1 == s.n && p->op[0] == 'S';
      continue;
    }
    fits = o->rank == s.whole->rank && o->dtype == s.whole->dtype;
    for (uint32_t d = 0; fits && d < o->rank; ++d) fits = d == axis || o->dims[d] == s.whole->dims[d];
    sum += fits ? o->dims[axis] : 0;
  }
  if (!fits || sum > s.whole->dims[axis] || (sum != s.whole->dims[axis] && p->op[0] == 'C'))
    return fb_refuse(reason, reason_size, "%s: the parts do not make up the whole along dimension %lld", p->op,
                     (long long)axis);
  return 1;
}

static fb_copy copy_of(const parts *s, const qe_operand *part, bool joins) {
  fb_copy c;
  fb_copy_init(&c, fb_dtype_size(part->dtype), part->rank, part->dims, joins ? s->whole->strides : part->strides,
               joins ? part->strides : s->whole->strides);
  return c;
}

int fb_concat_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const parts s = parts_of(p);
  plan->tiles = 0;
  for (uint32_t i = 0; i < s.n; ++i) {
    if (!s.part[i]) continue;
    const fb_copy c = copy_of(&s, s.part[i], p->op[0] == 'C');
    plan->tiles += fb_copy_tiles(&c);
  }
  return 0;
}

int fb_concat_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const parts s = parts_of(p);
  const bool joins = p->op[0] == 'C';
  int64_t first_tile = 0, at = 0; /* of the part: its first tile, its place along the axis */
  for (uint32_t i = 0; i < s.n && first_tile < tile_end; ++i) {
    const qe_operand *part = s.part[i];
    if (!part) continue;
    const fb_copy c = copy_of(&s, part, joins);
    const int64_t tiles = fb_copy_tiles(&c), begin = fb_max64(tile_begin, first_tile),
                  end = fb_min64(tile_end, first_tile + tiles);
    if (begin < end) {
      const int64_t offset = at * s.whole->strides[p->params->axis];
      void *y = joins ? fb_element(call->out[0], c.size, offset) : call->out[i];
      const void *x = joins ? call->in[i] : fb_element_const(call->in[0], c.size, offset);
      fb_copy_run(&c, y, x, begin - first_tile, end - first_tile);
    }
    first_tile += tiles;
    at += part->dims[p->params->axis];
  }
  return 0;
}
