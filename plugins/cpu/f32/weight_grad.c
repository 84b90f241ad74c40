/*
 * ConvWeightGrad, float32, channels last: dw[o, c, tap] is a sum over positions (samples and outputs, in row-major order),
 * so the channels of dy and x make outer products (outer.h). Columns are the channels of the side that fills vectors
 * better, rows those of the other. A block is rows x columns of one tap; a tile some blocks for some taps, whose sums
 * rest in scratch while it goes through the positions piece by piece, a piece being what the second-level cache holds.
 * At the ends of chunks sums go to totals.
 */
#include "f32/ops.h"
#include "f32/weight_grad.h"
#include "spatial.h"
#include "train/channels.h"

#define TILE_WORK 500000 /* least multiplications of a tile, if there are to be several */

enum { CHUNK = FB_F32_CHUNK, DY = 0, X = 1, FEWEST = 64, TILES_PER_CORE = 4 };

typedef struct grad {
  const fb_f32_core *core;
  const qe_operand *dw;
  fb_f32_window w;
  int64_t groups, ic, oc; /* channels per group of x and dy */
  int64_t taps, positions;
  bool along_x;           /* columns are channels of x */
  int64_t m, n;           /* rows and columns of a group */
  int64_t rows, cols;     /* most of a block; cols: whole vectors */
  int64_t row_blocks, col_blocks, blocks;
  int64_t block_step, tap_step; /* of a tile */
  int64_t block_tiles, tap_tiles;
  int64_t piece, runs; /* most positions of a piece, and runs of it */
} grad;

/* About the cycles for a position that the busiest core needs when blocks are rows x vecs. */
static int64_t cost(const grad *g, int64_t m, int64_t n, int64_t rows, int64_t vecs, int64_t cores) {
  const int64_t blocks = g->groups * g->taps * fb_ceil_div(m, rows) * fb_ceil_div(n, vecs * g->core->lanes);
  const int64_t of_block = fb_max64(rows * vecs, fb_max64(rows + vecs, 8)) + 2;
  return fb_ceil_div(blocks, cores) * of_block;
}

static void choose_blocks(grad *g, int64_t cores) {
  int64_t best = -1;
  for (int along_x = 1; along_x >= 0; --along_x) {
    const int64_t m = along_x ? g->oc : g->ic, n = along_x ? g->ic : g->oc, vecs_n = fb_ceil_div(n, g->core->lanes);
    for (int64_t most = fb_min64(m, g->core->rows); most > 0; --most) {
      const int64_t rows = fb_ceil_div(m, fb_ceil_div(m, most)); /* evenly */
      for (int64_t vecs = fb_min64(g->core->outer_vecs[rows - 1], vecs_n); vecs > 0; --vecs) {
        if (vecs > 2 && vecs < g->core->outer_vecs[rows - 1]) continue;
        const int64_t c = cost(g, m, n, rows, vecs, cores);
        if (best >= 0 && c >= best) continue;
        best = c;
        g->along_x = along_x;
        g->m = m;
        g->n = n;
        g->rows = rows;
        g->cols = vecs * g->core->lanes;
      }
    }
  }
  g->row_blocks = fb_ceil_div(g->m, g->rows);
  g->col_blocks = fb_ceil_div(g->n, g->cols);
  g->blocks = g->groups * g->row_blocks * g->col_blocks;
}

/*
 * So that the busiest core has as little to do as possible, in as few tiles as that takes, because each tile goes
 * through all positions, which come from memory.
 */
static void choose_tiles(grad *g, const qe_cpu *cpu) {
  const fb_f32_axis *a = g->w.axis;
  const int64_t l2 = (int64_t)(cpu->l2 ? cpu->l2 : 1 << 19) / (int64_t)sizeof(float), block = g->rows * g->cols;
  const int64_t cores = (int64_t)cpu->cores, most_units = fb_max64(1, l2 / 4 / block);
  const int64_t work = g->blocks * g->taps * block * g->positions;
  const int64_t most = fb_min64(TILES_PER_CORE * cores, fb_max64(1, work / TILE_WORK));
  int64_t best = -1;
  for (int64_t tiles = 1; tiles <= fb_min64(most, g->blocks); ++tiles)
    for (int64_t tap_tiles = 1; tap_tiles <= fb_min64(most / tiles, g->taps); ++tap_tiles) {
      const int64_t block_step = fb_ceil_div(g->blocks, tiles), tap_step = fb_ceil_div(g->taps, tap_tiles);
      const int64_t busiest = fb_ceil_div(tiles * tap_tiles, cores) * block_step * tap_step;
      if (best >= 0 && busiest >= best) continue;
      best = busiest;
      g->block_step = block_step;
      g->tap_step = tap_step;
    }
  while (g->block_step > 1 && g->block_step * g->tap_step > most_units) g->block_step = fb_ceil_div(g->block_step, 2);
  while (g->tap_step > 1 && g->block_step * g->tap_step > most_units) g->tap_step = fb_ceil_div(g->tap_step, 2);
  g->block_tiles = fb_ceil_div(g->blocks, g->block_step);
  g->tap_tiles = fb_ceil_div(g->taps, g->tap_step);
  const int64_t floats = g->groups * (g->ic * fb_min64(a[1].in_step, 4) * fb_min64(a[2].in_step, 4) + g->oc);
  g->piece = fb_min64(fb_max64(FEWEST, l2 / 4 / floats), CHUNK);
  g->runs = fb_min64(g->piece, 2 + g->piece / fb_max64(1, a[2].n));
}

static grad grad_of(const fb_f32_core *core, void *self, const qe_problem *p) {
  fb_f32_forward f;
  fb_f32_forward_of(p, &f);
  grad g = {.core = core, .dw = p->out[0], .w = fb_f32_window_of(&f.p, false, 0), .groups = p->params->groups};
  const fb_f32_axis *a = g.w.axis;
  g.ic = p->in[X]->dims[1] / g.groups;
  g.oc = p->in[DY]->dims[1] / g.groups;
  g.taps = a[0].taps * a[1].taps * a[2].taps;
  g.positions = g.w.batch * a[0].n * a[1].n * a[2].n;
  if (p->out[0]->count == 0) return g;
  choose_blocks(&g, (int64_t)fb_cpu(self)->cores);
  choose_tiles(&g, fb_cpu(self));
  return g;
}

int fb_f32_weight_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  fb_f32_forward f;
  if (!fb_channels_dense(p->in[DY]) || !fb_channels_dense(p->in[X])) /* as those of a constant */
    return fb_refuse(reason, reason_size, "ConvWeightGrad: the channels do not lie side by side");
  fb_f32_forward_of(p, &f);
  return fb_conv_check(&f.p, false, reason, reason_size);
}

static int64_t sums_of_tile(const grad *g) {
  return g->block_step * g->tap_step * g->rows * g->cols;
}

int fb_f32_weight_grad_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  const grad g = grad_of(core, self, p);
  if (p->out[0]->count == 0) return 0;
  plan->tiles = g.block_tiles * g.tap_tiles;
  plan->scratch_size = sizeof(float) * (uint64_t)(sums_of_tile(&g) * (g.positions > CHUNK ? 2 : 1)) +
                       sizeof(fb_f32_run) * (uint64_t)g.runs;
  return 0;
}

/* Outputs [*begin, *end) whose tap t lies within the input. */
static void outputs_of_tap(const fb_f32_axis *a, int64_t t, int64_t *begin, int64_t *end) {
  const int64_t at = a->at + t * a->tap_step, room = a->in - at;
  *begin = at < 0 ? fb_min64(fb_ceil_div(-at, a->in_step), a->n) : 0;
  *end = room > 0 ? fb_max64(fb_min64(fb_ceil_div(room, a->in_step), a->n), *begin) : *begin;
}

/* A tile at work. */
typedef struct job {
  const grad *g;
  const float *dy, *x;
  float *sums, *totals;
  fb_f32_run *runs;
  int64_t block0, block1, tap0, tap1;
} job;

/* The runs of a tap in positions [k0, k1); returns how many. */
static int64_t collect(const job *j, int64_t tap, int64_t k0, int64_t k1) {
  const grad *g = j->g;
  const fb_f32_window *w = &g->w;
  const fb_f32_axis *a = w->axis;
  const int64_t t[3] = {tap / a[2].taps / a[1].taps, tap / a[2].taps % a[1].taps, tap % a[2].taps};
  int64_t begin[3], end[3], at[3], count = 0;
  for (int d = 0; d < 3; ++d) {
    outputs_of_tap(&a[d], t[d], &begin[d], &end[d]);
    at[d] = a[d].at + t[d] * a[d].tap_step;
  }
  const int64_t x_step = a[2].in_step * w->x_step[2], dy_step = w->y_step[2];
  for (int64_t k = k0; k < k1;) {
    const int64_t line = k / a[2].n, first = k % a[2].n, next = fb_min64(k1, k - first + a[2].n);
    const int64_t i1 = line % a[1].n, i0 = line / a[1].n % a[0].n, n = line / a[1].n / a[0].n;
    const int64_t i2 = fb_max64(first, begin[2]), n2 = fb_min64(first + next - k, end[2]) - i2;
    k = next;
    if (i0 < begin[0] || i0 >= end[0] || i1 < begin[1] || i1 >= end[1] || n2 <= 0) continue;
    const float *x = j->x + (n * w->x_batch + (at[0] + i0 * a[0].in_step) * w->x_step[0] +
                             (at[1] + i1 * a[1].in_step) * w->x_step[1] + at[2] * w->x_step[2] + i2 * x_step);
    const float *dy = j->dy + (n * w->y_batch + i0 * w->y_step[0] + i1 * w->y_step[1] + i2 * dy_step);
    const fb_f32_run run = {.a = g->along_x ? dy : x, .b = g->along_x ? x : dy, .n = n2};
    fb_f32_run *last = j->runs + count - 1;
    if (count > 0 && run.a == last->a + last->n * (g->along_x ? dy_step : x_step) &&
        run.b == last->b + last->n * (g->along_x ? x_step : dy_step))
      last->n += n2; /* goes on where the last one ends */
    else
      j->runs[count++] = run;
  }
  return count;
}

/* Where a block lies: rows [row, row + rows) and columns [col, col + cols) of a group. */
typedef struct place {
  int64_t group, row, rows, col, cols;
} place;

static place place_of(const grad *g, int64_t block) {
  const int64_t rest = block / g->col_blocks, i = rest % g->row_blocks;
  place b = {.group = rest / g->row_blocks, .row = i * g->rows, .col = block % g->col_blocks * g->cols};
  b.rows = fb_min64(g->rows, g->m - b.row);
  b.cols = fb_min64(g->cols, g->n - b.col);
  return b;
}

static void add_piece(const job *j, int64_t k0, int64_t k1) {
  const grad *g = j->g;
  const int64_t x_step = g->w.axis[2].in_step * g->w.x_step[2], dy_step = g->w.y_step[2];
  fb_f32_outer o = {.a_step = g->along_x ? dy_step : x_step,
                    .b_step = g->along_x ? x_step : dy_step,
                    .runs = j->runs,
                    .sums = j->sums,
                    .sum_step = g->cols};
  for (int64_t tap = j->tap0; tap < j->tap1; ++tap) {
    o.count = collect(j, tap, k0, k1);
    for (int64_t block = j->block0; block < j->block1; ++block, o.sums += g->rows * g->cols) {
      const place b = place_of(g, block);
      o.rows = (int)b.rows;
      o.n = b.cols;
      o.a_at = b.group * g->m + b.row;
      o.b_at = b.group * g->n + b.col;
      if (o.count > 0) g->core->outer(&o);
    }
  }
}

static void store(const job *j, const float *from, float *dw) {
  const grad *g = j->g;
  const fb_f32_axis *a = g->w.axis;
  const int64_t *steps = g->dw->strides;
  const uint32_t spatial = g->dw->rank - 2u;
  const int64_t row_step = steps[g->along_x ? 0 : 1], col_step = steps[g->along_x ? 1 : 0];
  for (int64_t tap = j->tap0; tap < j->tap1; ++tap) {
    const int64_t t[3] = {tap / a[2].taps / a[1].taps, tap / a[2].taps % a[1].taps, tap % a[2].taps};
    int64_t at = 0;
    for (uint32_t d = 0; d < spatial; ++d) at += t[3 - spatial + d] * steps[2 + d];
    for (int64_t block = j->block0; block < j->block1; ++block, from += g->rows * g->cols) {
      const place b = place_of(g, block);
      float *to = dw + at + b.group * g->oc * steps[0] + b.row * row_step + b.col * col_step;
      for (int64_t r = 0; r < b.rows; ++r)
        for (int64_t c = 0; c < b.cols; ++c) to[r * row_step + c * col_step] = from[r * g->cols + c];
    }
  }
}

static void run_tile(const job *j, float *dw) {
  const grad *g = j->g;
  const int64_t n = sums_of_tile(g);
  memset(j->sums, 0, sizeof(float) * (size_t)n);
  for (int64_t k = 0, next; k < g->positions; k = next) {
    const int64_t end = fb_min64(g->positions, (k / CHUNK + 1) * CHUNK);
    next = fb_min64(end, k + g->piece);
    add_piece(j, k, next);
    if (next == end && g->positions > CHUNK) fb_f32_end_chunk(k / CHUNK, j->sums, j->totals, n);
  }
  store(j, g->positions > CHUNK ? j->totals : j->sums, dw);
}

int fb_f32_weight_grad_run_on(const fb_f32_core *core, void *self, const qe_call *call, int64_t begin, int64_t end) {
  const grad g = grad_of(core, self, call->problem);
  job j = {.g = &g, .dy = call->in[DY], .x = call->in[X], .sums = call->scratch};
  j.totals = j.sums + sums_of_tile(&g);
  j.runs = (void *)(g.positions > CHUNK ? j.totals + sums_of_tile(&g) : j.totals);
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t block = tile / g.tap_tiles * g.block_step, tap = tile % g.tap_tiles * g.tap_step;
    j.block0 = fb_min64(block, g.blocks);
    j.block1 = fb_min64(block + g.block_step, g.blocks);
    j.tap0 = fb_min64(tap, g.taps);
    j.tap1 = fb_min64(tap + g.tap_step, g.taps);
    run_tile(&j, call->out[0]);
  }
  return 0;
}
