/* Steps "map" and "query": the file enters the process, and says what it is. */
#include <dlfcn.h>
#include <fenv.h>
#include <link.h>
#include <string.h>

#include "engine/load.h"

static const char *dl_reason(void) {
  const char *text = dlerror();
  return text != NULL ? text : "the loader gave no reason";
}

qe_status_t qe__engine_map(const char *real, void **handle) {
  fenv_t fp;
  *handle = NULL;
  /* An object linked with -ffast-math sets flush-to-zero in its constructor; results would depend on what was loaded. */
  const bool saved = fegetenv(&fp) == 0;
  *handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
  if (saved) fesetenv(&fp);
  if (*handle == NULL) return qe__fail(QE_ERROR_ENGINE, "can't be loaded: %s", dl_reason());
  return QE_OK;
}

qe_status_t qe__engine_query(void *handle, const qe_plugin **table) {
  qe_plugin_query_fn query = NULL;
  *table = NULL;
  dlerror();
  void *symbol = dlsym(handle, QE_PLUGIN_QUERY_SYMBOL);
  if (symbol == NULL) {
    return qe__fail(QE_ERROR_ENGINE, "is not an engine: it does not export " QE_PLUGIN_QUERY_SYMBOL " (%s)", dl_reason());
  }
  memcpy(&query, &symbol, sizeof query); /* ISO C has no cast from object to function pointer */
  *table = query(QE_ABI_MAJOR, QE_ABI_MINOR);
  if (*table == NULL) {
    return qe__fail(QE_ERROR_ENGINE, "does not serve plugin ABI %d.%d; use an engine built for this version of qengine", QE_ABI_MAJOR,
                    QE_ABI_MINOR);
  }
  return QE_OK;
}

typedef struct range {
  uintptr_t begin, end; /* asked for: begin; found: end of its segment, 0 when there is none */
} range;

static int find_segment(struct dl_phdr_info *info, size_t size, void *arg) {
  range *r = arg;
  (void)size;
  for (unsigned i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *s = &info->dlpi_phdr[i];
    if (s->p_type != PT_LOAD || (s->p_flags & PF_R) == 0) continue;
    const uintptr_t begin = (uintptr_t)info->dlpi_addr + (uintptr_t)s->p_vaddr;
    if (r->begin < begin || r->begin - begin >= s->p_memsz) continue;
    r->end = begin + (uintptr_t)s->p_memsz;
    return 1;
  }
  return 0;
}

static size_t room_at(const void *p) {
  range r = {(uintptr_t)p, 0};
  if (p == NULL) return 0;
  dl_iterate_phdr(find_segment, &r);
  return r.end > r.begin ? (size_t)(r.end - r.begin) : 0;
}

bool qe__mapped(const void *p, size_t size) { return size <= room_at(p); }

long qe__mapped_text(const char *p, size_t max) {
  const size_t room = room_at(p);
  for (size_t i = 0; i < room && i <= max; i++) {
    if (p[i] == '\0') return (long)i;
  }
  return -1;
}
