/* Rows of a matrix (matrices.h): where they lie; a transposed matrix is copied, block by block of rows. */
#include "q8/matrices.h"

static void find_rows(const fb_q8_product *p, fb_q8_found *f) {
  const fb_q8_matrices *m = &p->at.matrices;
  int64_t a = 0, b;
  if (p->find_batch) p->find_batch(p, f->part, &a, &b);
  const uint8_t *from = f->data + a + f->first * m->a_m;
  if (m->a_k != 1) {
    for (int64_t k = 0; k < p->kc; ++k)
      for (int64_t r = 0; r < f->count; ++r) f->space[r * p->kc + k] = from[r * m->a_m + k * m->a_k];
    from = f->space;
  }
  f->x_step = m->a_k != 1 ? p->kc : m->a_m;
  for (int64_t r = 0; r < f->count; ++r) f->x[r] = from + r * f->x_step;
}

void fb_q8_matrices_init(fb_q8_product *p, int64_t a_m, int64_t a_k, int64_t b_n, int64_t b_k) {
  p->merged = 1;
  p->w = (fb_q8_codes){.step_n = b_n, .size = {1, 1, 1, p->kc}, .step = {0, 0, 0, b_k}};
  p->at.matrices.a_m = a_m;
  p->at.matrices.a_k = p->kc > 1 ? a_k : 1;
  p->space_row = p->at.matrices.a_k != 1 ? p->kc : 0;
  p->find_rows = find_rows;
}
