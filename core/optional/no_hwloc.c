/* Stands in for engine/topology.c without hwloc (QE_HWLOC=OFF): what the kernel tells in /sys, the same facts. */
#include <sched.h>
#include <stdio.h>

#include "engine/load.h"

enum { CACHES = 8 };

/* First line of /sys/devices/system/cpu/cpuN/FILE; "" when there is none. */
static void read_fact(unsigned cpu, const char *file, char text[64]) {
  char path[128];
  text[0] = '\0';
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/%s", cpu, file);
  FILE *f = fopen(path, "re");
  if (f == NULL) return;
  if (fgets(text, 64, f) == NULL) text[0] = '\0';
  fclose(f);
}

/* "48K", "2M", a number of bytes; 0 for anything else. */
static uint64_t read_size(unsigned cpu, const char *file) {
  char text[64], unit = '\0';
  unsigned long long n = 0;
  read_fact(cpu, file, text);
  if (sscanf(text, "%llu%c", &n, &unit) < 1) return 0;
  return unit == 'K' ? (uint64_t)n << 10 : unit == 'M' ? (uint64_t)n << 20 : (uint64_t)n;
}

static void read_cache(unsigned cpu, int index, qe_cpu *out) {
  char file[64], type[64];
  snprintf(file, sizeof file, "cache/index%d/type", index);
  read_fact(cpu, file, type);
  if (type[0] != 'D' && type[0] != 'U') return; /* data or unified */
  snprintf(file, sizeof file, "cache/index%d/level", index);
  const uint64_t level = read_size(cpu, file);
  snprintf(file, sizeof file, "cache/index%d/size", index);
  const uint64_t size = read_size(cpu, file);
  if (level == 1) out->l1d = size;
  if (level == 2) out->l2 = size;
  if (level == 3) out->l3 = size;
  if (level != 1) return;
  snprintf(file, sizeof file, "cache/index%d/coherency_line_size", index);
  out->cache_line = (uint32_t)read_size(cpu, file);
}

/* Hardware threads of one core name the same first thread. */
void qe__topology(qe_cpu *out) {
  cpu_set_t allowed, seen;
  bool any = false;
  CPU_ZERO(&seen);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    char text[64];
    unsigned core = cpu;
    if (!CPU_ISSET(cpu, &allowed)) continue;
    for (int i = 0; i < CACHES && !any; i++) read_cache(cpu, i, out);
    any = true;
    read_fact(cpu, "topology/thread_siblings_list", text);
    if (sscanf(text, "%u", &core) != 1 || core >= CPU_SETSIZE) core = cpu;
    if (!CPU_ISSET(core, &seen)) out->cores++;
    CPU_SET(core, &seen);
  }
}
