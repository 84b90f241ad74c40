/*
 * The machine: cores and caches (engine/topology.c), instruction sets from the processor and the operating system, capped
 * by QENGINE_CPU_MASK. Read once per process.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/load.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)

/* AMX tiles must be asked for; without the kernel's permission their instructions trap. */
static int amx_permitted(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

static uint64_t machine_isa(void) {
  enum { OSXSAVE = 1 << 27, FMA_BIT = 1 << 12, F16C = 1 << 29, AVX_BIT = 1 << 28 };
  enum { AVX2_BIT = 1 << 5, BMI2 = 1 << 8, F = 1 << 16, DQ = 1 << 17, BW = 1 << 30, VNNI = 1 << 11, AVXVNNI = 1 << 4 };
  enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
  const unsigned avx_state = 0x6, avx512_state = 0xe6, amx_state = 0x60000;
  unsigned a, b, c, d, eax7, b7 = 0, c7 = 0, d7 = 0, a71 = 0, x;
  uint64_t isa = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0 || (c & AVX_BIT) == 0) return 0;
  unsigned xcr0, high;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  if ((xcr0 & avx_state) != avx_state) return 0;
  if (__get_cpuid_count(7, 0, &eax7, &b7, &c7, &d7) && eax7 >= 1) __get_cpuid_count(7, 1, &a71, &x, &x, &x);
  if ((c & FMA_BIT) != 0) isa |= QE_ISA_X86_FMA;
  if ((b7 & AVX2_BIT) != 0 && (b7 & BMI2) != 0 && (c & F16C) != 0) isa |= QE_ISA_X86_AVX2;
  if ((isa & QE_ISA_X86_AVX2) != 0 && (a71 & AVXVNNI) != 0) isa |= QE_ISA_X86_AVXVNNI;
  const unsigned vl = 1u << 31, wanted = (unsigned)F | (unsigned)DQ | (unsigned)BW | vl;
  if ((xcr0 & avx512_state) == avx512_state && (b7 & wanted) == wanted) {
    isa |= QE_ISA_X86_AVX512BW;
    if ((c7 & VNNI) != 0) isa |= QE_ISA_X86_AVX512VNNI;
    if ((xcr0 & amx_state) == amx_state && (d7 & AMX_TILE) != 0 && (d7 & AMX_INT8) != 0 && amx_permitted()) {
      isa |= QE_ISA_X86_AMX_INT8;
    }
  }
  return isa;
}

#elif defined(__aarch64__)

static uint64_t machine_isa(void) {
  enum { ASIMDDP = 1 << 20, I8MM = 1 << 13 };
  const unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
  uint64_t isa = QE_ISA_ARM_NEON;
  if ((cap & ASIMDDP) != 0) isa |= QE_ISA_ARM_DOTPROD;
  if ((cap2 & I8MM) != 0) isa |= QE_ISA_ARM_I8MM;
  return isa;
}

#else

static uint64_t machine_isa(void) { return 0; }

#endif

static qe_cpu machine;

static void read_machine(void) {
  machine.struct_size = sizeof machine;
  qe__topology(&machine);
  if (machine.cores == 0) {
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    machine.cores = online > 0 ? (uint32_t)online : 1;
  }
  if (machine.cache_line == 0) machine.cache_line = 64;
  machine.isa = machine_isa() & qe__isa_mask(getenv("QENGINE_CPU_MASK"));
}

const qe_cpu *qe__cpu(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_machine);
  return &machine;
}
