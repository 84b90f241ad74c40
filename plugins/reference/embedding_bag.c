/*
 * EmbeddingBag: rows of a table (embedding.h) added up bag by bag. Bag b takes indices[offsets[b]] up to the next
 * offset, the last one up to the end. sum: acc = acc + w * row from +0 in that order (no weights: acc + row); mean: the
 * sum divided by the number of rows; max: m = first, then v > m or v is NaN ? v : m. Rows of padding_idx take no part;
 * a bag without rows is 0. An index out of range or an offset that goes down or beyond the end fails the run. A tile is
 * a bag.
 */
#include "embedding.h"

#include "convert.h"

int ref_embedding_bag_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const ref_rows r = {.scale_at = 3, .plain = true};
  const uint8_t type = p->in[2]->dtype;
  if (type != QE_DT_I32 && type != QE_DT_I64)
    return ref_refuse(reason, reason_size, "EmbeddingBag: offsets are %s, expected int32 or int64",
                      ref_dtype_name(type));
  if (ref_has_in(p, 5) && (p->in[5]->dtype != QE_DT_F32 || p->in[5]->count != p->in[1]->count || p->params->mode != 0))
    return ref_refuse(reason, reason_size, "EmbeddingBag: weights are no float32 of every index, or the mode isn't sum");
  return ref_rows_check(p, &r, reason, reason_size);
}

int ref_embedding_bag_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : p->out[0]->dims[0];
  return 0;
}

/* y += or max= the row; false: its index is out of range. *count: rows that took part. */
static bool take_row(const ref_rows *r, const qe_problem *p, const float *weights, int64_t i, int64_t *count, float *y) {
  const int64_t row = ref_rows_index(r, i);
  if (row < 0)
    return false;
  if (row == p->params->starts[0])
    return true;
  for (int64_t d = 0; d < r->size; ++d) {
    const float v = ref_rows_value(r, row, d);
    if (p->params->mode == 2)
      y[d] = *count == 0 || v > y[d] || v != v ? v : y[d];
    else
      y[d] = y[d] + (weights ? weights[i] * v : v);
  }
  ++*count;
  return true;
}

int ref_embedding_bag_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const int64_t indices = p->in[1]->count, offsets = p->in[2]->count;
  const float *weights = ref_has_in(p, 5) ? call->in[5] : NULL;
  ref_rows r = {.scale_at = 3, .plain = true};
  ref_rows_start(&r, call);
  for (int64_t bag = tile_begin; bag < tile_end; ++bag) {
    float *y = (float *)call->out[0] + bag * r.size;
    const int64_t begin = ref_load_i64(call->in[2], p->in[2]->dtype, bag);
    const int64_t end = bag + 1 < offsets ? ref_load_i64(call->in[2], p->in[2]->dtype, bag + 1) : indices;
    if (begin < 0 || begin > end || end > indices)
      return 1;
    int64_t count = 0;
    for (int64_t d = 0; d < r.size; ++d)
      y[d] = 0.0f;
    for (int64_t i = begin; i < end; ++i)
      if (!take_row(&r, p, weights, i, &count, y))
        return 1;
    for (int64_t d = 0; d < r.size; ++d) {
      const float v = p->params->mode == 1 && count > 0 ? y[d] / (float)count : y[d];
      y[d] = ref_act(v, p->act_lo, p->act_hi);
    }
  }
  return 0;
}
