/*
 * Pad: constant, reflect, edge, wrap. starts holds the leading pads, the trailing ones follow from the shapes; negative
 * pads cut, and the other modes continue what is left. Dimensions without pads that are dense on both sides make up one
 * unit; of the dimension above them, what stays together is copied at once.
 */
#include <string.h>

#include "move/copy.h"

#define TILE_BYTES 131072
#define FILL       INT64_MIN /* in a table: nothing of x */

typedef struct dim {
  int64_t n, y_stride;       /* elements */
  int64_t before, lo, hi;    /* pad; what is left of x: positions lo..hi-1 */
  int64_t x_stride;
} dim;

typedef struct pad {
  uint32_t rank; /* dimensions above the unit, the fastest one last; at least 1 */
  dim dims[QE_MAX_RANK + 1];
  int64_t size, unit, rows, rows_per_tile; /* bytes of an element and of a unit */
} pad;

static dim dim_of(const qe_problem *p, uint32_t d) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t before = p->params->starts[d], behind = y->dims[d] - x->dims[d] - before;
  return (dim){.n = y->dims[d],
               .y_stride = y->strides[d],
               .before = before,
               .lo = fb_max64(0, -before),
               .hi = x->dims[d] + fb_min64(0, behind),
               .x_stride = x->strides[d]};
}

static pad pad_of(const qe_problem *p) {
  const qe_operand *y = p->out[0];
  pad s = {.size = (int64_t)fb_dtype_size(y->dtype)};
  for (uint32_t d = 0; d < y->rank; ++d) { /* from the slowest to the fastest in y */
    uint32_t e = s.rank++;
    for (; e > 0 && s.dims[e - 1].y_stride < y->strides[d]; --e) s.dims[e] = s.dims[e - 1];
    s.dims[e] = dim_of(p, d);
  }
  int64_t unit = 1;
  while (s.rank > 0) {
    const dim *last = &s.dims[s.rank - 1];
    const bool whole = last->before == 0 && last->lo == 0 && last->hi == last->n;
    if (!whole || (last->n != 1 && (last->y_stride != unit || last->x_stride != unit))) break;
    unit *= last->n;
    --s.rank;
  }
  if (s.rank == 0) s.dims[s.rank++] = (dim){.n = 1, .hi = 1};
  s.unit = unit * s.size;
  s.rows = 1;
  for (uint32_t d = 0; d + 1 < s.rank; ++d) s.rows *= s.dims[d].n;
  s.rows_per_tile = fb_max64(1, TILE_BYTES / fb_max64(1, s.dims[s.rank - 1].n * s.unit));
  return s;
}

static bool fill_known(const qe_problem *p) {
  const uint8_t t = p->out[0]->dtype;
  return p->params->mode != QE_PAD_CONSTANT || (t != QE_DT_F16 && t != QE_DT_BF16);
}

int fb_pad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->rank != p->out[0]->rank || p->params->mode > QE_PAD_WRAP || !fill_known(p))
    return fb_refuse(reason, reason_size, "Pad: mode %u of this type is not served", p->params->mode);
  return fb_move_supports(p, reason, reason_size);
}

int fb_pad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const pad s = pad_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(s.rows, s.rows_per_tile);
  for (uint32_t d = 0; d < s.rank; ++d) plan->scratch_size += sizeof(int64_t) * (uint64_t)s.dims[d].n;
  return 0;
}

/* The position of x that position i of y stands for, or FILL. */
static int64_t source(uint32_t mode, const dim *d, int64_t i) {
  const int64_t n = d->hi - d->lo, at = i - d->before;
  if (at >= d->lo && at < d->hi) return at;
  if (n <= 0 || mode == QE_PAD_CONSTANT) return FILL;
  if (mode == QE_PAD_EDGE) return at < d->lo ? d->lo : d->hi - 1;
  const int64_t period = mode == QE_PAD_WRAP ? n : fb_max64(1, 2 * (n - 1));
  const int64_t k = ((at - d->lo) % period + period) % period;
  return d->lo + (k < n ? k : period - k);
}

/* One element as the type has it. */
static void fill_of(const qe_problem *p, uint8_t element[8]) {
  const float real = p->params->fill;
  const double wide = (double)real;
  const int64_t whole = p->out[0]->dtype == QE_DT_BOOL ? p->params->fill_int != 0 : p->params->fill_int;
  if (p->out[0]->dtype == QE_DT_F32)
    memcpy(element, &real, sizeof real);
  else if (p->out[0]->dtype == QE_DT_F64)
    memcpy(element, &wide, sizeof wide);
  else
    memcpy(element, &whole, sizeof whole); /* little-endian: the low bytes come first */
}

static void fill_units(const pad *s, char *y, const uint8_t *element, int64_t n) {
  if (s->size == 1) {
    memset(y, element[0], (size_t)(n * s->unit));
    return;
  }
  for (int64_t i = 0; i < n * s->unit; i += s->size) memcpy(y + i, element, (size_t)s->size);
}

/* One row of y along the fastest dimension above the unit. x: NULL when all of it is filled. */
static void pad_row(const pad *s, char *y, const char *x, const int64_t *table, const uint8_t *element) {
  const dim *d = &s->dims[s->rank - 1];
  const int64_t y_step = d->y_stride * s->size, unit = s->unit;
  const bool together = x && y_step == unit && d->x_stride * s->size == unit;
  const int64_t first = fb_max64(0, d->before + d->lo), inside = fb_min64(d->n, d->before + d->hi) - first;
  for (int64_t i = 0; i < d->n; ++i) {
    if (together && i == first && inside > 0) {
      memcpy(y + i * unit, x + table[i] * s->size, (size_t)(inside * unit));
      i += inside - 1;
    } else if (x && table[i] != FILL) {
      memcpy(y + i * y_step, x + table[i] * s->size, (size_t)unit);
    } else {
      fill_units(s, y + i * y_step, element, 1);
    }
  }
}

int fb_pad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const pad s = pad_of(p);
  const uint32_t last = s.rank - 1;
  uint8_t element[8];
  fill_of(p, element);
  int64_t *table[QE_MAX_RANK + 1], *next = call->scratch;
  for (uint32_t d = 0; d < s.rank; ++d) {
    table[d] = next;
    for (int64_t i = 0; i < s.dims[d].n; ++i) {
      const int64_t at = source(p->params->mode, &s.dims[d], i);
      *next++ = at == FILL ? FILL : at * s.dims[d].x_stride;
    }
  }
  const int64_t end = fb_min64(tile_end * s.rows_per_tile, s.rows);
  for (int64_t row = tile_begin * s.rows_per_tile; row < end; ++row) {
    int64_t rest = row, to = 0, from = 0;
    bool filled = false;
    for (uint32_t d = last; d-- > 0;) {
      const int64_t i = rest % s.dims[d].n;
      rest /= s.dims[d].n;
      to += i * s.dims[d].y_stride;
      filled = filled || table[d][i] == FILL;
      from += filled ? 0 : table[d][i];
    }
    pad_row(&s, (char *)call->out[0] + to * s.size, filled ? NULL : (const char *)call->in[0] + from * s.size, table[last],
            element);
  }
  return 0;
}
