/*
 * Shared declarations of the engines for processors: the state behind `self`, small helpers, and the prototypes of all
 * kernel functions (made from kernels.def). All names here begin with fb_, in whichever engine they are built. Rules for
 * every kernel: docs/kernels.md.
 */
#ifndef QE_CPU_FB_H
#define QE_CPU_FB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "isas.h" /* of the engine that is built */
#include "qengine_plugin.h"

/* What create() makes. Constant afterwards. */
typedef struct fb_self {
  const qe_host *host;
} fb_self;

static inline const qe_cpu *fb_cpu(void *self) { return ((const fb_self *)self)->host->cpu; }
/* Bytes of a core's first-level cache; what is usual where the host does not know. */
static inline int64_t fb_l1d(const qe_cpu *cpu) { return cpu->l1d ? (int64_t)cpu->l1d : 32768; }

static inline int64_t fb_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fb_max64(int64_t a, int64_t b) { return a > b ? a : b; }
/* Number of pieces of `size` that cover n. */
static inline int64_t fb_ceil_div(int64_t n, int64_t size) { return n / size + (n % size != 0); }
static inline int64_t fb_round_up(int64_t n, int64_t size) { return fb_ceil_div(n, size) * size; }

static inline int64_t fb_common_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static inline bool fb_has_in(const qe_problem *p, uint32_t i) { return i < p->n_in && p->in[i]; }
static inline bool fb_has_out(const qe_problem *p, uint32_t i) { return i < p->n_out && p->out[i]; }
static inline bool fb_is_code8(const qe_operand *o) { return o->dtype == QE_DT_U8 || o->dtype == QE_DT_I8; }

/* Terms of a float sum that are added in lanes before the sums of chunks are added in order (docs/numerics.md). */
#define FB_SUM_CHUNK 65536

/* Writes why supports() says no; returns 0, so that `return fb_refuse(...)` reads well. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int fb_refuse(char *reason, size_t reason_size, const char *format, ...);

/* The codes that a quantized op may give: those of output 0's 8-bit type, narrowed by the fused clamp. */
static inline void fb_code_range(const qe_problem *p, int32_t *lo, int32_t *hi) {
  *lo = p->out[0]->dtype == QE_DT_I8 ? INT8_MIN : 0;
  *hi = p->out[0]->dtype == QE_DT_I8 ? INT8_MAX : UINT8_MAX;
  *lo = p->clamp_lo > *lo ? p->clamp_lo : *lo;
  *hi = p->clamp_hi < *hi ? p->clamp_hi : *hi;
}

/* clamp(rne(v) + zero); NaN stands for zero. Rounds by an addition, to even, as what is left after the clamp is small. */
static inline int32_t fb_round_code(float v, int32_t zero, int32_t lo, int32_t hi) {
  const float least = (float)(lo - zero), most = (float)(hi - zero);
  v = v == v ? v : 0.0f;
  v = v < least ? least : v;
  v = v > most ? most : v;
  return (int32_t)((v + 12582912.0f) - 12582912.0f) + zero;
}

#define FB_KERNEL_AT(offset, stem, isa, op, i0, i1, i2, i3, out, quantized, layout, supports, plan, prepack, run) \
  int fb_##supports##_supports(void *self, const qe_problem *p, char *reason, size_t reason_size);                \
  int fb_##plan##_plan(void *self, const qe_problem *p, qe_kernel_plan *plan);                                    \
  int fb_##prepack##_prepack(void *self, const qe_problem *p, void *packed);                                      \
  int fb_##run##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
#define FB_KERNEL(...) FB_KERNEL_AT(0, __VA_ARGS__)
#include "kernels.def"
#undef FB_KERNEL_AT
#undef FB_KERNEL

#endif
