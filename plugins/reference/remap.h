/*
 * Moving elements by tables: along every dimension a table says which input position an output position reads, as an
 * offset in elements, or that the element is filled. Pad, Tile and Resize (nearest) are made of this.
 */
#ifndef QE_REFERENCE_REMAP_H
#define QE_REFERENCE_REMAP_H

#include "nest.h"

#define REF_REMAP_FILL (-1)

typedef struct ref_remap {
  const qe_operand *y;
  int64_t *table[QE_MAX_RANK]; /* y->dims[d] offsets each; in scratch */
} ref_remap;

/* Bytes of scratch for the tables. */
uint64_t ref_remap_bytes(const qe_operand *y);
/* Places the tables in scratch, not filled yet. */
void ref_remap_init(ref_remap *r, const qe_operand *y, void *scratch);
/* Writes elements [begin, end) of y in the order of y's memory. fill: one element. */
void ref_remap_run(const ref_remap *r, size_t size, void *y, const void *x, const void *fill, int64_t begin,
                   int64_t end);

/* Tiles of REF_FLAT_TILE elements and scratch for the tables. */
int ref_remap_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);

/* Dimensions from the slowest to the fastest in memory. */
void ref_memory_order(const qe_operand *o, uint32_t order[QE_MAX_RANK]);

#endif
