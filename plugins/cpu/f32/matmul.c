/*
 * MatMul, float32: Y = clamp(A B + bias) under numpy's rules, a batch of matrices that broadcast. One matrix B for all
 * rows of A makes one tall product. Small products share a tile.
 */
#include "batch.h"
#include "f32/ops.h"
#include "f32/product.h"

#define TILE_WORK 500000 /* multiplications worth a tile of their own */

typedef struct matmul_shape {
  fb_f32_product one;
  fb_batch batch;
  int64_t per_tile; /* products of one tile when each has one only */
  fb_f32_tiling tiling;
} matmul_shape;

static matmul_shape shape_of(const fb_f32_core *core, void *self, const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const uint32_t ar = a->rank, br = b->rank;
  matmul_shape s = {.batch = fb_batch_of(p)};
  fb_f32_product *g = &s.one;
  *g = (fb_f32_product){
      .m = fb_batch_rows(p),
      .n = br > 1 ? b->dims[br - 1] : 1,
      .k = a->dims[ar - 1],
      .a_m = ar > 1 ? a->strides[ar - 2] : 0,
      .a_k = a->strides[ar - 1],
      .b_k = b->strides[br > 1 ? br - 2 : 0],
      .b_n = br > 1 ? b->strides[br - 1] : 1,
      .finish = {.alpha = 1.0f, .beta = 1.0f, .c_n = 1, .clamps = fb_clamps(p), .lo = p->act_lo, .hi = p->act_hi}
  };
  g->y_m = g->n;
  s.tiling = fb_f32_tile(core, fb_cpu(self), g->m, g->n, g->k);
  const double work = (double)g->m * (double)g->n * (double)g->k + (double)(g->m * g->n);
  s.per_tile = s.tiling.tiles == 1 && work < TILE_WORK ? (int64_t)(TILE_WORK / (work + 1.0)) + 1 : 1;
  return s;
}

/* How many matrices B holds. */
static int64_t matrices_of(const qe_operand *b) {
  int64_t n = 1;
  for (uint32_t i = 0; i + 2 < b->rank; ++i) n *= b->dims[i];
  return n;
}

int fb_f32_matmul_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->rank < 1 || p->in[1]->rank < 1)
    return fb_refuse(reason, reason_size, "MatMul: operands of ranks %u and %u, expected at least 1", p->in[0]->rank,
                     p->in[1]->rank);
  if (fb_has_in(p, 2) && (p->in[2]->dtype != QE_DT_F32 || p->in[1]->rank < 2 ||
                          p->in[2]->count != p->in[1]->dims[p->in[1]->rank - 1]))
    return fb_refuse(reason, reason_size, "MatMul: the bias is no float32 with one element per column of b");
  return 1;
}

int fb_f32_matmul_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  matmul_shape s = shape_of(core, self, p);
  if (p->in[1]->data) {
    const fb_f32_weight w = fb_f32_product_weight(&s.one, NULL);
    plan->packed_size = sizeof(float) * (uint64_t)(matrices_of(p->in[1]) * fb_f32_packed_floats(core, &w));
    s.one.packed = p->in[1]->data; /* any: there is one */
  }
  plan->tiles = p->out[0]->count == 0 ? 0
                : s.tiling.tiles == 1 ? fb_ceil_div(s.batch.count, s.per_tile)
                                      : s.batch.count * s.tiling.tiles;
  plan->scratch_size = fb_f32_product_scratch(core, &s.tiling, &s.one);
  return 0;
}

int fb_f32_matmul_prepack_on(const fb_f32_core *core, void *self, const qe_problem *p, void *packed) {
  const matmul_shape s = shape_of(core, self, p);
  const int64_t size = s.one.n * s.one.k, matrices = matrices_of(p->in[1]);
  float *to = packed;
  for (int64_t i = 0; i < matrices; ++i) {
    const fb_f32_weight w = fb_f32_product_weight(&s.one, (const float *)p->in[1]->data + i * size);
    fb_f32_pack(core, &w, 0, s.one.n, to);
    to += fb_f32_packed_floats(core, &w);
  }
  return 0;
}

static void run_batch(const fb_f32_core *core, const qe_call *call, matmul_shape *s, int64_t batch, int64_t tile,
                      int64_t *column) {
  fb_f32_product *g = &s->one;
  int64_t a, b;
  fb_batch_at(&s->batch, batch, &a, &b);
  g->a = (const float *)call->in[0] + a;
  g->b = (const float *)call->in[1] + b;
  if (call->packed) {
    const fb_f32_weight w = fb_f32_product_weight(g, NULL);
    g->packed = (const float *)call->packed + b / (g->n * g->k) * fb_f32_packed_floats(core, &w);
  }
  g->y = (float *)call->out[0] + batch * g->m * g->n;
  fb_f32_product_tile(core, &s->tiling, g, tile, call->scratch, column);
}

int fb_f32_matmul_run_on(const fb_f32_core *core, void *self, const qe_call *call, int64_t tile_begin,
                         int64_t tile_end) {
  matmul_shape s = shape_of(core, self, call->problem);
  if (fb_has_in(call->problem, 2)) s.one.finish.c = call->in[2];
  int64_t column = -1, last = -1;
  const bool whole = s.tiling.tiles == 1;
  const int64_t begin = whole ? tile_begin * s.per_tile : tile_begin;
  const int64_t end = whole ? fb_min64(tile_end * s.per_tile, s.batch.count) : tile_end;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t batch = i / s.tiling.tiles;
    if (batch != last) column = -1; /* another B */
    last = batch;
    run_batch(core, call, &s, batch, i % s.tiling.tiles, &column);
  }
  return 0;
}
