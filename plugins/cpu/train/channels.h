/*
 * Sums over all pixels (samples and positions) for each channel, and what is computed of them, where channels lie side
 * by side: x[pixel * channels + channel]. The contract's 16 lanes are 16 neighbouring pixels, a round; so the terms of a
 * round are added to accumulators element by element. A tile is a block of channels with all its pixels.
 */
#ifndef QE_CPU_TRAIN_CHANNELS_H
#define QE_CPU_TRAIN_CHANNELS_H

#include "fb.h"

typedef struct fb_channels {
  int64_t channels, pixels;
  int64_t block, blocks; /* channels of a tile but the last; how many blocks */
  int64_t width;         /* block, rounded up to the longest vector */
} fb_channels;

/* Is o of rank 2 or more, dense, its channels side by side? */
bool fb_channels_dense(const qe_operand *o);
/* 1 when inputs [0, data) and output 0 are such and all others given are vectors of channels; else 0 with the reason. */
int fb_channels_check(const qe_problem *p, uint32_t data, char *reason, size_t reason_size);
void fb_channels_init(fb_channels *s, const qe_operand *x, const qe_cpu *cpu);

/* A block as columns of vectors: those of 16 pixels in order, first the full ones, then those of `some` elements. */
typedef struct fb_column {
  int64_t at, parameter; /* of its first element in x, and among the block's parameters */
} fb_column;

#define FB_PIXELS 16 /* of a round */

/* Scratch memory of a tile: so many arrays of fb_channels_size floats, then the columns. */
static inline int64_t fb_channels_size(const fb_channels *s) { return FB_PIXELS * s->width; }
uint64_t fb_channels_scratch(const fb_channels *s, int64_t arrays);

#endif
