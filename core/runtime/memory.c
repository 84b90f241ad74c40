/*
 * Memory plan: every value of the arena gets an offset such that values alive at the same step never overlap. Values
 * are placed by falling size, each at the lowest offset that is free during its life.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/plan.h"

enum { ALIGNMENT = 64 };

static void touch(qe__plan *plan, int32_t phys, int32_t step) {
  if (phys < 0) return;
  qe__phys *root = &plan->phys[qe__phys_root(plan, phys)];
  if (root->first < 0) root->first = step;
  if (step > root->last) root->last = step;
}

static void find_lifetimes(qe__plan *plan) {
  for (uint32_t i = 0; i < plan->n_phys; i++) plan->phys[i].first = plan->phys[i].last = -1;
  for (uint32_t s = 0; s < plan->n_steps; s++) {
    for (uint32_t i = 0; i < plan->steps[s].n_in; i++) touch(plan, plan->steps[s].in[i], (int32_t)s);
    for (uint32_t i = 0; i < plan->steps[s].n_out; i++) touch(plan, plan->steps[s].out[i], (int32_t)s);
  }
  for (uint32_t i = 0; i < plan->n_outputs; i++) {
    if (plan->outputs[i].copy) touch(plan, plan->outputs[i].phys, (int32_t)plan->n_steps);
  }
}

/* A step that may work in place writes over its first input when nothing reads that later. */
static void reuse_inputs(qe__plan *plan) {
  for (uint32_t s = 0; s < plan->n_steps; s++) {
    const qe__step *step = &plan->steps[s];
    if (!(step->sizes.flags & QE_PLAN_INPLACE) || step->n_in == 0 || step->n_out != 1 || step->in[0] < 0) continue;
    const int32_t x = qe__phys_root(plan, step->in[0]), y = step->out[0];
    qe__phys *a = &plan->phys[x], *b = &plan->phys[y];
    bool other_input = false; /* x + x reads the same memory twice: still element by element, but keep it simple */
    for (uint32_t i = 1; i < step->n_in; i++) other_input = other_input || (step->in[i] >= 0 && qe__phys_root(plan, step->in[i]) == x);
    if (other_input || a->place != QE__PLACE_ARENA || b->place != QE__PLACE_ARENA || b->alias_of >= 0) continue;
    if (a->last != (int32_t)s || b->first != (int32_t)s || a->bytes != b->bytes) continue;
    b->alias_of = x;
    a->last = b->last;
  }
}

static int by_size(const void *a, const void *b) {
  const qe__phys *x = *(qe__phys *const *)a, *y = *(qe__phys *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : x > y;
}

/* Values that have their place, by rising offset; what a search looks at lies together. */
typedef struct placed {
  size_t offset, end; /* end: where the next value may begin */
  int32_t first, last;
} placed;

static placed placed_of(const qe__phys *x) {
  return (placed){x->offset, x->offset + (x->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, x->first, x->last};
}

/* The lowest offset at which x fits between those that are alive with it. */
static size_t lowest_fit(const placed *all, uint32_t n, const qe__phys *x) {
  size_t offset = 0;
  for (uint32_t j = 0; j < n; j++) {
    const placed *p = &all[j];
    if (p->first > x->last || p->last < x->first) continue;
    if (p->offset >= offset && p->offset - offset >= x->bytes) break;
    if (p->end > offset) offset = p->end;
  }
  return offset;
}

static void insert(placed *all, uint32_t n, placed p) {
  uint32_t lo = 0, hi = n; /* behind those of the same offset */
  while (lo < hi) {
    const uint32_t mid = lo + (hi - lo) / 2;
    if (all[mid].offset <= p.offset) lo = mid + 1;
    else hi = mid;
  }
  memmove(&all[lo + 1], &all[lo], (n - lo) * sizeof *all);
  all[lo] = p;
}

qe_status_t qe__plan_memory(qe__plan *plan) {
  find_lifetimes(plan);
  reuse_inputs(plan);
  qe__phys **all = qe__calloc(plan->n_phys + 1, sizeof *all);
  placed *done = qe__calloc(plan->n_phys + 1, sizeof *done);
  if (!all || !done) {
    qe__free(all);
    qe__free(done);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  uint32_t n = 0;
  for (uint32_t i = 0; i < plan->n_phys; i++) {
    qe__phys *x = &plan->phys[i];
    if (x->place == QE__PLACE_ARENA && x->alias_of < 0 && x->first >= 0) all[n++] = x;
  }
  qsort(all, n, sizeof *all, by_size);
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < n && status == QE_OK; i++) {
    const size_t offset = lowest_fit(done, i, all[i]);
    size_t end;
    all[i]->offset = offset;
    if (all[i]->bytes > SIZE_MAX / 2 || !qe__add_size(offset, all[i]->bytes + ALIGNMENT, &end)) {
      status = qe__fail(QE_ERROR_OUT_OF_MEMORY, "the intermediate values of this plan exceed the address space; use a smaller batch");
    } else {
      if (end > plan->arena_bytes) plan->arena_bytes = end;
      insert(done, i, placed_of(all[i]));
    }
  }
  qe__free(all);
  qe__free(done);
  return status;
}
