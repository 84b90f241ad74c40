/* Sums for each channel (channels.h): which operands fit, and how channels are cut into tiles. */
#include "train/channels.h"

#define SHORTEST_VECTOR 4
#define LONGEST_VECTOR  16 /* floats; also a cache line */
#define MOST_LINES      6  /* of a tile: what it keeps of each channel has to stay in the first cache */

bool fb_channels_dense(const qe_operand *o) {
  if (o->rank < 2 || (o->dims[1] > 1 && o->strides[1] != 1)) return false;
  int64_t step = o->dims[1];
  for (uint32_t d = o->rank; d-- > 0;) {
    if (d == 1) continue;
    if (o->dims[d] > 1 && o->strides[d] != step) return false;
    step *= o->dims[d];
  }
  return true;
}

int fb_channels_check(const qe_problem *p, uint32_t data, char *reason, size_t reason_size) {
  for (uint32_t i = 0; i < data; ++i)
    if (!fb_channels_dense(p->in[i]) || p->in[i]->count != p->out[0]->count)
      return fb_refuse(reason, reason_size, "%s: the channels of input %u do not lie side by side", p->op, i);
  if (!fb_channels_dense(p->out[0]))
    return fb_refuse(reason, reason_size, "%s: the channels of the output do not lie side by side", p->op);
  for (uint32_t i = data; i < p->n_in; ++i)
    if (fb_has_in(p, i) && (p->in[i]->dtype != QE_DT_F32 || p->in[i]->count != p->in[0]->dims[1]))
      return fb_refuse(reason, reason_size, "%s: input %u has not one float32 for each channel", p->op, i);
  return 1;
}

/*
 * Neighbouring cache lines are read for the price of one, but few tiles leave cores idle: the busiest core gets as few cache
 * lines as possible, in as few tiles as that takes. Less than two cache lines of channels are one tile, as tiles that share
 * cache lines read all of them.
 */
static int64_t block_of(int64_t channels, int64_t cores) {
  if (channels < 2 * LONGEST_VECTOR) return channels;
  const int64_t lines = fb_ceil_div(channels, LONGEST_VECTOR);
  int64_t best = 1, least = INT64_MAX;
  for (int64_t block = 1; block <= MOST_LINES; ++block) {
    const int64_t busiest = fb_ceil_div(fb_ceil_div(lines, block), cores) * block;
    if (busiest <= least) best = block, least = busiest;
  }
  return best * LONGEST_VECTOR;
}

void fb_channels_init(fb_channels *s, const qe_operand *x, const qe_cpu *cpu) {
  *s = (fb_channels){.channels = x->dims[1], .pixels = 1};
  for (uint32_t d = 0; d < x->rank; ++d)
    if (d != 1) s->pixels *= x->dims[d];
  s->block = block_of(s->channels, fb_max64(1, (int64_t)cpu->cores));
  s->blocks = s->channels == 0 ? 0 : fb_ceil_div(s->channels, s->block);
  s->width = fb_round_up(s->block, LONGEST_VECTOR);
}

uint64_t fb_channels_scratch(const fb_channels *s, int64_t arrays) {
  const uint64_t size = (uint64_t)fb_channels_size(s);
  return (uint64_t)arrays * size * sizeof(float) + size / SHORTEST_VECTOR * sizeof(fb_column);
}
