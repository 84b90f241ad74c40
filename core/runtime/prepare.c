/* Asking a kernel what it needs. A plugin's numbers are checked here, before anything is allocated or called with them.
 */
#include <unistd.h>

#include "engine/host.h"
#include "runtime/plan.h"

/* More tiles than this are a mistake of the kernel: a tile is work for microseconds. */
static const int64_t TILES_MAX = INT64_C(1) << 40;

/* Bytes of main memory; what nobody can have is refused before the allocator is asked. */
static uint64_t machine_memory(void) {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_C(1) << 40;
}

static qe_status_t check_bytes(const qe__step *s, const char *name, uint64_t bytes, const char *what) {
  const uint64_t most = machine_memory();
  if (bytes <= most) return QE_OK;
  return qe__fail(
      QE_ERROR_ENGINE,
      "node '%s': kernel %s of engine '%s' asks for %llu bytes of %s, more than this machine's memory (%llu)", name,
      s->kernel->row.name, s->kernel->engine->name, (unsigned long long)bytes, what, (unsigned long long)most);
}

static qe_status_t ask(qe__step *s, const char *name) {
  const qe_kernel *row = &s->kernel->row;
  s->sizes.struct_size = sizeof s->sizes;
  s->problem.params = &s->params;
  qe__host_clear_error();
  const int result = row->plan(s->kernel->engine->self, &s->problem, &s->sizes);
  if (result != 0) {
    const char *said = qe__host_error();
    return qe__fail(QE_ERROR_ENGINE,
                    "node '%s': kernel %s of engine '%s' accepted the problem but could not plan it (code %d): %s",
                    name, row->name, s->kernel->engine->name, result, said[0] != '\0' ? said : "it gave no reason");
  }
  if (s->sizes.tiles < 0 || s->sizes.tiles > TILES_MAX) {
    return qe__fail(QE_ERROR_ENGINE, "node '%s': kernel %s of engine '%s' plans %lld tiles, expected 0 to %lld", name,
                    row->name, s->kernel->engine->name, (long long)s->sizes.tiles, (long long)TILES_MAX);
  }
  QE_TRY(check_bytes(s, name, s->sizes.scratch_size, "scratch"));
  QE_TRY(check_bytes(s, name, s->sizes.packed_size, "packed weights"));
  if (s->sizes.packed_size > 0 && !row->prepack) {
    return qe__fail(QE_ERROR_ENGINE,
                    "node '%s': kernel %s of engine '%s' plans %llu packed bytes, but has no prepack function", name,
                    row->name, s->kernel->engine->name, (unsigned long long)s->sizes.packed_size);
  }
  return QE_OK;
}

qe_status_t qe__step_prepare(qe__plan *plan, qe__step *s, qe__pack_cache *packs, const char *name) {
  QE_TRY(ask(s, name));
  if (s->sizes.scratch_size > plan->scratch_bytes) plan->scratch_bytes = (size_t)s->sizes.scratch_size;
  if (s->sizes.packed_size == 0) return QE_OK;
  qe__pack_expect(s->kernel, &s->problem, s->sizes.packed_size, &s->pack_header);
  const qe_status_t status = packs ? qe__pack_get(packs, s->node, s->kernel, &s->problem, &s->pack_header, &s->pack)
                                   : qe__pack_create(s->kernel, &s->problem, &s->pack_header, &s->own_pack);
  if (!packs) s->pack = s->own_pack;
  return status == QE_OK ? QE_OK : qe__fail_in(status, "node '%s'", name);
}
