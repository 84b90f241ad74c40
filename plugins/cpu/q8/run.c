/*
 * Tiles of a product. With a constant weight, tiles follow one another row by row, so that a thread finds its rows
 * prepared for the next columns; else column by column, so that it finds its columns packed for the next rows.
 */
#include "q8/window.h"

typedef struct run {
  const fb_q8_product *p;
  const fb_q8_core *core;
  const qe_call *call;
  fb_q8_cut cut;
  uint64_t part_size;
  const char *weights;
  fb_q8_columns known, late; /* late: of one part */
  bool is_late, by_rows, w_zeros;
  int32_t x_zero;
  int32_t *row_sum;
  char *y, *packed, *scratch; /* of its own: outputs that go elsewhere, a weight, the core's */
  fb_q8_found found;
  fb_q8_finish finish;
  int64_t part, n0; /* columns that are ready; part -1: none */
  int64_t l1d;
} run;

static fb_q8_finish finish_of(const fb_q8_product *p) {
  const qe_problem *q = p->problem;
  fb_q8_finish f = {.to = (p->integer && !p->scaled) || fb_q8_by_rows(p) ? FB_Q8_SUMS : FB_Q8_REAL,
                    .act_lo = q->act_lo,
                    .act_hi = q->act_hi};
  if (f.to == FB_Q8_REAL && q->out[0]->dtype != QE_DT_F32) {
    f.to = FB_Q8_CODES;
    f.zero = q->out[0]->zero_points[0];
    fb_code_range(q, &f.lo, &f.hi);
  }
  return f;
}

static run begin(const fb_q8_product *p, const fb_q8_core *core, const qe_call *call, const fb_q8_cut *cut,
                 const char *packed) {
  const fb_q8_scratch s = fb_q8_scratch_of(p, core, cut);
  const fb_q8_packed *header = (const void *)packed;
  const int64_t count = fb_q8_columns_count(p);
  char *scratch = call->scratch;
  const char *columns = packed + sizeof *header;
  return (run){.p = p,
               .core = core,
               .call = call,
               .cut = *cut,
               .part_size = header->part,
               .weights = columns + fb_q8_columns_size(count),
               .known = fb_q8_columns_at(columns, count),
               .late = fb_q8_columns_at(scratch + s.late, p->n),
               .is_late = fb_q8_columns_late(p),
               .by_rows = fb_q8_by_rows(p),
               .w_zeros = p->integer ? fb_q8_has_w_zeros(p, call) : header->has_w_zeros != 0,
               .x_zero = fb_q8_x_zero(p, call, 0),
               .row_sum = (void *)(scratch + s.row_sum),
               .y = scratch + s.y,
               .packed = scratch + s.weight,
               .scratch = scratch + s.core,
               .found = {.data = call->in[0],
                         .end = (const uint8_t *)call->in[0] + p->problem->in[0]->count,
                         .zero = fb_q8_x_zero_code(p, call),
                         .part = -1,
                         .space = (void *)(scratch + s.space),
                         .x = (void *)(scratch + s.x)},
               .finish = finish_of(p),
               .part = -1};
}

/* Columns from n0 on become those of r->finish and, when it is no constant, of r->packed. */
static void ready_columns(run *r, int64_t part, int64_t n0, int64_t n1) {
  const fb_q8_product *p = r->p;
  if (r->part == part && r->n0 == n0) return;
  r->part = part;
  r->n0 = n0;
  const int64_t first = p->own_columns ? part * p->n : 0;
  fb_q8_columns known = {.bias = r->known.bias + first,
                         .zero = r->known.zero + first,
                         .sums = r->known.sums + first,
                         .m = r->known.m + first,
                         .real_bias = r->known.real_bias + first};
  if (!p->constant) {
    const fb_q8_weight w = fb_q8_codes_weight(p, r->call->in[1], part, n0, n1);
    known.sums = r->late.sums;
    r->core->pack(&w, r->packed, known.sums + n0);
  }
  fb_q8_columns now = known;
  if (r->is_late) {
    fb_q8_columns_now(p, r->call, part, n0, n1, &known, &r->late);
    now = r->late;
    if (!p->scaled) now.m = known.m;
    now.sums = known.sums;
  }
  const int64_t shift = p->constant ? 0 : n0;
  r->finish.bias = now.bias + shift;
  r->finish.m = now.m + shift;
  r->finish.col_zero = r->w_zeros ? now.zero + shift : NULL;
  r->finish.real_bias = fb_q8_has_bias(p) ? now.real_bias + shift : NULL;
}

/* Returns whether they were there already. */
static bool ready_rows(run *r, int64_t part, int64_t first, int64_t count) {
  const fb_q8_product *p = r->p;
  fb_q8_found *f = &r->found;
  if (f->part == part && f->first == first && f->count == count) return true;
  f->part = part;
  f->first = first;
  f->count = count;
  p->find_rows(p, f);
  if (!r->w_zeros) return false;
  fb_q8_row_sums(f->x, count, p->taps, p->kc, p->flip, r->row_sum);
  const int64_t k = p->taps * p->kc;
  for (int64_t i = 0; i < count; ++i)
    r->row_sum[i] -= (int32_t)(k * (r->by_rows ? fb_q8_x_zero(p, r->call, first + i) : r->x_zero));
  return false;
}

static void block(run *r, int64_t part, int64_t first, int64_t count, int64_t n0, int64_t n1) {
  const fb_q8_product *p = r->p;
  ready_columns(r, part, n0, n1);
  const bool same = ready_rows(r, part, first, count), own = p->scattered || r->by_rows;
  const int64_t size = r->finish.to == FB_Q8_CODES ? 1 : 4;
  const int64_t shift = p->constant ? 0 : n0;
  char *y = own ? r->y : (char *)r->call->out[0] + size * (part * p->y_part + first * p->y_step);
  const fb_q8_block b = {.x = r->found.x,
                         .rows = count,
                         .taps = p->taps,
                         .kc = p->kc,
                         .flip = p->flip,
                         .x_step = r->found.x_step,
                         .x_run = r->found.x_run,
                         .stepped = p->stepped,
                         .row_sum = r->w_zeros ? r->row_sum : NULL,
                         .packed = p->constant ? r->weights + (uint64_t)part * r->part_size
                                               : r->packed,
                         .n = p->constant ? p->n : n1 - n0,
                         .n0 = n0 - shift,
                         .n1 = n1 - shift,
                         .finish = &r->finish,
                         .y = y + size * shift,
                         .y_step = own ? p->n : p->y_step,
                         .scratch = r->scratch,
                         .l1d = r->l1d,
                         .same_rows = same,
                         .zeros = r->found.space,
                         .zeros_size = r->x_zero == 0 ? p->zeros : 0};
  r->core->block(&b);
  if (r->by_rows) {
    fb_q8_columns c = r->known;
    if (!p->constant) c.sums = r->late.sums;
    fb_q8_finish_by_rows(p, r->call, &c, part, first, count, n0, n1, (void *)r->y);
  } else if (p->scattered) {
    fb_q8_window_scatter(p, r->y, r->call->out[0], part, first, count, n0, n1, size);
  }
}

/* Tile `at` and those before `end` that continue its columns or parts; returns how many. */
static int64_t tiles(run *r, int64_t at, int64_t end) {
  const fb_q8_product *p = r->p;
  const fb_q8_cut *cut = &r->cut;
  const int64_t downs = fb_ceil_div(p->rows, cut->rows), across = fb_ceil_div(p->n, cut->cols);
  const int64_t sides = fb_ceil_div(p->parts, cut->parts) * across;
  const int64_t down = p->constant ? at / sides : at % downs, side = p->constant ? at % sides : at / downs;
  const int64_t more = across > 1 ? across - side % across : sides - side;
  const int64_t count = p->constant ? fb_min64(end - at, more) : 1;
  const int64_t row_end = fb_min64((down + 1) * cut->rows, p->rows);
  const int64_t part0 = side / across * cut->parts;
  const int64_t part_end = fb_min64(part0 + cut->parts * (across > 1 ? 1 : count), p->parts);
  const int64_t n0 = side % across * cut->cols, n1 = fb_min64(n0 + cut->cols * (across > 1 ? count : 1), p->n);
  for (int64_t part = part0; part < part_end; ++part)
    for (int64_t row = down * cut->rows; row < row_end; row += cut->block)
      block(r, part, row, fb_min64(cut->block, row_end - row), n0, n1);
  return count;
}

int fb_q8_run(const fb_q8_op *op, const fb_q8_core *core, void *self, const qe_call *call, int64_t tile_begin,
              int64_t tile_end) {
  fb_q8_product product = {.phases = 1};
  const char *packed = call->packed;
  for (int64_t phase = 0; phase < product.phases && tile_begin < tile_end; ++phase) {
    op->describe(call->problem, core, phase, &product);
    const fb_q8_cut cut = fb_q8_cut_of(&product, core);
    if (tile_begin < cut.tiles) {
      run r = begin(&product, core, call, &cut, packed);
      r.l1d = fb_l1d(fb_cpu(self));
      const int64_t end = fb_min64(tile_end, cut.tiles);
      for (int64_t at = fb_max64(tile_begin, 0); at < end;) at += tiles(&r, at, end);
    }
    packed += ((const fb_q8_packed *)(const void *)packed)->size;
    tile_begin -= cut.tiles;
    tile_end -= cut.tiles;
  }
  return 0;
}
