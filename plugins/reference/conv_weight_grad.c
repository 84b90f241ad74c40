/*
 * ConvWeightGrad, float32, channels last, 1 to 3 spatial dimensions: dw[o, c, tap] = sum over samples and output
 * positions, in row-major order, of x_k * dy_k, positions whose tap lies in the padding skipped. The sum's order is
 * accum.h's.
 *
 * The inner loop runs over neighbouring channels of the side that has more of them in a group, x or dy; a tile is one
 * tap with a block of these (`width`) times a block of channels of the other side (`rows`). Depthwise (one channel per
 * group on both sides) it runs over the groups.
 */
#include "accum.h"
#include "window.h"

enum { DY = 0, X = 1 };
enum { MOST_WIDTH = 512, MOST_ROWS = 16, MOST_SUMS = 4096, PIECE = 64 /* positions, so that they stay in the cache */ };

typedef struct shape {
  ref_window g;
  int64_t groups, ic, oc; /* channels per group of x and dy */
  int64_t length;         /* of the reduction */
  bool depthwise, along_x;
  int64_t width, width_blocks, rows, row_blocks; /* per group */
} shape;

static void shape_init(shape *s, const qe_problem *p) {
  ref_window_between(&s->g, p->params, p->in[X], p->in[DY]);
  s->groups = p->params->groups;
  s->ic = s->g.channels / s->groups;
  s->oc = s->g.out_channels / s->groups;
  s->length = s->g.pixels;
  s->depthwise = s->groups > 1 && s->ic == 1 && s->oc == 1 && s->g.x_channel == 1 && s->g.y_channel == 1;
  s->along_x = s->ic >= s->oc;
  const int64_t along = s->depthwise ? s->groups : s->along_x ? s->ic : s->oc;
  const int64_t other = s->along_x ? s->oc : s->ic, step = s->along_x ? s->g.x_channel : s->g.y_channel;
  s->width = step == 1 ? ref_max64(1, ref_min64(along, MOST_WIDTH)) : 1;
  s->width_blocks = ref_ceil_div(along, s->width);
  s->rows = ref_max64(1, ref_min64(ref_min64(other, MOST_ROWS), MOST_SUMS / s->width));
  s->row_blocks = ref_ceil_div(other, s->rows);
}

int ref_conv_weight_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[X], *dy = p->in[DY], *dw = p->out[0];
  const int64_t groups = p->params->groups;
  if (!ref_window_check_between(p, x, dy, reason, reason_size))
    return 0;
  if (groups < 1 || x->dims[1] % groups || dy->dims[1] % groups || x->dims[0] != dy->dims[0])
    return ref_refuse(reason, reason_size, "ConvWeightGrad: groups %lld, x is [%lld,%lld,...], dy [%lld,%lld,...]",
                      (long long)groups, (long long)x->dims[0], (long long)x->dims[1], (long long)dy->dims[0],
                      (long long)dy->dims[1]);
  bool fits = dw->rank == x->rank && dw->dims[0] == dy->dims[1] && dw->dims[1] == x->dims[1] / groups;
  for (uint32_t i = 0; fits && i < p->params->spatial; ++i)
    fits = dw->dims[2 + i] == p->params->kernel[i];
  return fits ? 1 : ref_refuse(reason, reason_size, "ConvWeightGrad: dw does not have the shape of the weight");
}

int ref_conv_weight_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  shape s;
  shape_init(&s, p);
  const int64_t blocks = s.width_blocks * s.row_blocks;
  plan->tiles = p->out[0]->count == 0 ? 0 : (s.depthwise ? 1 : s.groups) * blocks * s.g.taps;
  plan->scratch_size = sizeof(float) * ref_accum_floats(s.width * s.rows);
  return 0;
}

/* A tile: its tap, and channels [o, ...) of dy and [c, ...) of x. */
typedef struct block {
  int64_t tap[3], o, c;    /* o, c: of the whole tensors */
  int64_t width, rows;     /* what the last block of each kind has */
} block;

static block block_of(const shape *s, int64_t tile) {
  const int64_t *kernel = s->g.kernel, tap = tile % s->g.taps;
  int64_t rest = tile / s->g.taps;
  block b = {.tap = {tap / kernel[2] / kernel[1], tap / kernel[2] % kernel[1], tap % kernel[2]}};
  const int64_t row = rest % s->row_blocks * s->rows;
  rest /= s->row_blocks;
  const int64_t at = rest % s->width_blocks * s->width, group = rest / s->width_blocks;
  if (s->depthwise) {
    b.width = ref_min64(s->width, s->groups - at);
    b.rows = 1;
    b.o = b.c = at;
    return b;
  }
  b.width = ref_min64(s->width, (s->along_x ? s->ic : s->oc) - at);
  b.rows = ref_min64(s->rows, (s->along_x ? s->oc : s->ic) - row);
  b.o = group * s->oc + (s->along_x ? row : at);
  b.c = group * s->ic + (s->along_x ? at : row);
  return b;
}

/* Adds `count` neighbouring output positions, the first of which has number k. */
static void add_positions(const shape *s, const block *b, ref_accum *a, int64_t k, const float *x, const float *dy,
                          int64_t count) {
  const int64_t x_step = s->g.stride[2] * s->g.x_step[2], dy_step = s->g.y_step[2];
  while (count > 0) {
    const int64_t n = ref_min64(ref_min64(count, PIECE), REF_CHUNK - k % REF_CHUNK);
    ref_accum_seek(a, k);
    for (int64_t i = 0; s->depthwise && i < n; ++i)
      a->loops->fma_f32(a->part, x + i * x_step, dy + i * dy_step, b->width);
    for (int64_t r = 0; !s->depthwise && r < b->rows; ++r) {
      float *part = a->part + r * b->width;
      if (s->along_x)
        a->loops->panel_f32(part, b->width, dy + r * s->g.y_channel, dy_step, x, x_step, n);
      else
        a->loops->panel_f32(part, b->width, x + r * s->g.x_channel, x_step, dy, dy_step, n);
    }
    x += n * x_step;
    dy += n * dy_step;
    k += n;
    count -= n;
  }
}

static const float *sum_block(const shape *s, const block *b, ref_accum *a, const float *x, const float *dy) {
  const ref_window *g = &s->g;
  int64_t begin[3], end[3], first[3];
  for (int d = 0; d < 3; ++d) {
    ref_window_outputs(g, d, b->tap[d], &begin[d], &end[d]);
    first[d] = b->tap[d] * g->dilation[d] - g->pad[d];
  }
  /* Whole rows of positions that lie behind each other in both x and dy are one long row. */
  const bool joined = begin[2] == 0 && end[2] == g->out[2] && g->y_step[1] == g->out[2] * g->y_step[2] &&
                      g->stride[1] * g->x_step[1] == g->out[2] * g->stride[2] * g->x_step[2];
  const int64_t per_row = end[2] - begin[2];
  for (int64_t n = 0; n < g->batch && per_row > 0; ++n)
    for (int64_t i = begin[0]; i < end[0]; ++i)
      for (int64_t j = begin[1]; j < end[1]; j += joined ? end[1] - begin[1] : 1) {
        const float *from = x + n * g->x_batch + (i * g->stride[0] + first[0]) * g->x_step[0] +
                            (j * g->stride[1] + first[1]) * g->x_step[1] +
                            (begin[2] * g->stride[2] + first[2]) * g->x_step[2];
        const float *grad =
            dy + n * g->y_batch + i * g->y_step[0] + j * g->y_step[1] + begin[2] * g->y_step[2];
        const int64_t k = ((n * g->out[0] + i) * g->out[1] + j) * g->out[2] + begin[2];
        add_positions(s, b, a, k, from, grad, joined ? (end[1] - begin[1]) * per_row : per_row);
      }
  return ref_accum_finish(a, s->length);
}

static void store(const shape *s, const block *b, const qe_operand *dw, float *data, const float *sum) {
  const uint32_t lead = 5u - dw->rank;
  float *to = data + b->o * dw->strides[0] + (s->depthwise ? 0 : b->c % s->ic) * dw->strides[1];
  for (uint32_t d = lead; d < 3; ++d)
    to += b->tap[d] * dw->strides[2 + d - lead];
  const int64_t row_step = dw->strides[s->along_x ? 0 : 1];
  const int64_t step = dw->strides[s->along_x && !s->depthwise ? 1 : 0];
  for (int64_t r = 0; r < b->rows; ++r)
    for (int64_t i = 0; i < b->width; ++i)
      to[r * row_step + i * step] = sum[r * b->width + i];
}

int ref_conv_weight_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  shape s;
  shape_init(&s, p);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const block b = block_of(&s, tile);
    ref_accum a;
    ref_accum_start(&a, ref_loops_of(self), call->scratch, b.width * b.rows);
    const float *x = (const float *)call->in[X] + b.c * s.g.x_channel;
    const float *dy = (const float *)call->in[DY] + b.o * s.g.y_channel;
    store(&s, &b, p->out[0], call->out[0], sum_block(&s, &b, &a, x, dy));
  }
  return 0;
}
