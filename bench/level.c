/*
 * See level.h. Where a library of bench/hold has ud2 instead of CPUID, the handler of SIGILL executes CPUID, takes out the
 * bits above the level, and goes on behind the instruction.
 */
#include "level.h"

#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

/* Bits of CPUID leaf 7 (subleaf 0: ebx, ecx, edx; subleaf 1: eax, edx) that belong to a set of instructions. */
typedef struct bits {
  uint32_t b, c, d, a1, d1;
} bits;

static const bits AVX512 = {.b = 0xdc230000u, .c = 0x00005042u, .d = 0x0080010cu, .a1 = 1u << 5};
static const bits AVX512_VNNI = {.c = 1u << 11};
static const bits AVX_VNNI = {.a1 = 1u << 4 | 1u << 23, .d1 = 1u << 4 | 1u << 5 | 1u << 10};
static const bits AMX = {.d = 0x03400000u, .a1 = 1u << 21, .d1 = 1u << 8};

static const char *const level_names[] = {"avx2", "avxvnni", "avx512bw", "avx512vnni", "amx_int8", NULL};

static bits hidden; /* by the level in force */
static volatile sig_atomic_t answered;

static void hide(const bits *more) {
  hidden.b |= more->b;
  hidden.c |= more->c;
  hidden.d |= more->d;
  hidden.a1 |= more->a1;
  hidden.d1 |= more->d1;
}

static void real_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4]) {
  __cpuid_count(leaf, sub, out[0], out[1], out[2], out[3]);
}

bool level_exists(const char *level) {
  uint32_t seven[4], one[4];
  real_cpuid(7, 0, seven);
  real_cpuid(7, 1, one);
  if (strcmp(level, "avx2") == 0) return (seven[1] & 1u << 5) != 0;
  if (strcmp(level, "avxvnni") == 0) return (one[0] & 1u << 4) != 0;
  if (strcmp(level, "avx512bw") == 0) return (seven[1] & 1u << 30) != 0;
  if (strcmp(level, "avx512vnni") == 0) return (seven[2] & 1u << 11) != 0;
  if (strcmp(level, "amx_int8") == 0) return (seven[3] & 1u << 25) != 0;
  return false;
}

const char *level_best(void) {
  const char *best = NULL;
  for (size_t i = 0; level_names[i]; i++)
    if (level_exists(level_names[i])) best = level_names[i];
  return best;
}

static void on_ud2(int signal_number, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  const uint8_t *at = (const uint8_t *)(uintptr_t)r[REG_RIP];
  (void)info;
  if (at[0] != 0x0f || at[1] != 0x0b) { /* another instruction: it ends the process when it comes again */
    signal(signal_number, SIG_DFL);
    return;
  }
  const uint32_t leaf = (uint32_t)r[REG_RAX], sub = (uint32_t)r[REG_RCX];
  uint32_t out[4];
  real_cpuid(leaf, sub, out);
  answered = true;
  if (leaf == 7 && sub == 0) {
    out[1] &= ~hidden.b;
    out[2] &= ~hidden.c;
    out[3] &= ~hidden.d;
  } else if (leaf == 7 && sub == 1) {
    out[0] &= ~hidden.a1;
    out[3] &= ~hidden.d1;
  }
  r[REG_RAX] = out[0];
  r[REG_RBX] = out[1];
  r[REG_RCX] = out[2];
  r[REG_RDX] = out[3];
  r[REG_RIP] += 2;
}

bool level_cap(const char *level) {
  hidden = (bits){0};
  const struct sigaction action = {.sa_sigaction = on_ud2, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(SIGILL, &action, NULL) != 0) return false;
  if (strcmp(level, "amx_int8") == 0) return true; /* nothing is above it */
  setenv("QENGINE_CPU_MASK", level, 1);
  hide(&AMX);
  if (strcmp(level, "avx512vnni") != 0) hide(&AVX512_VNNI);
  if (strcmp(level, "avx2") == 0 || strcmp(level, "avxvnni") == 0) hide(&AVX512);
  if (strcmp(level, "avxvnni") != 0) hide(&AVX_VNNI);
  return true;
}

bool level_holds(const char *level) { return answered || strcmp(level, level_best()) == 0; }
