/*
 * Shared declarations of the reference engine: the state behind `self`, the vectorizable inner loops, the fixed-order
 * sums, walking of strided operands, and the prototypes of all kernel functions (made from kernels.def).
 *
 * Rules for every kernel (docs/kernels.md): run is pure, uses call->scratch only, writes only its tiles, reads nothing
 * beyond its operands, clamps with the fused activation last.
 */
#ifndef QE_REFERENCE_REF_H
#define QE_REFERENCE_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loops.h"
#include "qengine_plugin.h"

/* What create() makes. Constant afterwards. */
typedef struct ref_self {
  const qe_host *host;
  const ref_loops *loops; /* the inner loops of the best instruction set; same bits whichever it is */
} ref_self;

static inline const ref_loops *ref_loops_of(void *self) { return ((const ref_self *)self)->loops; }

/* -- small helpers ------------------------------------------------------------------------------------------------ */

static inline int64_t ref_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t ref_max64(int64_t a, int64_t b) { return a > b ? a : b; }
/* Number of pieces of `size` that cover n. */
static inline int64_t ref_ceil_div(int64_t n, int64_t size) { return n / size + (n % size != 0); }

/* The fused activation of a float op; NaN stays NaN, -0 stays -0 under a lower bound of 0. */
static inline float ref_act(float y, float lo, float hi) { return y < lo ? lo : y > hi ? hi : y; }

/* Product of dims; 0 as soon as one of them is 0, whatever the others. */
int64_t ref_count(uint32_t rank, const int64_t *dims);

size_t ref_dtype_size(uint8_t dtype); /* bytes of one element; 0 for types narrower than a byte and unknown ones */
const char *ref_dtype_name(uint8_t dtype);

/* Writes why supports() says no; returns 0, so that `return ref_refuse(...)` reads well. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int ref_refuse(char *reason, size_t reason_size, const char *format, ...);

/* Is `in[i]` / `out[i]` there? */
static inline bool ref_has_in(const qe_problem *p, uint32_t i) { return i < p->n_in && p->in[i]; }
static inline bool ref_has_out(const qe_problem *p, uint32_t i) { return i < p->n_out && p->out[i]; }

/* -- tiles -------------------------------------------------------------------------------------------------------- */

#define REF_FLAT_TILE 8192 /* elements of one tile of an element by element kernel */

/* The plan of element by element kernels: tiles of REF_FLAT_TILE elements of output 0, may run in place. */
int ref_flat_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);
/* The same without permission to run in place. */
int ref_flat_copy_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);
/* Element range of tiles [tile_begin, tile_end) under those plans. */
static inline void ref_flat_range(const qe_problem *p, int64_t tile_begin, int64_t tile_end, int64_t *begin,
                                  int64_t *end) {
  *begin = tile_begin * REF_FLAT_TILE;
  *end = ref_min64(tile_end * REF_FLAT_TILE, p->out[0]->count);
}

/* -- strided operands --------------------------------------------------------------------------------------------- */

/* Walks the elements of a box in logical row-major order; offset is in elements. */
typedef struct ref_iter {
  uint32_t rank;
  int64_t dims[QE_MAX_RANK], strides[QE_MAX_RANK], index[QE_MAX_RANK];
  int64_t offset;
} ref_iter;

/* Starts at element `linear` (row-major) of the box; dims must not contain 0 unless nothing is read. */
void ref_iter_start(ref_iter *it, uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t linear);
void ref_iter_next(ref_iter *it);
/* The offset in elements of logical row-major element `linear`. */
int64_t ref_offset(uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t linear);
/* Does each element of output 0 lie where that of input 0 lies? Only then may a strided kernel run in place. */
bool ref_same_strides(const qe_problem *p);
/* Joins dimensions that one stride can walk, drops those of size 1, keeps the row-major order. Returns the new rank. */
uint32_t ref_box_merge(uint32_t rank, const int64_t *dims, const int64_t *strides, int64_t *new_dims,
                       int64_t *new_strides);
/* Strides of `o` seen as a tensor of `rank` dimensions aligned at the last one; 0 where it broadcasts. */
void ref_broadcast_strides(const qe_operand *o, uint32_t rank, int64_t *strides);

/* -- sums in the fixed order (sums.c) ----------------------------------------------------------------------------- */

/*
 * 16 interleaved lanes (lane[i mod 16] += term_i), the tree 8+8, 4+4, 2+2, 1+1, and chunks of 65,536 terms whose
 * sums are added in order. An empty sum is +0. Elements are `stride` apart.
 */
#define REF_SUM_CHUNK 65536
float ref_sum_f32(const float *x, int64_t n, int64_t stride);
float ref_sum_squares_f32(const float *x, int64_t n, int64_t stride);                  /* terms x*x */
float ref_sum_centered_f32(const float *x, int64_t n, int64_t stride, float mean);     /* terms (x-mean)*(x-mean) */
/* The same over a box in its row-major order. */
float ref_sum_box_f32(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides);
float ref_sum_squares_box_f32(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides);
float ref_sum_centered_box_f32(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides, float mean);

/* -- kernel functions, from kernels.def --------------------------------------------------------------------------- */

#define REF_KERNEL(name, op, i0, i1, i2, i3, out, quantized, layout, supports, plan, prepack, run) \
  int ref_##supports##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size); \
  int ref_##plan##_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);                     \
  int ref_##prepack##_prepack(void *self, const qe_problem *p, void *packed);                       \
  int ref_##run##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
#include "kernels.def"
#undef REF_KERNEL

#endif
