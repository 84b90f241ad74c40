/* Where a pointer leads: into a loaded object, or nowhere that a plugin's table may point to. */
#include <link.h>

#include "engine/load.h"

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
