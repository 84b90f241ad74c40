/*
 * Kernels of the reference engine, each with one thing wrong, wrapped in this file: conformance must name the check
 * that catches it, within twelve lines that end in a command to paste.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "conform/conform.h"

static const qe__kernel *real; /* what the wrappers call */
static int calls;
static int64_t last_begin;

static size_t bytes_of(const qe_operand *o) {
  return (size_t)o->count * (qe_dtype_bits((qe_dtype_t)o->dtype) / 8);
}

static int right_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  return real->row.run(self, c, begin, end);
}

static int column_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  const int64_t n = c->problem->out[0]->dims[1];
  uint8_t *y = c->out[0];
  for (int64_t i = 0; i < c->problem->out[0]->dims[0]; i++) y[i * n + n - 1] = (uint8_t)(y[i * n + n - 2] ^ 1);
  return result;
}

static int read_past_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const volatile uint8_t *x = c->in[0];
  (void)x[bytes_of(c->problem->in[0])];
  return right_run(self, c, begin, end);
}

static int write_past_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  volatile uint8_t *y = c->out[0];
  y[bytes_of(c->problem->out[0])] = 1;
  return right_run(self, c, begin, end);
}

static int write_before_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  volatile uint8_t *y = c->out[0];
  y[-1] = 1;
  return right_run(self, c, begin, end);
}

static int write_packed_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  volatile uint8_t *packed = (uint8_t *)(uintptr_t)c->packed;
  packed[0] = 1;
  return right_run(self, c, begin, end);
}

static int write_input_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  volatile uint8_t *x = (uint8_t *)(uintptr_t)c->in[0];
  x[0] = 1;
  return right_run(self, c, begin, end);
}

static int state_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  ((uint8_t *)c->out[0])[0] ^= (uint8_t)(calls++ & 1);
  return result;
}

static int scratch_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const uint8_t left = ((const uint8_t *)c->scratch)[0];
  const int result = right_run(self, c, begin, end);
  ((uint8_t *)c->out[0])[0] ^= left;
  return result;
}

static int thread_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  if (c->thread > 0) ((uint8_t *)c->out[0])[0] ^= 1;
  return result;
}

static int order_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  if (begin < last_begin) ((uint8_t *)c->out[0])[0] ^= 1;
  last_begin = begin;
  return result;
}

static int failing_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  (void)self;
  (void)c;
  (void)begin;
  (void)end;
  return 3;
}

/* One code off by one in every 2000. */
static int rare_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  uint8_t *y = c->out[0];
  for (int64_t i = 0; i < c->problem->out[0]->count; i += 2000) y[i] = (uint8_t)(y[i] == 255 ? 254 : y[i] + 1);
  return result;
}

/* Right, but by way of a number that is 0 where denormals are flushed. */
static int underflow_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  volatile float tiny = 1e-30f;
  const int result = right_run(self, c, begin, end);
  tiny = tiny * 1e-10f;
  ((uint8_t *)c->out[0])[0] ^= tiny == 0.0f;
  return result;
}

#if defined(__x86_64__)
/* Asks for the mode itself. */
static int mode_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  ((uint8_t *)c->out[0])[0] ^= (_mm_getcsr() & 0x8000u) != 0;
  return result;
}

static int mxcsr_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = right_run(self, c, begin, end);
  _mm_setcsr(_mm_getcsr() | 0x6000u);
  return result;
}

int wrong_kernels_inner(void *self, const qe_call *c, int64_t begin, int64_t end);
int wrong_kernels_rbx(void *self, const qe_call *c, int64_t begin, int64_t end);
int wrong_kernels_direction(void *self, const qe_call *c, int64_t begin, int64_t end);
int wrong_kernels_inner(void *self, const qe_call *c, int64_t begin, int64_t end) {
  return right_run(self, c, begin, end);
}
__asm__(".text\n.globl wrong_kernels_rbx\nwrong_kernels_rbx:\n subq $8, %rsp\n call wrong_kernels_inner\n movq $1, "
        "%rbx\n addq $8, %rsp\n ret\n"
        ".globl wrong_kernels_direction\nwrong_kernels_direction:\n subq $8, %rsp\n call wrong_kernels_inner\n std\n "
        "addq $8, %rsp\n ret\n");
#endif

/* ---- a kernel that forgets the zero point of x ---- */

typedef struct zeroless {
  qe_problem problem;
  qe_operand x;
  const qe_operand *in[4];
  int32_t zero;
} zeroless;

static const qe_problem *without_zero(const qe_problem *p, zeroless *z) {
  z->problem = *p;
  z->x = *p->in[0];
  z->zero = 0;
  z->x.zero_points = &z->zero;
  for (uint32_t i = 0; i < p->n_in && i < 4; i++) z->in[i] = p->in[i];
  z->in[0] = &z->x;
  z->problem.in = z->in;
  return &z->problem;
}

static int zeroless_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  zeroless z;
  return real->row.plan(self, without_zero(p, &z), plan);
}

static int zeroless_prepack(void *self, const qe_problem *p, void *packed) {
  zeroless z;
  return real->row.prepack(self, without_zero(p, &z), packed);
}

static int zeroless_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  zeroless z;
  qe_call call = *c;
  call.problem = without_zero(c->problem, &z);
  return real->row.run(self, &call, begin, end);
}

/* ---- running ---- */

typedef int (*run_fn)(void *, const qe_call *, int64_t, int64_t);

typedef struct bench {
  qe__engine engine;
  qe__kernel kernel;
  qe__conform_options options;
} bench;

static void prepare(bench *b, const char *name, run_fn run) {
  const qe__engine *engine = NULL;
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  real = NULL;
  for (uint32_t i = 0; i < engine->n_kernels; i++) {
    if (strcmp(engine->kernels[i].row.name, name) == 0) real = &engine->kernels[i];
  }
  cr_assert_not_null(real, "%s", name);
  calls = 0;
  last_begin = 0;
  b->engine = *engine;
  b->engine.name = (char *)(uintptr_t) "wrong";
  b->engine.path = (char *)(uintptr_t) "./wrong.so";
  b->kernel = *real;
  b->kernel.row.run = run;
  b->kernel.engine = &b->engine;
  b->engine.n_kernels = 1;
  b->engine.kernels = &b->kernel;
  b->options = (qe__conform_options){
      .seed = 1, .against = engine, .memory = true, .determinism = true, .properties = true, .registers = true};
}

static void run_text(const bench *b, const char *text, qe__case_result *r) {
  qe__case c;
  cr_assert_eq(qe__case_parse(text, &c), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__conform_case(&b->kernel, &c, &b->options, r), QE_OK, "%s: %s", text, qe_last_error());
}

static void expect_caught(const bench *b, const char *text, const char *check) {
  qe__case_result r;
  run_text(b, text, &r);
  cr_assert_eq((int)r.verdict, (int)QE__FAIL, "%s: %s, expected FAIL by %s", text, qe__verdict_name(r.verdict), check);
  cr_assert_str_eq(r.check, check, "%s: caught by %s, expected %s\n%s", text, r.check, check, r.detail);
  int lines = 1;
  for (const char *p = r.detail; *p; p++) lines += *p == '\n';
  cr_assert_leq(lines, 12, "%d lines:\n%s", lines, r.detail);
  char repro[QE__CASE_TEXT + 80];
  snprintf(repro, sizeof repro, "repro: qengine conform ./wrong.so --case '%s'", text);
  cr_assert_not_null(strstr(r.detail, repro), "no line '%s' in\n%s", repro, r.detail);
}

#define GEMM  "Gemm:u8s8u8/m7/n19/k40/trans=2/gran=c"
#define TILES "Gemm:u8s8u8/m300/n70/k9/trans=2"

Test(wrong_kernels, an_unchanged_wrapper_passes) {
  bench b;
  qe__case_result r;
  prepare(&b, "qgemm__c", right_run);
  run_text(&b, GEMM, &r);
  cr_assert_eq((int)r.verdict, (int)QE__PASS, "%s", r.detail);
  cr_assert_eq(r.level, 0u);
  cr_assert_eq(r.elements, 7 * 19);
  cr_assert_eq(r.macs, 7 * 19 * 40);
}

Test(wrong_kernels, are_caught_by_the_right_check) {
  static const struct {
    run_fn run;
    const char *text, *check;
  } bugs[] = {
    {column_run,              GEMM,  "bytes"      },
    {read_past_run,           GEMM,  "guard"      },
    {write_past_run,          GEMM,  "guard"      },
    {write_before_run,        GEMM,  "guard"      },
    {write_packed_run,        GEMM,  "guard"      },
    {write_input_run,         GEMM,  "guard"      },
    {state_run,               GEMM,  "determinism"},
    {scratch_run,             GEMM,  "determinism"},
    {thread_run,              TILES, "determinism"},
    {order_run,               TILES, "determinism"},
    {failing_run,             GEMM,  "run"        },
    {rare_run,                TILES, "bytes"      },
#if defined(__x86_64__)
    {mode_run,                GEMM,  "determinism"},
    {mxcsr_run,               GEMM,  "registers"  },
    {wrong_kernels_rbx,       GEMM,  "registers"  },
    {wrong_kernels_direction, GEMM,  "registers"  },
#endif
  };
  for (size_t i = 0; i < sizeof bugs / sizeof bugs[0]; i++) {
    bench b;
    prepare(&b, "qgemm__c", bugs[i].run);
    expect_caught(&b, bugs[i].text, bugs[i].check);
  }
}

Test(wrong_kernels, an_underflow_on_the_way_is_no_fault) {
  bench b;
  qe__case_result r;
  prepare(&b, "qgemm__c", underflow_run);
  run_text(&b, GEMM, &r);
  cr_assert_eq((int)r.verdict, (int)QE__PASS, "%s", r.detail);
}

Test(wrong_kernels, garbage_in_scratch_is_caught_without_repeats) {
  bench b;
  prepare(&b, "qgemm__c", scratch_run);
  b.options.determinism = false;
  expect_caught(&b, GEMM, "poison");
}

Test(wrong_kernels, a_forgotten_zero_point_is_wrong_bytes_and_breaks_a_property) {
  bench b;
  prepare(&b, "qgemm__c", zeroless_run);
  b.kernel.row.plan = zeroless_plan;
  b.kernel.row.prepack = zeroless_prepack;
  expect_caught(&b, GEMM "/zp=9,0,120", "bytes");
  b.options.against = &b.engine; /* its own oracle: only a property can tell */
  expect_caught(&b, GEMM "/zp=9,0,120", "property:zero_point");
}

Test(wrong_kernels, a_claim_decides_what_is_wrong) {
  bench b;
  qe__case_result r;
  prepare(&b, "qgemm__c", rare_run);
  b.kernel.row.exactness = QE_EXACT_E2;
  b.options.determinism = b.options.properties = false; /* a call per tile corrupts more often */
  run_text(&b, TILES, &r);
  cr_assert_eq((int)r.verdict, (int)QE__PASS, "%s", r.detail);
  cr_assert_eq(r.level, (uint32_t)QE_EXACT_E2);
  cr_assert_eq(r.wrong, 11, "%lld", (long long)r.wrong);
  cr_assert_eq(r.worst, 1.0);
}

Test(wrong_kernels, parameters_that_must_be_refused_never_reach_a_kernel) {
  static const char *const kinds[] = {"nan", "inf", "neg", "zero", "zprange"};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    bench b;
    qe__case_result r;
    char text[80];
    prepare(&b, "quantize__c", failing_run);
    snprintf(text, sizeof text, "QuantizeLinear:f32u8/x=64/sc=%s", kinds[i]);
    run_text(&b, text, &r);
    cr_assert_eq((int)r.verdict, (int)QE__REFUSED, "%s: %s", text, r.detail);
  }
}

Test(wrong_kernels, time_is_measured) {
  bench b;
  qe__case_result r;
  prepare(&b, "relu_f32__c", right_run);
  run_text(&b, "Relu:f32/x=100", &r);
  cr_assert_eq((int)r.verdict, (int)QE__PASS, "%s", r.detail);
  qe__case_perf perf;
  qe__case c;
  cr_assert_eq(qe__case_parse("Relu:f32/x=100", &c), QE_OK);
  cr_assert_eq(qe__conform_perf(&b.kernel, &c, 0.01, &perf), QE_OK, "%s", qe_last_error());
  cr_assert_gt(perf.min_ns, 0.0);
  cr_assert_leq(perf.min_ns, perf.median_ns);
  cr_assert_eq(perf.bytes, 800);
}
