/*
 * Embedding: y[i] = (float)row[indices[i]] * scale (+ offset) of that row; codes of 8 or 4 bits, two roundings. Indices
 * int32 or int64, negative ones count from the end; one out of range fails the run. A tile is a number of output rows.
 */
#include "embedding.h"

#include "convert.h"

int ref_rows_check(const qe_problem *p, const ref_rows *r, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *s = r->scale_at < p->n_in ? p->in[r->scale_at] : NULL;
  const bool codes = x->dtype == QE_DT_U8 || x->dtype == QE_DT_I8 || x->dtype == QE_DT_U4 || x->dtype == QE_DT_I4;
  if (x->rank != 2 || !(codes ? s != NULL : x->dtype == QE_DT_F32 && !s && r->plain))
    return ref_refuse(reason, reason_size, "%s: a table of %s, rank %d%s", p->op, ref_dtype_name(x->dtype), x->rank,
                      s ? "" : ", without scales");
  for (uint32_t i = r->scale_at; i < r->scale_at + 2; ++i)
    if (ref_has_in(p, i) && (p->in[i]->dtype != QE_DT_F32 || p->in[i]->count != x->dims[0]))
      return ref_refuse(reason, reason_size, "%s: input %u is no float32 of every row", p->op, (unsigned)i);
  const uint8_t type = p->in[1]->dtype;
  if (type != QE_DT_I32 && type != QE_DT_I64)
    return ref_refuse(reason, reason_size, "%s: indices are %s, expected int32 or int64", p->op, ref_dtype_name(type));
  return 1;
}

void ref_rows_start(ref_rows *r, const qe_call *call) {
  const qe_problem *p = call->problem;
  r->data = call->in[0];
  r->dtype = p->in[0]->dtype;
  r->rows = p->in[0]->dims[0];
  r->size = p->in[0]->dims[1];
  r->indices = call->in[1];
  r->index_dtype = p->in[1]->dtype;
  r->scale = ref_has_in(p, r->scale_at) ? call->in[r->scale_at] : NULL;
  r->offset = ref_has_in(p, r->scale_at + 1) ? call->in[r->scale_at + 1] : NULL;
}

int64_t ref_rows_index(const ref_rows *r, int64_t i) {
  const int64_t index = ref_load_i64(r->indices, r->index_dtype, i);
  if (index < -r->rows || index >= r->rows)
    return -1;
  return index < 0 ? index + r->rows : index;
}

float ref_rows_value(const ref_rows *r, int64_t row, int64_t d) {
  const int64_t at = row * r->size + d;
  if (r->dtype == QE_DT_F32)
    return ((const float *)r->data)[at];
  const float v = (float)ref_load_code(r->data, r->dtype, at) * r->scale[row];
  return r->offset ? v + r->offset[row] : v;
}

int ref_embedding_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const ref_rows r = {.scale_at = 2};
  if (p->out[0]->count != p->in[1]->count * p->in[0]->dims[1])
    return ref_refuse(reason, reason_size, "Embedding: the output has %lld elements", (long long)p->out[0]->count);
  return ref_rows_check(p, &r, reason, reason_size);
}

static int64_t rows_per_tile(const qe_problem *p) {
  return ref_max64(1, REF_FLAT_TILE / ref_max64(1, p->in[0]->dims[1]));
}

int ref_embedding_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(p->in[1]->count, rows_per_tile(p));
  return 0;
}

int ref_embedding_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const int64_t step = rows_per_tile(p), end = ref_min64(tile_end * step, p->in[1]->count);
  ref_rows r = {.scale_at = 2};
  ref_rows_start(&r, call);
  for (int64_t i = tile_begin * step; i < end; ++i) {
    const int64_t row = ref_rows_index(&r, i);
    if (row < 0)
      return 1;
    for (int64_t d = 0; d < r.size; ++d)
      ((float *)call->out[0])[i * r.size + d] = ref_act(ref_rows_value(&r, row, d), p->act_lo, p->act_hi);
  }
  return 0;
}
