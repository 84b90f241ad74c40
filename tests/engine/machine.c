/* The machine as plugins see it, and QENGINE_CPU_MASK. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/load.h"
#include "engine/places.h"

static char warning[1024];
static void keep(void *arg, qe_log_level_t level, const char *message) {
  (void)arg;
  cr_assert_eq(level, QE_LOG_WARNING);
  snprintf(warning, sizeof warning, "%s", message);
}

Test(machine, names) {
  char text[128], small[8];
  cr_assert_str_eq(qe__isa_text(0, text, sizeof text), "");
  cr_assert_str_eq(qe__isa_text(QE_ISA_X86_AVX2 | QE_ISA_X86_AVX512VNNI, text, sizeof text), "avx2 avx512vnni");
  cr_assert_str_eq(qe__isa_text(QE_ISA_ARM_I8MM | UINT64_C(1) << 60, text, sizeof text), "i8mm unknown(0x1000000000000000)");
  qe__isa_text(~UINT64_C(0), small, sizeof small);
  cr_assert_str_eq(small, "fma avx");
}

Test(machine, mask) {
  const uint64_t base = QE_ISA_X86_FMA | QE_ISA_ARM_NEON;
  cr_assert_eq(qe__isa_mask(NULL), ~UINT64_C(0));
  cr_assert_eq(qe__isa_mask(""), ~UINT64_C(0));
  cr_assert_eq(qe__isa_mask("none"), base);
  cr_assert_eq(qe__isa_mask("baseline"), base);
  cr_assert_eq(qe__isa_mask("avx2"), base | QE_ISA_X86_AVX2);
  cr_assert_eq(qe__isa_mask(" avxvnni, dotprod "), base | QE_ISA_X86_AVX2 | QE_ISA_X86_AVXVNNI | QE_ISA_ARM_DOTPROD);
  cr_assert_eq(qe__isa_mask("avx512vnni"), base | QE_ISA_X86_AVX2 | QE_ISA_X86_AVX512BW | QE_ISA_X86_AVX512VNNI);
  qe_set_log(keep, NULL);
  qe_set_log_level(QE_LOG_WARNING);
  cr_assert_eq(qe__isa_mask("avx2,avx3"), base | QE_ISA_X86_AVX2);
  cr_assert(strstr(warning, "'avx3' is not an instruction set name"), "%s", warning);
  cr_assert(strstr(warning, "fma avx2 avxvnni avx512bw avx512vnni amx_int8 neon dotprod i8mm baseline none"), "%s", warning);
}

/* The cores of a process are those of all its threads (a sanitizer may have one of its own). */
static int cores_when_bound(const cpu_set_t *to) {
  DIR *tasks = opendir("/proc/self/task");
  const struct dirent *entry;
  while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
    const int task = atoi(entry->d_name);
    if (task > 0 && sched_setaffinity(task, sizeof *to, to) != 0) return 99;
  }
  return tasks != NULL ? (int)qe__cpu()->cores : 98;
}

Test(machine, cores_respect_affinity) {
  cpu_set_t all, one;
  cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
  CPU_ZERO(&one);
  for (size_t i = 0; i < CPU_SETSIZE; i++) {
    if (CPU_ISSET(i, &all)) {
      CPU_SET(i, &one);
      break;
    }
  }
  const pid_t child = fork();
  if (child == 0) _exit(cores_when_bound(&one));
  int result;
  cr_assert_eq(waitpid(child, &result, 0), child);
  cr_assert(WIFEXITED(result));
  cr_assert_eq(WEXITSTATUS(result), 1, "%d cores", WEXITSTATUS(result));
}

Test(machine, values_make_sense) {
  const qe_cpu *cpu = qe__cpu();
  cr_assert_eq(cpu->struct_size, sizeof *cpu);
  cr_assert(cpu->cores >= 1 && cpu->cores <= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), "%u cores", cpu->cores);
  cr_assert(cpu->cache_line >= 16 && (cpu->cache_line & (cpu->cache_line - 1)) == 0, "cache line %u", cpu->cache_line);
  cr_assert_eq(qe__cpu(), cpu);
#if defined(__x86_64__)
  cr_assert_eq((cpu->isa & QE_ISA_X86_FMA) != 0, __builtin_cpu_supports("fma") != 0);
  cr_assert_eq((cpu->isa & QE_ISA_X86_AVX2) != 0, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"));
  cr_assert_eq((cpu->isa & QE_ISA_X86_AVX512VNNI) != 0, __builtin_cpu_supports("avx512vnni") != 0);
#endif
}

Test(machine, the_mask_hides_engines) {
  char path[PATH_SIZE];
  setenv("QENGINE_CPU_MASK", "none", 1);
  fake_path(path, "NEEDS_AVX2");
  cr_assert_eq(qe_engine_load(path), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "validate: needs avx2, which this machine lacks or QENGINE_CPU_MASK hides"), "%s", qe_last_error());
  cr_assert_eq(qe__cpu()->isa & ~(QE_ISA_X86_FMA | QE_ISA_ARM_NEON), 0);
}
