/* Weights of products as they lie in memory, and as cores want constant ones: n rows of k codes. */
#include <string.h>

#include "q8/product.h"

enum { TURNED = 32 };

static void copy_run(const fb_q8_codes *w, const uint8_t *from, uint8_t *to) {
  if (w->step[3] == 1) {
    memcpy(to, from, (size_t)w->size[3]);
    return;
  }
  for (int64_t i = 0; i < w->size[3]; ++i) to[i] = from[i * w->step[3]];
}

/* Columns that lie side by side, in pieces of k whose lines stay in the cache for all columns on them. */
static void turn_columns(const fb_q8_codes *w, const uint8_t *from, int64_t n, uint8_t *to) {
  const int64_t k = w->size[3], step = w->step[3];
  for (int64_t k0 = 0; k0 < k; k0 += TURNED)
    for (int64_t column = 0; column < n; ++column)
      for (int64_t i = k0; i < fb_min64(k0 + TURNED, k); ++i) to[column * k + i] = from[i * step + column];
}

/*
 * With merged groups a column sees the channels of all of them, group by group in each tap, and a gathered window or the
 * runs of one may be longer than the weight: what is not the column's own gets its zero point for a weight, which counts
 * as 0.
 */
void fb_q8_codes_copy(const fb_q8_product *p, int64_t part, uint8_t *to) {
  const fb_q8_codes *w = &p->w;
  const uint8_t *data = (const uint8_t *)p->problem->in[1]->data + w->first;
  const int64_t n = p->n / p->merged, c = w->size[3], run = c * p->merged;
  const int64_t size = p->taps * p->kc, own = w->size[0] * w->size[1] * w->size[2] * run;
  if (w->step_n == 1 && p->merged == 1 && own == size && c == size) {
    turn_columns(w, data + part * p->w_part, p->n, to);
    return;
  }
  for (int64_t column = 0; column < p->n; ++column, to += size) {
    const int64_t group = column / n, channel = p->own_columns ? part * p->n + column : column;
    const uint8_t *from = data + (part * p->merged + group) * p->w_part + column % n * w->step_n;
    if (p->merged > 1 || own < size) memset(to, fb_q8_w_zero_code(p, channel), (size_t)size);
    uint8_t *tap = to + group * c;
    for (int64_t i = 0; i < w->size[0]; ++i)
      for (int64_t j = 0; j < w->size[1]; ++j, tap += p->pad)
        for (int64_t k = 0; k < w->size[2]; ++k, tap += run)
          copy_run(w, from + i * w->step[0] + j * w->step[1] + k * w->step[2], tap);
  }
}

/* Taps have one step, as kernels are dense; the weights of computed convolutions are. */
fb_q8_weight fb_q8_codes_weight(const fb_q8_product *p, const void *data, int64_t part, int64_t n0, int64_t n1) {
  int64_t a, b = part * p->w_part;
  if (p->find_batch) p->find_batch(p, part, &a, &b);
  return (fb_q8_weight){.data = data ? (const uint8_t *)data + b + n0 * p->w.step_n : NULL,
                        .flip = fb_q8_flip_w(p->problem),
                        .n = n1 - n0,
                        .taps = p->taps,
                        .kc = p->kc,
                        .step_n = p->w.step_n,
                        .step_tap = p->w.step[2],
                        .step_c = p->w.step[3]};
}
