/* Names of instruction set levels, and the text of QENGINE_CPU_MASK. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/load.h"

#define FMA QE_ISA_X86_FMA
#define AVX2 (QE_ISA_X86_AVX2 | FMA)
#define AVX512 (QE_ISA_X86_AVX512BW | AVX2)
#define DOTPROD (QE_ISA_ARM_DOTPROD | QE_ISA_ARM_NEON)

/* What the library itself is built on: SLEEF's deterministic functions use FMA on x86-64, NEON on AArch64. */
#define BASELINE (QE_ISA_X86_FMA | QE_ISA_ARM_NEON)

/* A level allows what it is built on. */
static const struct level {
  const char *name;
  uint64_t bit, allows;
} levels[] = {
    {"fma", QE_ISA_X86_FMA, FMA},
    {"avx2", QE_ISA_X86_AVX2, AVX2},
    {"avxvnni", QE_ISA_X86_AVXVNNI, QE_ISA_X86_AVXVNNI | AVX2},
    {"avx512bw", QE_ISA_X86_AVX512BW, AVX512},
    {"avx512vnni", QE_ISA_X86_AVX512VNNI, QE_ISA_X86_AVX512VNNI | AVX512},
    {"amx_int8", QE_ISA_X86_AMX_INT8, QE_ISA_X86_AMX_INT8 | AVX512},
    {"neon", QE_ISA_ARM_NEON, QE_ISA_ARM_NEON},
    {"dotprod", QE_ISA_ARM_DOTPROD, DOTPROD},
    {"i8mm", QE_ISA_ARM_I8MM, QE_ISA_ARM_I8MM | DOTPROD},
    {"baseline", 0, BASELINE},
    {"none", 0, BASELINE},
};
enum { LEVELS = (int)(sizeof levels / sizeof levels[0]) };

const char *qe__isa_text(uint64_t isa, char *buffer, size_t size) {
  size_t used = 0;
  if (size > 0) buffer[0] = '\0';
  for (int i = 0; i < LEVELS && used < size; i++) {
    if ((isa & levels[i].bit) == 0) continue;
    const int wrote = snprintf(buffer + used, size - used, "%s%s", used > 0 ? " " : "", levels[i].name);
    if (wrote > 0) used += (size_t)wrote;
    isa &= ~levels[i].bit;
  }
  if (isa != 0 && used < size) {
    snprintf(buffer + used, size - used, "%sunknown(0x%llx)", used > 0 ? " " : "", (unsigned long long)isa);
  }
  return buffer;
}

static void warn_unknown(const char *name, size_t length) {
  char all[256];
  size_t used = 0;
  for (int i = 0; i < LEVELS && used < sizeof all; i++) {
    const int wrote = snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? " " : "", levels[i].name);
    if (wrote > 0) used += (size_t)wrote;
  }
  qe__log(QE_LOG_WARNING, "QENGINE_CPU_MASK: '%.*s' is not an instruction set name and is ignored; the names are: %s",
          length < 64 ? (int)length : 64, name, all);
}

uint64_t qe__isa_mask(const char *text) {
  static const char separators[] = ", \t\n";
  if (text == NULL || text[strspn(text, separators)] == '\0') return ~UINT64_C(0);
  uint64_t mask = BASELINE;
  for (;;) {
    text += strspn(text, separators);
    const size_t length = strcspn(text, separators);
    if (length == 0) return mask;
    int i = 0;
    while (i < LEVELS && (strlen(levels[i].name) != length || strncmp(levels[i].name, text, length) != 0)) i++;
    if (i < LEVELS) mask |= levels[i].allows;
    else warn_unknown(text, length);
    text += length;
  }
}
