/* The columns of a block of channels (channels.h), and arrays in their order. Included by sources that are built for vectors. */
#ifndef QE_CPU_TRAIN_COLUMNS_H
#define QE_CPU_TRAIN_COLUMNS_H

#include "float/vec.h"
#include "train/channels.h"
#include "train/lanes_tree.h"

typedef struct columns {
  const fb_column *column;
  int64_t full, partial, some; /* columns of FB_LANES elements; of `some` < FB_LANES elements, with as many accumulators */
  int64_t channels, row;       /* of the block; accumulators from pixel to pixel among the full columns */
  bool whole;                  /* the block is all of x, which is one row of vectors */
} columns;

/* How many columns hold the first `pixels` of 16: full, partial, and a last one of `rest` elements of the whole. */
typedef struct extent {
  int64_t full, partial, rest;
} extent;

static inline columns columns_of(const fb_channels *s, int64_t channels, fb_column *column) {
  columns c = {.column = column, .channels = channels, .whole = s->blocks == 1 && channels % FB_LANES != 0};
  const int64_t vectors = channels / FB_LANES;
  c.row = c.whole ? channels : vectors * FB_LANES;
  c.full = FB_PIXELS * c.row / FB_LANES;
  for (int64_t j = 0; j < c.full; ++j) {
    const int64_t pixel = c.whole ? 0 : j / vectors, first = (c.whole ? j : j % vectors) * FB_LANES;
    column[j] = (fb_column){pixel * s->channels + first, first};
  }
  if (c.whole || channels == c.row) return c;
  c.partial = FB_PIXELS;
  c.some = channels - c.row;
  for (int64_t j = 0; j < FB_PIXELS; ++j) column[c.full + j] = (fb_column){j * s->channels + c.row, c.row};
  return c;
}

static inline extent columns_extent(const columns *c, int64_t pixels) {
  if (pixels == FB_PIXELS) return (extent){c->full, c->partial, 0};
  if (c->whole) return (extent){pixels * c->channels / FB_LANES, 0, pixels * c->channels % FB_LANES};
  return (extent){c->full / FB_PIXELS * pixels, c->partial ? pixels : 0, 0};
}

/* A number for each channel, where columns look for it; the lanes past the last channel get 0. */
static inline void columns_spread(const columns *c, float *to, const float *from) {
  const int64_t padded = fb_round_up(c->channels, FB_LANES);
  for (int64_t i = 0; i < c->channels; ++i) to[i] = from[i];
  if (!c->whole)
    for (int64_t i = c->channels; i < padded; ++i) to[i] = 0.0f;
  for (int64_t k = 1; k < FB_PIXELS && c->whole; ++k)
    for (int64_t i = 0; i < c->channels; ++i) to[k * c->channels + i] = from[i];
}

/* Adds the sums of a chunk to the totals of the block's channels, or sets these. */
static inline void columns_total(const columns *c, float *total, float *sum, bool first) {
  float *rest = sum + c->full * FB_LANES;
  lanes_tree(sum, c->row);
  lanes_tree(rest, c->partial ? FB_LANES : 0);
  for (int64_t i = 0; i < c->channels; ++i) {
    const float v = i < c->row ? sum[i] : rest[i - c->row];
    total[i] = first ? v : total[i] + v;
  }
}

#endif
