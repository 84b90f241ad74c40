/* Cores and caches from hwloc: only the cores that this process may run on. */
#include <hwloc.h>

#include "engine/load.h"

static uint64_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
  const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
  return cache != NULL ? cache->attr->cache.size : 0;
}

/* Cores with at least one hardware thread this process is bound to. */
static uint32_t count_cores(hwloc_topology_t topology) {
  uint32_t cores = 0;
  hwloc_bitmap_t bound = hwloc_bitmap_alloc();
  if (bound == NULL) return 0;
  if (hwloc_get_cpubind(topology, bound, HWLOC_CPUBIND_PROCESS) != 0) hwloc_bitmap_fill(bound);
  hwloc_obj_t core = NULL;
  while ((core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL) {
    if (hwloc_bitmap_intersects(core->cpuset, bound)) cores++;
  }
  hwloc_bitmap_free(bound);
  return cores;
}

void qe__topology(qe_cpu *cpu) {
  hwloc_topology_t topology;
  if (hwloc_topology_init(&topology) != 0) return;
  if (hwloc_topology_load(topology) == 0) {
    cpu->cores = count_cores(topology);
    cpu->l1d = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
    cpu->l2 = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
    cpu->l3 = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
    const hwloc_obj_t l1 = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L1CACHE, 0);
    if (l1 != NULL) cpu->cache_line = l1->attr->cache.linesize;
  }
  hwloc_topology_destroy(topology);
}
