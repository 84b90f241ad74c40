/*
 * ReduceMean of codes, any strides: the dimensions left are walked one by one or, where they lie side by side in x and
 * y, many at once as the channels of a box (pool.h).
 */
#include "pool/pool.h"

#define TILE_CODES (INT64_C(1) << 16)

typedef struct shape {
  uint32_t kept, reduced; /* ranks, dimensions joined where one stride walks them */
  int64_t kept_dims[QE_MAX_RANK], x_kept[QE_MAX_RANK], y_kept[QE_MAX_RANK];
  int64_t dims[QE_MAX_RANK], x_step[QE_MAX_RANK];
  int64_t elements; /* of one result */
  int64_t outputs;  /* results but for those of the last kept dimension */
  int64_t channels; /* size of the last kept dimension; 1: walked one by one */
  int64_t tile_channels, channel_tiles, tile_outputs;
} shape;

static void add_kept(shape *s, int64_t dim, int64_t x_step, int64_t y_step) {
  if (dim == 1) return;
  if (s->kept && s->x_kept[s->kept - 1] == dim * x_step && s->y_kept[s->kept - 1] == dim * y_step) {
    s->kept_dims[s->kept - 1] *= dim;
  } else {
    s->kept_dims[s->kept++] = dim;
  }
  s->x_kept[s->kept - 1] = x_step;
  s->y_kept[s->kept - 1] = y_step;
}

static void add_reduced(shape *s, int64_t dim, int64_t x_step) {
  s->elements *= dim;
  if (dim == 1) return;
  if (s->reduced && s->x_step[s->reduced - 1] == dim * x_step)
    s->dims[s->reduced - 1] *= dim;
  else
    s->dims[s->reduced++] = dim;
  s->x_step[s->reduced - 1] = x_step;
}

/* Swaps the kept dimension whose elements lie side by side to the end. */
static void find_channels(shape *s) {
  for (uint32_t i = 0; i < s->kept && s->reduced <= 3; ++i) {
    if (s->x_kept[i] != 1 || s->y_kept[i] != 1) continue;
    const uint32_t last = --s->kept;
    s->channels = s->kept_dims[i];
    s->kept_dims[i] = s->kept_dims[last];
    s->x_kept[i] = s->x_kept[last];
    s->y_kept[i] = s->y_kept[last];
    return;
  }
}

static void init(shape *s, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  *s = (shape){.elements = 1, .channels = 1, .outputs = 1};
  uint32_t at = 0;
  for (uint32_t i = 0; i < x->rank; ++i)
    if (p->params->axes >> i & 1u)
      add_reduced(s, x->dims[i], x->strides[i]);
    else {
      add_kept(s, x->dims[i], x->strides[i], y->strides[y->rank == x->rank ? i : at]);
      ++at;
    }
  find_channels(s);
  for (uint32_t i = 0; i < s->kept; ++i) s->outputs *= s->kept_dims[i];
  const int64_t wanted = fb_max64(1, TILE_CODES / fb_max64(1, s->elements));
  s->tile_channels = fb_max64(1, fb_min64(s->channels, fb_round_up(wanted, 256)));
  s->channel_tiles = fb_ceil_div(s->channels, s->tile_channels);
  s->tile_outputs = fb_max64(1, wanted / s->tile_channels);
}

int fb_reduce_mean_codes_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!fb_is_code8(x) || !fb_is_code8(y) || x->q_count != 1 || y->q_count != 1)
    return fb_refuse(reason, reason_size, "ReduceMean: expected uint8 or int8 with one pair of parameters");
  uint32_t kept = 0;
  int64_t elements = 1;
  for (uint32_t i = 0; i < x->rank; ++i) {
    if (p->params->axes >> i & 1u)
      elements *= x->dims[i];
    else
      ++kept;
  }
  if (y->rank != x->rank && y->rank != kept)
    return fb_refuse(reason, reason_size, "ReduceMean: output of rank %d, expected %d or %u", y->rank, x->rank, kept);
  if (elements > INT32_MAX / 255)
    return fb_refuse(reason, reason_size, "ReduceMean: a sum of %lld codes could reach 2^31", (long long)elements);
  return 1;
}

int fb_reduce_mean_codes_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  shape s;
  init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : fb_ceil_div(s.outputs, s.tile_outputs) * s.channel_tiles;
  return 0;
}

/* The sum of one result's codes, flipped: rows of the last reduced dimension. */
static int64_t sum_of(const shape *s, const uint8_t *x, uint8_t flip, fb_pool_row_sum_fn row_sum) {
  const int64_t row = s->reduced ? s->dims[s->reduced - 1] : 1, step = s->reduced ? s->x_step[s->reduced - 1] : 1;
  int64_t sum = 0;
  if (s->elements == 0) return 0;
  for (int64_t i = 0; i < s->elements / row; ++i) {
    int64_t rest = i;
    const uint8_t *from = x;
    for (uint32_t d = s->reduced ? s->reduced - 1 : 0; d-- > 0; rest /= s->dims[d])
      from += rest % s->dims[d] * s->x_step[d];
    if (step == 1)
      sum += row_sum(from, row, flip);
    else
      for (int64_t e = 0; e < row; ++e) sum += from[e * step] ^ flip;
  }
  return sum;
}

static void one_mean(const fb_pool_finish *f, const shape *s, const uint8_t *x, uint8_t *y, float m,
                     fb_pool_row_sum_fn row_sum) {
  const int64_t sum = sum_of(s, x, f->x_flip, row_sum) - s->elements * f->x_zero;
  *y = (uint8_t)fb_round_code((float)sum * m, f->y_zero, f->lo, f->hi) ^ f->y_flip;
}

int fb_reduce_mean_run(const qe_call *call, int64_t tile_begin, int64_t tile_end, fb_pool_fn fn,
                       fb_pool_row_sum_fn row_sum) {
  const qe_problem *p = call->problem;
  const fb_pool_finish finish = fb_pool_finish_of(p);
  shape s;
  init(&s, p);
  const uint8_t *x = call->in[0];
  int64_t last = p->in[0]->count > 0;
  for (uint32_t i = 0; i < p->in[0]->rank; ++i) last += (p->in[0]->dims[i] - 1) * p->in[0]->strides[i];
  /* Between elements that lie apart nothing is read. */
  const char *end = (const char *)x + (last == p->in[0]->count ? last : 0);
  fb_pool_box box = {
      .end = end, .count = {1, 1, 1},
           .divisor = s.elements, .outputs = 1
  };
  for (uint32_t i = 0; i < s.reduced && s.reduced <= 3; ++i) {
    box.count[3 - s.reduced + i] = s.dims[i];
    box.step[3 - s.reduced + i] = s.x_step[i];
  }
  fb_pool_box_close(&box);
  const float m = fb_pool_multiplier(&finish, s.elements);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t begin = tile / s.channel_tiles * s.tile_outputs, channel = tile % s.channel_tiles * s.tile_channels;
    for (int64_t i = begin; i < fb_min64(begin + s.tile_outputs, s.outputs); ++i) {
      int64_t rest = i, from = channel, to = channel;
      for (uint32_t d = s.kept; d-- > 0; rest /= s.kept_dims[d]) {
        from += rest % s.kept_dims[d] * s.x_kept[d];
        to += rest % s.kept_dims[d] * s.y_kept[d];
      }
      if (s.channels == 1) {
        one_mean(&finish, &s, x + from, (uint8_t *)call->out[0] + to, m, row_sum);
        continue;
      }
      box.x = (const char *)x + from;
      box.channels = fb_min64(s.tile_channels, s.channels - channel);
      fn(&finish, &box, (uint8_t *)call->out[0] + to);
    }
  }
  return 0;
}
