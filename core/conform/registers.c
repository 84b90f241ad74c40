/*
 * What a call must leave as it was: callee-saved registers, the floating-point control words, the direction flag; and
 * on x86 the upper halves of the vector registers must be clean (vzeroupper). A trampoline fills the registers with a
 * pattern, calls, and stores what it finds.
 */
#include <stdio.h>
#include <string.h>

#include "base/float_mode.h"
#include "conform/case.h"

/* Layout known to the assembly below. */
typedef struct frame {
  qe__run_fn run;
  void *self;
  const qe_call *call;
  int64_t begin, end;
  uint64_t saved[20]; /* what the registers hold after the call */
  uint64_t flags;
  int64_t result;
} frame;

void qe__registers_trampoline(frame *f);

#define PATTERN UINT64_C(0x5AA5C33C0FF01234)

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static const char *const names[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};

__asm__(
    ".text\n"
    ".hidden qe__registers_trampoline\n"
    ".globl qe__registers_trampoline\n"
    ".type qe__registers_trampoline, @function\n"
    "qe__registers_trampoline:\n"
    "  pushq %rbx\n  pushq %rbp\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n  pushq %rdi\n" /* the stack is
                                                                                                            16-aligned
                                                                                                            here */
    "  movq (%rdi), %r11\n  movq 16(%rdi), %rsi\n  movq 24(%rdi), %rdx\n  movq 32(%rdi), %rcx\n  movq 8(%rdi), %rdi\n"
    "  movabsq $0x5AA5C33C0FF01234, %rbx\n"
    "  leaq 1(%rbx), %rbp\n  leaq 2(%rbx), %r12\n  leaq 3(%rbx), %r13\n  leaq 4(%rbx), %r14\n  leaq 5(%rbx), %r15\n"
    "  call *%r11\n"
    "  popq %rcx\n"
    "  movq %rbx, 40(%rcx)\n  movq %rbp, 48(%rcx)\n  movq %r12, 56(%rcx)\n  movq %r13, 64(%rcx)\n  movq %r14, "
    "72(%rcx)\n  movq %r15, 80(%rcx)\n"
    "  pushfq\n  popq %rdx\n  cld\n"
    "  movq %rdx, 200(%rcx)\n  movslq %eax, %rax\n  movq %rax, 208(%rcx)\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbp\n  popq %rbx\n"
    "  ret\n"
    ".size qe__registers_trampoline, .-qe__registers_trampoline\n");

/* Reading which vector state is in use needs XGETBV with ECX = 1. */
static bool state_in_use_readable(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX)) return false;
  return __get_cpuid_count(13, 1, &a, &b, &c, &d) && (a & 4u) != 0;
}

static bool upper_dirty(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return (low & 0x44u) != 0; /* upper halves of YMM and of ZMM0-15 */
}

static void clean_upper(void) {
  __asm__ volatile("vzeroupper" ::
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                         "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static uint16_t x87_control(void) {
  uint16_t word;
  __asm__ volatile("fnstcw %0" : "=m"(word));
  return word;
}

/* All eight x87 registers are free (no MMX state left behind). */
static bool x87_empty(void) {
  uint16_t environment[14];
  __asm__ volatile("fnstenv %0\n\tfldenv %0" : "+m"(environment));
  return environment[4] == 0xFFFF;
}

void qe__restore_float_mode(uint64_t mode) {
  qe__float_mode_set(mode);
  if (x87_control() != 0x37F) __asm__ volatile("fninit");
}

int qe__registers_run(qe__run_fn run, void *self, const qe_call *call, int64_t begin, int64_t end, char *wrong,
                      size_t size) {
  frame f = {.run = run, .self = self, .call = call, .begin = begin, .end = end};
  bool watch_upper = state_in_use_readable();
  if (watch_upper) {
    clean_upper();
    watch_upper = !upper_dirty(); /* some machines always say "in use" */
  }
  const uint64_t mxcsr = qe__float_mode();
  const uint16_t x87 = x87_control();
  qe__registers_trampoline(&f);
  const bool dirty = watch_upper && upper_dirty();
  const uint64_t mxcsr_after = qe__float_mode();
  wrong[0] = '\0';
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (f.saved[i] != PATTERN + i) snprintf(wrong, size, "register %s was not restored", names[i]);
  }
  if (mxcsr_after != mxcsr)
    snprintf(wrong, size, "MXCSR control bits are 0x%04x, they were 0x%04x", (unsigned)mxcsr_after, (unsigned)mxcsr);
  if (x87_control() != x87) snprintf(wrong, size, "the x87 control word is 0x%04x, it was 0x%04x", x87_control(), x87);
  if (!x87_empty()) snprintf(wrong, size, "x87 registers are in use after the call (emms is missing)");
  if (f.flags & 0x400u) snprintf(wrong, size, "the direction flag is set");
  if (dirty && !wrong[0])
    snprintf(wrong, size, "upper halves of vector registers are in use after the call (vzeroupper is missing)");
  return (int)f.result;
}

#elif defined(__aarch64__)

static const char *const names[] = {"x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
                                    "x28", "d8",  "d9",  "d10", "d11", "d12", "d13", "d14", "d15", "x29"};

__asm__(
    ".text\n"
    ".hidden qe__registers_trampoline\n"
    ".globl qe__registers_trampoline\n"
    ".type qe__registers_trampoline, %function\n"
    "qe__registers_trampoline:\n"
    "  stp x29, x30, [sp, #-176]!\n"
    "  stp x19, x20, [sp, #16]\n  stp x21, x22, [sp, #32]\n  stp x23, x24, [sp, #48]\n  stp x25, x26, [sp, #64]\n  stp "
    "x27, x28, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n  "
    "str x0, [sp, #160]\n"
    "  ldr x9, [x0]\n  ldr x1, [x0, #16]\n  ldr x2, [x0, #24]\n  ldr x3, [x0, #32]\n  ldr x0, [x0, #8]\n"
    "  movz x19, #0x1234\n  movk x19, #0x0FF0, lsl #16\n  movk x19, #0xC33C, lsl #32\n  movk x19, #0x5AA5, lsl #48\n"
    "  add x20, x19, #1\n  add x21, x19, #2\n  add x22, x19, #3\n  add x23, x19, #4\n  add x24, x19, #5\n  add x25, "
    "x19, #6\n  add x26, x19, #7\n  add x27, x19, #8\n  add x28, x19, #9\n"
    "  add x10, x19, #10\n  fmov d8, x10\n  add x10, x19, #11\n  fmov d9, x10\n  add x10, x19, #12\n  fmov d10, x10\n  "
    "add x10, x19, #13\n  fmov d11, x10\n"
    "  add x10, x19, #14\n  fmov d12, x10\n  add x10, x19, #15\n  fmov d13, x10\n  add x10, x19, #16\n  fmov d14, "
    "x10\n  add x10, x19, #17\n  fmov d15, x10\n  add x29, x19, #18\n"
    "  blr x9\n"
    "  ldr x9, [sp, #160]\n"
    "  stp x19, x20, [x9, #40]\n  stp x21, x22, [x9, #56]\n  stp x23, x24, [x9, #72]\n  stp x25, x26, [x9, #88]\n  stp "
    "x27, x28, [x9, #104]\n"
    "  stp d8, d9, [x9, #120]\n  stp d10, d11, [x9, #136]\n  stp d12, d13, [x9, #152]\n  stp d14, d15, [x9, #168]\n"
    "  str x29, [x9, #184]\n"
    "  sxtw x0, w0\n  str x0, [x9, #208]\n"
    "  ldp x19, x20, [sp, #16]\n  ldp x21, x22, [sp, #32]\n  ldp x23, x24, [sp, #48]\n  ldp x25, x26, [sp, #64]\n  ldp "
    "x27, x28, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
    "  ldp x29, x30, [sp], #176\n"
    "  ret\n"
    ".size qe__registers_trampoline, .-qe__registers_trampoline\n");

void qe__restore_float_mode(uint64_t mode) {
  qe__float_mode_set(mode);
}

int qe__registers_run(qe__run_fn run, void *self, const qe_call *call, int64_t begin, int64_t end, char *wrong,
                      size_t size) {
  frame f = {.run = run, .self = self, .call = call, .begin = begin, .end = end};
  const uint64_t mode = qe__float_mode();
  qe__registers_trampoline(&f);
  wrong[0] = '\0';
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (f.saved[i] != PATTERN + i) snprintf(wrong, size, "register %s was not restored", names[i]);
  }
  if (qe__float_mode() != mode)
    snprintf(wrong, size, "FPCR is 0x%llx, it was 0x%llx", (unsigned long long)qe__float_mode(), (unsigned long long)mode);
  return (int)f.result;
}

#else

void qe__restore_float_mode(uint64_t mode) {
  (void)mode;
}

int qe__registers_run(qe__run_fn run, void *self, const qe_call *call, int64_t begin, int64_t end, char *wrong,
                      size_t size) {
  if (size) wrong[0] = '\0';
  return run(self, call, begin, end);
}

#endif

_Static_assert(offsetof(frame, saved) == 40 && offsetof(frame, flags) == 200 && offsetof(frame, result) == 208,
               "the assembly above knows these places");
