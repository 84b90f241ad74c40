/* Moving elements by tables (remap.h). */
#include "remap.h"

#include <string.h>

uint64_t ref_remap_bytes(const qe_operand *y) {
  uint64_t n = 0;
  for (uint32_t d = 0; d < y->rank; ++d)
    n += (uint64_t)y->dims[d];
  return n * sizeof(int64_t);
}

void ref_remap_init(ref_remap *r, const qe_operand *y, void *scratch) {
  int64_t *next = scratch;
  *r = (ref_remap){.y = y};
  for (uint32_t d = 0; d < y->rank; ++d) {
    r->table[d] = next;
    next += y->dims[d];
  }
}

int ref_remap_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  plan->scratch_size = ref_remap_bytes(p->out[0]);
  return ref_flat_copy_plan(self, p, plan);
}

void ref_memory_order(const qe_operand *o, uint32_t order[QE_MAX_RANK]) {
  for (uint32_t d = 0; d < o->rank; ++d) {
    uint32_t e = d;
    for (; e > 0 && o->strides[order[e - 1]] < o->strides[d]; --e)
      order[e] = order[e - 1];
    order[e] = d;
  }
}

/* One row along the fastest dimension. x: the row's base, NULL when all of it is filled. */
static void copy_row(size_t size, char *y, int64_t y_step, const char *x, const int64_t *table, const char *fill,
                     int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const char *from = x && table[i] != REF_REMAP_FILL ? x + table[i] * (int64_t)size : fill;
    char *to = y + i * y_step * (int64_t)size;
    switch (size) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
  }
}

void ref_remap_run(const ref_remap *r, size_t size, void *y, const void *x, const void *fill, int64_t begin,
                   int64_t end) {
  const qe_operand *o = r->y;
  if (o->rank == 0) {
    static const int64_t only = 0;
    if (begin < end)
      copy_row(size, y, 1, x, &only, fill, 1);
    return;
  }
  uint32_t order[QE_MAX_RANK];
  ref_memory_order(o, order);
  const uint32_t fast = order[o->rank - 1];
  for (int64_t at = begin; at < end;) {
    int64_t rest = at / o->dims[fast], from = 0, to = 0;
    bool filled = false;
    for (uint32_t k = o->rank - 1; k-- > 0;) {
      const uint32_t d = order[k];
      const int64_t i = rest % o->dims[d];
      rest /= o->dims[d];
      to += i * o->strides[d];
      filled = filled || r->table[d][i] == REF_REMAP_FILL;
      from += r->table[d][i];
    }
    const int64_t first = at % o->dims[fast], n = ref_min64(o->dims[fast] - first, end - at);
    copy_row(size, (char *)y + (to + first * o->strides[fast]) * (int64_t)size, o->strides[fast],
             filled ? NULL : (const char *)x + from * (int64_t)size, r->table[fast] + first, fill, n);
    at += n;
  }
}
