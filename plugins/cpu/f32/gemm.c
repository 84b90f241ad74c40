/* Gemm, float32: Y = clamp(alpha * A' B' + beta * c), A' and B' transposed on request, c broadcast to [M, N]. */
#include "f32/ops.h"
#include "f32/product.h"

static fb_f32_product product_of(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const int ta = p->params->trans_a != 0, tb = p->params->trans_b != 0;
  fb_f32_product g = {
      .m = a->dims[ta],
      .k = a->dims[!ta],
      .n = b->dims[!tb],
      .a_m = a->strides[ta],
      .a_k = a->strides[!ta],
      .b_k = b->strides[tb],
      .b_n = b->strides[!tb],
      .y_m = p->out[0]->strides[0],
      .finish = {.alpha = p->params->alpha,
                 .beta = p->params->beta,
                 .clamps = fb_clamps(p),
                 .lo = p->act_lo,
                 .hi = p->act_hi}
  };
  if (fb_has_in(p, 2)) {
    const qe_operand *c = p->in[2];
    const uint32_t r = c->rank;
    if (r > 0 && c->dims[r - 1] > 1) g.finish.c_n = c->strides[r - 1];
    if (r > 1 && c->dims[0] > 1) g.finish.c_m = c->strides[0];
  }
  return g;
}

int fb_f32_gemm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->rank != 2 || p->in[1]->rank != 2 || p->out[0]->rank != 2)
    return fb_refuse(reason, reason_size, "Gemm: operands of ranks %u, %u -> %u, expected 2", p->in[0]->rank,
                     p->in[1]->rank, p->out[0]->rank);
  if (fb_has_in(p, 2) && (p->in[2]->dtype != QE_DT_F32 || p->in[2]->rank > 2))
    return fb_refuse(reason, reason_size, "Gemm: c is no float32 of rank 0 to 2");
  return 1;
}

int fb_f32_gemm_plan_on(const fb_f32_core *core, void *self, const qe_problem *p, qe_kernel_plan *plan) {
  fb_f32_product g = product_of(p);
  const fb_f32_weight w = fb_f32_product_weight(&g, NULL);
  const fb_f32_tiling t = fb_f32_tile(core, fb_cpu(self), g.m, g.n, g.k);
  if (p->in[1]->data) {
    plan->packed_size = sizeof(float) * (uint64_t)fb_f32_packed_floats(core, &w);
    g.packed = p->in[1]->data; /* any: there is one */
  }
  plan->tiles = t.tiles;
  plan->scratch_size = fb_f32_product_scratch(core, &t, &g);
  return 0;
}

int fb_f32_gemm_prepack_on(const fb_f32_core *core, void *self, const qe_problem *p, void *packed) {
  (void)self;
  const fb_f32_product g = product_of(p);
  const fb_f32_weight w = fb_f32_product_weight(&g, p->in[1]->data);
  fb_f32_pack(core, &w, 0, g.n, packed);
  return 0;
}

int fb_f32_gemm_run_on(const fb_f32_core *core, void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  fb_f32_product g = product_of(call->problem);
  const fb_f32_tiling t = fb_f32_tile(core, fb_cpu(self), g.m, g.n, g.k);
  g.a = call->in[0];
  g.b = call->in[1];
  g.packed = call->packed;
  g.y = call->out[0];
  if (fb_has_in(call->problem, 2)) g.finish.c = call->in[2];
  int64_t column = -1;
  for (int64_t tile = tile_begin; tile < tile_end; ++tile)
    fb_f32_product_tile(core, &t, &g, tile, call->scratch, &column);
  return 0;
}
