/* See shapes.h. */
#include "shapes.h"

#include <inttypes.h>
#include <stdio.h>

#define GEMM(m_, n_, k_)              {.m = m_, .n = n_, .k = k_}
#define CONV(c_, h_, o_, k_, s_, g_)  {.conv = true, .c = c_, .size = h_, .o = o_, .kernel = k_, .stride = s_, .groups = g_}

const shape shapes[] = {
    GEMM(1, 1024, 1024),
    GEMM(16, 1024, 1024),
    GEMM(64, 800, 320),
    GEMM(64, 768, 512),
    GEMM(256, 512, 256),
    GEMM(128, 768, 768),
    GEMM(128, 3072, 768),
    GEMM(128, 768, 3072),
    GEMM(784, 128, 512),
    GEMM(3136, 64, 576),
    GEMM(196, 256, 2304),
    GEMM(49, 512, 4608),
    GEMM(12544, 64, 147),
    GEMM(1024, 1024, 1024),
    CONV(64, 56, 64, 3, 1, 1),
    CONV(64, 56, 256, 1, 1, 1),
    CONV(256, 14, 256, 3, 1, 1),
    CONV(512, 7, 512, 3, 1, 1),
    CONV(3, 224, 64, 7, 2, 1),
    CONV(320, 7, 1280, 1, 1, 1),
    CONV(96, 112, 96, 3, 2, 96),
    CONV(144, 56, 144, 3, 1, 144),
    CONV(960, 7, 960, 3, 1, 960),
};
const int n_shapes = (int)(sizeof shapes / sizeof shapes[0]);

const char *shape_name(const shape *s) {
  static char name[128];
  if (s->conv)
    snprintf(name, sizeof name, "conv %" PRId64 ",%" PRId64 " %" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64, s->c, s->size,
             s->o, s->kernel, s->stride, s->groups);
  else
    snprintf(name, sizeof name, "gemm %" PRId64 "x%" PRId64 "x%" PRId64, s->m, s->n, s->k);
  return name;
}

bool shape_parse(const char *text, shape *s) {
  int end = 0;
  *s = (shape){0};
  if (sscanf(text, "gemm:%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n", &s->m, &s->n, &s->k, &end) == 3 && !text[end])
    return s->m > 0 && s->n > 0 && s->k > 0;
  s->conv = true;
  if (sscanf(text, "conv:%" SCNd64 ",%" SCNd64 ",%" SCNd64 ",%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n", &s->c, &s->size,
             &s->o, &s->kernel, &s->stride, &s->groups, &end) != 6 || text[end])
    return false;
  return s->c > 0 && s->size > 0 && s->o > 0 && s->kernel > 0 && s->stride > 0 && s->groups > 0 &&
         s->c % s->groups == 0 && s->o % s->groups == 0;
}

int64_t shape_out_size(const shape *s) { return (s->size + 2 * (s->kernel / 2) - s->kernel) / s->stride + 1; }

int64_t shape_macs(const shape *s) {
  if (!s->conv) return s->m * s->n * s->k;
  return shape_out_size(s) * shape_out_size(s) * s->o * (s->c / s->groups) * s->kernel * s->kernel;
}
