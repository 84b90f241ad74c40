/*
 * Plugins with one bug each, to see that conformance testing finds it. -DBUG=BUG_X chooses the bug (saboteurs.def);
 * HONEST has none. Each claims exactness E0 for one kernel: Gemm of uint8 codes, int8 weights, uint8 result.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "qengine_plugin.h"

enum {
#define SABOTEUR(name, check) BUG_##name,
#define SABOTEUR_X86 SABOTEUR
#define SABOTEUR_ARM SABOTEUR
#include "saboteurs.def"
#undef SABOTEUR_X86
#undef SABOTEUR_ARM
#undef SABOTEUR
};

/* A constant, so the compiler keeps only the bug that was asked for. */
#define HAS(name) (BUG == BUG_##name)

enum { MR = 4, NR = 16 };

static const qe_host *services;
static int runs;

typedef struct gemm {
  int64_t m, n, k, a_m, a_k, b_k, b_n, panels;
  int constant;
} gemm;

static gemm gemm_of(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const int ta = p->params->trans_a != 0, tb = p->params->trans_b != 0;
  return (gemm){.m = a->dims[ta],
                .n = b->dims[!tb],
                .k = a->dims[!ta],
                .a_m = a->strides[ta],
                .a_k = a->strides[!ta],
                .b_k = b->strides[tb],
                .b_n = b->strides[!tb],
                .panels = (b->dims[!tb] + NR - 1) / NR,
                .constant = b->data != NULL};
}

static const qe_operand *bias_of(const qe_problem *p) {
  return p->n_in > 2 ? p->in[2] : NULL;
}

static int supports(void *self, const qe_problem *p, char *reason, size_t size) {
  (void)self;
  if ((bias_of(p) && bias_of(p)->dtype != QE_DT_I32) || p->params->alpha != 1.0f || p->params->beta != 1.0f) {
    snprintf(reason, size, "alpha and beta are not 1, or the bias is not int32");
    return 0;
  }
  const gemm g = gemm_of(p);
  if (!g.constant && g.k > 32768) {
    snprintf(reason, size, "a sum of %lld products could leave int32", (long long)g.k);
    return 0;
  }
  return 1;
}

/* Packed: multipliers of the columns, padded; then the codes of a constant B, [n][k]. */
static int64_t multiplier_bytes(const gemm *g) {
  return g->panels * NR * 4;
}

/* Scratch: MR rows of A. */
static int plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  const gemm g = gemm_of(p);
  (void)self;
  plan->tiles = (g.m + MR - 1) / MR * g.panels;
  plan->packed_size = (uint64_t)(multiplier_bytes(&g) + (g.constant ? g.n * g.k : 0));
  plan->scratch_size = (uint64_t)(MR * g.k + 4 - (HAS(SCRATCH_TOO_SMALL) ? 5 : 0));
  return 0;
}

/* A multiplier as a 31-bit fraction and a shift, as fixed-point kernels elsewhere have it. */
static int64_t fixed_point(int64_t sum, double m) {
  int exponent;
  const double fraction = frexp(m, &exponent);
  const int64_t q31 = (int64_t)floor(fraction * 2147483648.0 + 0.5);
  const int shift = 31 - exponent;
  const int64_t high = (int64_t)(((sum * q31) + (INT64_C(1) << 30)) >> 31);
  if (shift <= 31) return high << (31 - shift);
  return shift - 31 > 62 ? 0 : (high + (INT64_C(1) << (shift - 32))) >> (shift - 31);
}

static int prepack(void *self, const qe_problem *p, void *packed) {
  const qe_operand *b = p->in[1];
  const gemm g = gemm_of(p);
  float *m = packed;
  int8_t *codes = (int8_t *)packed + multiplier_bytes(&g);
  (void)self;
  if (HAS(LEAKS)) {
    char *forgotten = services->alloc(services->ctx, 4096, 64);
    if (forgotten) forgotten[0] = 1;
  }
  for (int64_t j = 0; j < g.panels * NR; j++) {
    const int64_t from = HAS(CHANNEL_SHIFTED) ? j + 1 : j;
    const float product = p->in[0]->scales[0] * b->scales[b->q_count > 1 && from < g.n ? from : 0];
    m[j] = product / p->out[0]->scales[0];
  }
  for (int64_t j = 0; g.constant && j < g.n; j++)
    for (int64_t i = 0; i < g.k; i++) codes[j * g.k + i] = ((const int8_t *)b->data)[i * g.b_k + j * g.b_n];
  return 0;
}

static int64_t saturated(int64_t v) {
  return v > 32767 ? 32767 : v < -32768 ? -32768 : v;
}

/* Sum of (a - za)(b - zb) over k. */
static int64_t dot(const gemm *g, const uint8_t *a, const int8_t *b, int64_t b_step, int32_t za, int32_t zb) {
  int64_t sum = 0, sum_a = 0, sum_b = 0;
  float rounded = 0.0f;
  for (int64_t i = 0; i < g->k; i++) {
    if (HAS(LONG_SUMS) && i >= 4096) break;
    const int64_t now = a[i] * b[i * b_step];
    if (HAS(INT16_PAIRS) && i % 2) { /* as vpmaddubsw does */
      const int64_t before = a[i - 1] * b[(i - 1) * b_step];
      sum += saturated(before + now) - before;
    } else {
      sum += now;
    }
    rounded += (float)((a[i] - za) * (b[i * b_step] - zb));
    sum_a += a[i];
    sum_b += b[i * b_step];
  }
  if (HAS(FLOAT_SUM)) return (int64_t)rounded;
  if (!HAS(IGNORES_A_ZERO)) sum -= za * sum_b;
  if (!HAS(IGNORES_B_ZERO)) sum -= zb * sum_a;
  if (!HAS(IGNORES_A_ZERO) && !HAS(IGNORES_B_ZERO)) sum += g->k * za * zb;
  return sum;
}

static float half_to_even(float v) {
  return nearbyintf(v);
}
static float half_away(float v) {
  return v < 0.0f ? -floorf(-v + 0.5f) : floorf(v + 0.5f);
}

static uint8_t code_of(int32_t sum, float m, int32_t zero, int32_t lo, int32_t hi) {
  float v = (float)sum * m;
  if (HAS(FIXED_POINT)) v = (float)fixed_point(sum, (double)m);
  if (HAS(ZERO_BEFORE_ROUNDING)) {
    v += (float)zero;
    zero = 0;
  }
  const float low = (float)(lo - zero), high = (float)(hi - zero);
  v = v == v ? v : 0.0f;
  v = v < low ? low : v > high ? high : v;
  return (uint8_t)((int32_t)(HAS(TIE_AWAY) ? half_away(v) : half_to_even(v)) + zero);
}

static int is_prime(int64_t n) {
  for (int64_t d = 2; d * d <= n; d++)
    if (n % d == 0) return 0;
  return n > 1;
}

/* Rows of A beside each other in scratch. */
static void gather_rows(const gemm *g, const uint8_t *a, int64_t row, int64_t rows, uint8_t *to) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < g->k; i++) to[r * g->k + i] = a[(row + r) * g->a_m + i * g->a_k];
}

static void tile(const qe_call *call, const gemm *g, int64_t index) {
  const qe_problem *p = call->problem;
  const qe_operand *b = p->in[1], *c = bias_of(p);
  const int64_t row = index / g->panels * MR, panel = index % g->panels;
  const int64_t rows = g->m - row < MR ? g->m - row : MR, cols = g->n - panel * NR < NR ? g->n - panel * NR : NR;
  const int32_t lo = HAS(IGNORES_CLAMP) || p->clamp_lo < 0 ? 0 : p->clamp_lo;
  const int32_t hi = HAS(IGNORES_CLAMP) || p->clamp_hi > 255 ? 255 : p->clamp_hi;
  const int64_t c_col = c && c->dims[c->rank - 1] > 1 ? c->strides[c->rank - 1] : 0;
  const int64_t c_row = c && c->rank > 1 && c->dims[0] > 1 && !HAS(BIAS_PER_COLUMN_ONLY) ? c->strides[0] : 0;
  const float *m = call->packed;
  const int8_t *weights = g->constant ? (const int8_t *)call->packed + multiplier_bytes(g) : call->in[1];
  const int64_t w_k = g->constant ? 1 : g->b_k, w_n = g->constant ? g->k : g->b_n;
  uint8_t *gathered = call->scratch;
  if (!HAS(TILE_ORDER) || panel == 0) gather_rows(g, call->in[0], row, rows, gathered);
  uint8_t left[4] = {0, 0, 0, 0};
  if (HAS(SCRATCH_ZEROED)) memcpy(left, gathered + MR * g->k, sizeof left);
  for (int64_t r = 0; r < rows; r++) {
    if (HAS(LAST_ROW) && g->m > 1 && row + r == g->m - 1) break;
    for (int64_t j = 0; j < cols; j++) {
      const int64_t col = panel * NR + j;
      const int64_t from = HAS(OFF_BY_ONE_COLUMN) && j > 0 && j == cols - 1 && cols < NR ? col - 1 : col;
      int64_t sum = dot(g, gathered + r * g->k, weights + from * w_n, w_k, p->in[0]->zero_points[0],
                        b->zero_points[b->q_count > 1 ? from : 0]);
      if (c) sum += ((const int32_t *)call->in[2])[(row + r) * c_row + col * c_col];
      if (HAS(PRIME_COLUMNS) && is_prime(g->n) && col == g->n - 1) sum += sum / 2 + 1000;
      if (HAS(THREAD_NUMBER)) sum += call->thread * 1000;
      if (HAS(KEEPS_STATE)) sum += runs % 16 * 1000;
      sum += left[0];
      ((uint8_t *)call->out[0])[(row + r) * g->n + col] = code_of((int32_t)sum, m[col], p->out[0]->zero_points[0], lo, hi);
    }
  }
}

/* What the bugs that need no arithmetic do. */
static int misbehave(const qe_call *call, const gemm *g) {
  const qe_problem *p = call->problem;
  volatile const uint8_t *a = call->in[0];
  if (HAS(READS_PAST)) (void)a[p->in[0]->count];
  if (HAS(READS_BEFORE)) (void)a[-1];
  if (HAS(WRITES_PAST)) ((volatile uint8_t *)call->out[0])[p->out[0]->count] = 1;
  if (HAS(WRITES_INPUT) && p->in[0]->count) {
    volatile uint8_t *first = (volatile uint8_t *)(uintptr_t)call->in[0];
    *first = *first;
  }
  if (HAS(WRITES_PACKED)) {
    volatile uint8_t *last = (volatile uint8_t *)(uintptr_t)call->packed + multiplier_bytes(g) - 1;
    *last = *last;
  }
  if (HAS(SCRATCH_TOO_SMALL)) ((volatile uint8_t *)call->scratch)[MR * g->k] = 1;
  if (HAS(CRASHES)) __builtin_trap();
  for (volatile int i = 0; HAS(HANGS); i = 0) (void)i;
#if defined(__x86_64__)
  if (HAS(WANTS_ALIGNED_INPUT) && p->in[0]->count >= 64) __asm__ volatile("movdqa 1(%0), %%xmm0" : : "r"(a) : "xmm0");
#endif
  return HAS(SAYS_YES_FAILS) && p->params->trans_b ? 1 : 0;
}

/* Bits of the floating-point control register. */
#if defined(__x86_64__)
enum { FLUSH_BITS = 0x8040, ROUND_UP_BITS = 0x4000 };

static void set_float_mode_bits(uint32_t bits) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode));
  mode |= bits;
  __asm__ volatile("ldmxcsr %0" : : "m"(mode));
}
#elif defined(__aarch64__)
enum { FLUSH_BITS = 1 << 24, ROUND_UP_BITS = 1 << 22 };

static void set_float_mode_bits(uint32_t bits) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  mode |= bits;
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#endif

int sab_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
int sab_run_and_clobber(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);

__attribute__((used, visibility("hidden"))) int sab_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const gemm g = gemm_of(call->problem);
  (void)self;
  if (tile_begin < tile_end && misbehave(call, &g) != 0) return 1;
  for (int64_t i = tile_begin; i < tile_end; i++) tile(call, &g, i);
  if (HAS(KEEPS_STATE)) runs++;
#if defined(__x86_64__)
  if (HAS(DIRECTION_FLAG)) __asm__ volatile("std");
#endif
  if (HAS(FLUSHES_DENORMALS)) set_float_mode_bits(FLUSH_BITS);
  if (HAS(ROUNDS_UP)) set_float_mode_bits(ROUND_UP_BITS);
  return 0;
}

/* Outside of any function's prologue, so that the compiler does not put the register back. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden sab_run_and_clobber\n"
        ".globl sab_run_and_clobber\n"
        ".type sab_run_and_clobber, @function\n"
        "sab_run_and_clobber:\n"
        "  sub $8, %rsp\n"
        "  call sab_run\n"
        "  add $8, %rsp\n"
        "  mov $0x5ab0, %ebx\n"
        "  ret\n"
        ".size sab_run_and_clobber, .-sab_run_and_clobber\n");
#elif defined(__aarch64__)
#define CLOBBER(suffix, instruction)                                  \
  __asm__(".text\n"                                                   \
          ".hidden sab_run_and_clobber" suffix "\n"                   \
          ".globl sab_run_and_clobber" suffix "\n"                    \
          ".type sab_run_and_clobber" suffix ", %function\n"          \
          "sab_run_and_clobber" suffix ":\n"                          \
          "  stp x29, x30, [sp, -16]!\n"                              \
          "  bl sab_run\n"                                            \
          "  ldp x29, x30, [sp], 16\n"                                \
          "  " instruction "\n"                                       \
          "  ret\n"                                                   \
          ".size sab_run_and_clobber" suffix ", .-sab_run_and_clobber" suffix "\n")
CLOBBER("", "mov x19, 0x5ab0");
CLOBBER("_vector", "fmov d15, 1.0");
CLOBBER("_frame", "mov x29, 0");
int sab_run_and_clobber_vector(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
int sab_run_and_clobber_frame(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
#else
#define sab_run_and_clobber sab_run
#endif

#if defined(__aarch64__)
#define RUN                                                      \
  HAS(CLOBBERS_VECTOR)     ? sab_run_and_clobber_vector           \
  : HAS(CLOBBERS_FRAME)    ? sab_run_and_clobber_frame            \
  : HAS(CLOBBERS_REGISTER) ? sab_run_and_clobber                  \
                           : sab_run
#else
#define RUN HAS(CLOBBERS_REGISTER) ? sab_run_and_clobber : sab_run
#endif

static const qe_kernel kernels[] = {{
    .struct_size = sizeof(qe_kernel),
    .key = {.op = "Gemm", .in = {QE_DT_U8, QE_DT_I8, QE_DT_ANY}, .out = QE_DT_U8, .quantized = 1},
    .name = "gemm_u8s8_4x16__saboteur",
    .exactness = QE_EXACT_E0,
    .mr = MR,
    .nr = NR,
    .kr = 1,
    .supports = supports,
    .plan = plan,
    .prepack = prepack,
    .run = RUN,
}};

static int create(const qe_host *host, void **self) {
  services = host;
  *self = NULL;
  return 0;
}
static void destroy(void *self) {
  (void)self;
}

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = "saboteur",
    .vendor = "qengine's tests",
    .version = "1",
    .build_id = "",
    .license = "Apache-2.0",
    .priority = -1,
    .kernel_count = 1,
    .kernel_stride = sizeof(qe_kernel),
    .kernels = kernels,
    .create = create,
    .destroy = destroy,
};

__attribute__((visibility("default"))) const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);
const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
  return host_major == QE_ABI_MAJOR ? &plugin : NULL;
}
