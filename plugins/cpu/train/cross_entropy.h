/* SoftmaxCrossEntropy and its gradient: rows of logits and their labels. */
#ifndef QE_CPU_TRAIN_CROSS_ENTROPY_H
#define QE_CPU_TRAIN_CROSS_ENTROPY_H

#include "fb.h"

typedef struct fb_cross_entropy {
  int64_t rows, classes, rows_per_tile; /* tiles: of the gradient */
  bool ignores;
  int64_t ignored; /* label */
  float smoothing;
} fb_cross_entropy;

/* Logits and labels are inputs `first` and `first` + 1. */
fb_cross_entropy fb_cross_entropy_of(const qe_problem *p, uint32_t first);

enum { FB_LABEL, FB_LABEL_IGNORED, FB_LABEL_WRONG };
static inline int fb_label_kind(const fb_cross_entropy *s, int64_t label) {
  if (s->ignores && label == s->ignored) return FB_LABEL_IGNORED;
  return label >= 0 && label < s->classes ? FB_LABEL : FB_LABEL_WRONG;
}

#endif
