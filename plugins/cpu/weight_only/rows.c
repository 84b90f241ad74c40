/* Checks and plans of Embedding and EmbeddingBag (rows.h); the loops: embedding.inc, embedding_bag.inc. */
#include "weight_only/rows.h"

#include "weight_only/embedding.h"

#define TILE_ELEMENTS 32768

static bool is_index(const qe_operand *o) { return o->dtype == QE_DT_I32 || o->dtype == QE_DT_I64; }

int fb_rows_check(const qe_problem *p, uint32_t scale_at, bool plain, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0];
  const bool codes = fb_is_code8(x) || x->dtype == QE_DT_U4 || x->dtype == QE_DT_I4, scaled = fb_has_in(p, scale_at);
  if (x->rank != 2 || !(codes ? scaled : plain && x->dtype == QE_DT_F32 && !scaled && !fb_has_in(p, scale_at + 1)))
    return fb_refuse(reason, reason_size, "%s: expected a table of codes with scales%s", p->op,
                     plain ? " or of float32" : "");
  for (uint32_t i = scale_at; i < scale_at + 2; ++i)
    if (fb_has_in(p, i) && (p->in[i]->dtype != QE_DT_F32 || p->in[i]->count != x->dims[0]))
      return fb_refuse(reason, reason_size, "%s: input %u is not one float32 for each row", p->op, i);
  if (!is_index(p->in[1])) return fb_refuse(reason, reason_size, "%s: expected indices of int32 or int64", p->op);
  return 1;
}

uint64_t fb_rows_packed(const qe_problem *p, uint32_t scale_at) {
  const bool both = fb_has_in(p, scale_at) && fb_has_in(p, scale_at + 1);
  if (!both || !p->in[scale_at]->data || !p->in[scale_at + 1]->data) return 0;
  return 2 * sizeof(float) * (uint64_t)p->in[0]->dims[0];
}

void fb_rows_pack(const qe_problem *p, uint32_t scale_at, float *to) {
  for (int64_t i = 0; i < p->in[0]->dims[0]; ++i)
    for (uint32_t j = 0; j < 2; ++j) to[2 * i + j] = ((const float *)p->in[scale_at + j]->data)[i];
}

fb_rows fb_rows_of(const qe_call *call, uint32_t scale_at) {
  const qe_problem *p = call->problem;
  fb_rows r = {.data = call->in[0],
                   .indices = call->in[1],
                   .scale = fb_has_in(p, scale_at) ? call->in[scale_at] : NULL,
                   .offset = fb_has_in(p, scale_at + 1) ? call->in[scale_at + 1] : NULL,
                   .rows = p->in[0]->dims[0],
                   .size = p->in[0]->dims[1],
                   .step = 1,
                   .dtype = p->in[0]->dtype,
                   .wide = p->in[1]->dtype == QE_DT_I64};
  if (call->packed) {
    r.scale = call->packed;
    r.offset = r.scale + 1;
    r.step = 2;
  }
  return r;
}

/* ---- Embedding ---- */

int64_t fb_embedding_rows_per_tile(const qe_problem *p) {
  return fb_max64(1, TILE_ELEMENTS / fb_max64(1, p->in[0]->dims[1]));
}

int fb_embedding_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->out[0]->count != p->in[1]->count * p->in[0]->dims[p->in[0]->rank - 1])
    return fb_refuse(reason, reason_size, "Embedding: the output's size does not fit");
  return fb_rows_check(p, 2, false, reason, reason_size);
}

int fb_embedding_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(p->in[1]->count, fb_embedding_rows_per_tile(p));
  plan->packed_size = fb_rows_packed(p, 2);
  return 0;
}

int fb_embedding_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  fb_rows_pack(p, 2, packed);
  return 0;
}

/* ---- EmbeddingBag ---- */

/* A bag counts as what it holds on average, and one more row for its output. */
int64_t fb_embedding_bag_bags_per_tile(const qe_problem *p) {
  const int64_t bags = p->out[0]->dims[0], rows = p->in[1]->count / fb_max64(1, bags) + 1;
  return fb_max64(1, TILE_ELEMENTS / fb_max64(1, p->in[0]->dims[1] * rows));
}

int fb_embedding_bag_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (!is_index(p->in[2])) return fb_refuse(reason, reason_size, "EmbeddingBag: expected offsets of int32 or int64");
  if (fb_has_in(p, 5) && (p->in[5]->dtype != QE_DT_F32 || p->in[5]->count != p->in[1]->count || p->params->mode != 0))
    return fb_refuse(reason, reason_size, "EmbeddingBag: expected one float32 weight for each index and mode sum");
  return fb_rows_check(p, 3, true, reason, reason_size);
}

int fb_embedding_bag_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(p->out[0]->dims[0], fb_embedding_bag_bags_per_tile(p));
  plan->packed_size = fb_rows_packed(p, 3);
  return 0;
}

int fb_embedding_bag_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  fb_rows_pack(p, 3, packed);
  return 0;
}
