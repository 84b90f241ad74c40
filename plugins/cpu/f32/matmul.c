/*
 * MatMul, float32: Y = clamp(A B + bias) under numpy's rules, a batch of matrices that broadcast. One matrix B for all
 * rows of A makes one tall product. Small products share a tile.
 */
#include "f32/ops.h"
#include "f32/product.h"

#define TILE_WORK 500000 /* multiplications worth a tile of their own */

typedef struct matmul_shape {
  fb_f32_product one;
  int64_t batches, per_tile; /* products; those of one tile when each has one only */
  fb_f32_tiling tiling;
  uint32_t rank;                                                       /* of the batch */
  int64_t dims[QE_MAX_RANK], a_step[QE_MAX_RANK], b_step[QE_MAX_RANK]; /* 0 where broadcast */
} matmul_shape;

static matmul_shape shape_of(const fb_f32_core *core, void *self, const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1], *y = p->out[0];
  const uint32_t ar = a->rank, br = b->rank;
  matmul_shape s = {.batches = 1};
  fb_f32_product *g = &s.one;
  *g = (fb_f32_product){
      .m = ar > 1 ? a->dims[ar - 2] : 1,
      .n = br > 1 ? b->dims[br - 1] : 1,
      .k = a->dims[ar - 1],
      .a_m = ar > 1 ? a->strides[ar - 2] : 0,
      .a_k = a->strides[ar - 1],
      .b_k = b->strides[br > 1 ? br - 2 : 0],
      .b_n = br > 1 ? b->strides[br - 1] : 1,
      .finish = {.alpha = 1.0f, .beta = 1.0f, .c_n = 1, .clamps = fb_clamps(p), .lo = p->act_lo, .hi = p->act_hi}
  };
  g->y_m = g->n;
  const uint32_t a_lead = ar > 2 ? ar - 2 : 0, b_lead = br > 2 ? br - 2 : 0;
  if (b_lead == 0) {
    for (uint32_t i = 0; i < a_lead; ++i) g->m *= a->dims[i];
  } else {
    s.rank = a_lead > b_lead ? a_lead : b_lead;
    for (uint32_t i = 0; i < s.rank; ++i) {
      const uint32_t skip_a = s.rank - a_lead, skip_b = s.rank - b_lead;
      s.dims[i] = y->dims[i];
      s.a_step[i] = i < skip_a || a->dims[i - skip_a] == 1 ? 0 : a->strides[i - skip_a];
      s.b_step[i] = i < skip_b || b->dims[i - skip_b] == 1 ? 0 : b->strides[i - skip_b];
      s.batches *= s.dims[i];
    }
  }
  s.tiling = fb_f32_tile(core, fb_cpu(self), g->m, g->n, g->k);
  const double work = (double)g->m * (double)g->n * (double)g->k + (double)(g->m * g->n);
  s.per_tile = s.tiling.tiles == 1 && work < TILE_WORK ? (int64_t)(TILE_WORK / (work + 1.0)) + 1 : 1;
  return s;
}

static fb_f32_weight weight_of(const fb_f32_product *g, const float *data) {
  return (fb_f32_weight){
      .data = data, .n = g->n, .kc = g->k, .taps = {1, 1, 1},
                 .step_n = g->b_n, .step_c = g->b_k
  };
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
  return 1;
}

int fb_f32_matmul_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  matmul_shape s = shape_of(core, self, p);
  if (p->in[1]->data) {
    const fb_f32_weight w = weight_of(&s.one, NULL);
    plan->packed_size = sizeof(float) * (uint64_t)(matrices_of(p->in[1]) * fb_f32_packed_floats(core, &w));
    s.one.packed = p->in[1]->data; /* any: there is one */
  }
  plan->tiles = p->out[0]->count == 0 ? 0
                : s.tiling.tiles == 1 ? fb_ceil_div(s.batches, s.per_tile)
                                      : s.batches * s.tiling.tiles;
  plan->scratch_size = fb_f32_product_scratch(core, &s.tiling, &s.one);
  return 0;
}

int fb_f32_matmul_prepack_on(const fb_f32_core *core, void *self, const qe_problem *p, void *packed) {
  const matmul_shape s = shape_of(core, self, p);
  const int64_t size = s.one.n * s.one.k, matrices = matrices_of(p->in[1]);
  float *to = packed;
  for (int64_t i = 0; i < matrices; ++i) {
    const fb_f32_weight w = weight_of(&s.one, (const float *)p->in[1]->data + i * size);
    fb_f32_pack(core, &w, 0, s.one.n, to);
    to += fb_f32_packed_floats(core, &w);
  }
  return 0;
}

static void run_batch(const fb_f32_core *core, const qe_call *call, matmul_shape *s, int64_t batch, int64_t tile,
                      int64_t *column) {
  fb_f32_product *g = &s->one;
  int64_t a = 0, b = 0, rest = batch;
  for (uint32_t i = s->rank; i-- > 0; rest /= s->dims[i]) {
    a += rest % s->dims[i] * s->a_step[i];
    b += rest % s->dims[i] * s->b_step[i];
  }
  g->a = (const float *)call->in[0] + a;
  g->b = (const float *)call->in[1] + b;
  if (call->packed) {
    const fb_f32_weight w = weight_of(g, NULL);
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
  const int64_t end = whole ? fb_min64(tile_end * s.per_tile, s.batches) : tile_end;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t batch = i / s.tiling.tiles;
    if (batch != last) column = -1; /* another B */
    last = batch;
    run_batch(core, call, &s, batch, i % s.tiling.tiles, &column);
  }
  return 0;
}
