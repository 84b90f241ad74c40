/*
 * LayerNormGrad, float32, row-major, over dimensions axis and up: mean and inv as in layer_norm.c, h = (x - mean) * inv,
 * g = dy * scale; dx = inv * ((g - sum g / n) - h * (sum g * h / n)); over the rows dscale = sum dy * h and dB = sum dy.
 * All sums are 16-lane sums. The first tiles are rows of dx; the others are columns of dscale and dB, which find the
 * rows' mean and inv again.
 */
#include <math.h>

#include "columns.h"

enum { DY = 0, X = 1, SCALE = 2 };
enum { DX = 0, DSCALE = 1, DB = 2 };
#define COLUMNS 512 /* of one tile */

typedef struct shape {
  int64_t rows, length;
  int64_t rows_per_tile, row_tiles, column_tiles;
} shape;

static shape shape_of(const qe_problem *p) {
  const qe_operand *x = p->in[X];
  const uint32_t axis = (uint32_t)p->params->axis;
  shape s = {.rows = ref_count(axis, x->dims), .length = ref_count(x->rank - axis, x->dims + axis)};
  s.rows_per_tile = ref_max64(1, REF_FLAT_TILE / ref_max64(1, s.length));
  s.row_tiles = s.length == 0 ? 0 : ref_ceil_div(s.rows, s.rows_per_tile);
  s.column_tiles = ref_has_out(p, DSCALE) || ref_has_out(p, DB) ? ref_ceil_div(s.length, COLUMNS) : 0;
  return s;
}

int ref_layer_norm_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->params->axis < 0 || p->params->axis >= p->in[X]->rank)
    return ref_refuse(reason, reason_size, "LayerNormGrad: axis %lld of rank %d", (long long)p->params->axis,
                      p->in[X]->rank);
  const shape s = shape_of(p);
  if (p->in[DY]->count != p->in[X]->count || p->in[SCALE]->count != s.length)
    return ref_refuse(reason, reason_size,
                      "LayerNormGrad: dy has %lld elements, x %lld, scale %lld; expected the scale to have x's from the "
                      "axis on",
                      (long long)p->in[DY]->count, (long long)p->in[X]->count, (long long)p->in[SCALE]->count);
  return 1;
}

static int64_t tile_columns(const shape *s) { return ref_min64(COLUMNS, s->length); }

int ref_layer_norm_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const shape s = shape_of(p);
  plan->tiles = s.row_tiles + s.column_tiles;
  const uint64_t row = 2 * (uint64_t)s.length;
  const uint64_t columns = 2 * ref_columns_floats(tile_columns(&s)) + (uint64_t)tile_columns(&s);
  plan->scratch_size = sizeof(float) * (row > columns ? row : columns);
  return 0;
}

typedef struct moments {
  float mean, inv;
} moments;

static moments moments_of(const float *x, int64_t length, float epsilon) {
  const float mean = ref_sum_f32(x, length, 1) / (float)length;
  return (moments){mean, 1.0f / sqrtf(ref_sum_centered_f32(x, length, 1, mean) / (float)length + epsilon)};
}

static void row(const qe_call *call, const shape *s, int64_t at) {
  const float *dy = (const float *)call->in[DY] + at * s->length, *x = (const float *)call->in[X] + at * s->length;
  const float *scale = call->in[SCALE], n = (float)s->length;
  float *dx = (float *)call->out[DX] + at * s->length, *g = call->scratch, *gh = g + s->length;
  const moments m = moments_of(x, s->length, call->problem->params->epsilon);
  for (int64_t i = 0; i < s->length; ++i) {
    g[i] = dy[i] * scale[i];
    gh[i] = g[i] * ((x[i] - m.mean) * m.inv);
  }
  const float a = ref_sum_f32(g, s->length, 1) / n, b = ref_sum_f32(gh, s->length, 1) / n;
  for (int64_t i = 0; i < s->length; ++i)
    dx[i] = m.inv * ((g[i] - a) - ((x[i] - m.mean) * m.inv) * b);
}

static void columns(const qe_call *call, const ref_loops *loops, const shape *s, int64_t first) {
  const qe_problem *p = call->problem;
  const int64_t n = ref_min64(COLUMNS, s->length - first);
  float *scratch = call->scratch, *term = scratch + 2 * ref_columns_floats(tile_columns(s));
  ref_columns scale, bias;
  ref_columns_start(&scale, loops, scratch, n);
  ref_columns_start(&bias, loops, scratch + ref_columns_floats(n), n);
  for (int64_t r = 0; r < s->rows; ++r) {
    const float *dy = (const float *)call->in[DY] + r * s->length, *x = (const float *)call->in[X] + r * s->length;
    const moments m = moments_of(x, s->length, p->params->epsilon);
    for (int64_t i = 0; i < n; ++i)
      term[i] = dy[first + i] * ((x[first + i] - m.mean) * m.inv);
    ref_columns_add(&scale, term);
    ref_columns_add(&bias, dy + first);
  }
  const float *dscale = ref_columns_finish(&scale), *db = ref_columns_finish(&bias);
  for (int64_t i = 0; i < n && ref_has_out(p, DSCALE); ++i)
    ((float *)call->out[DSCALE])[first + i] = dscale[i];
  for (int64_t i = 0; i < n && ref_has_out(p, DB); ++i)
    ((float *)call->out[DB])[first + i] = db[i];
}

int ref_layer_norm_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const shape s = shape_of(call->problem);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    if (tile >= s.row_tiles) {
      columns(call, ref_loops_of(self), &s, (tile - s.row_tiles) * COLUMNS);
      continue;
    }
    const int64_t end = ref_min64((tile + 1) * s.rows_per_tile, s.rows);
    for (int64_t r = tile * s.rows_per_tile; r < end; ++r)
      row(call, &s, r);
  }
  return 0;
}
