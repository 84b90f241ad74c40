/*
 * A look at a shared object before the loader maps it: a truncated file would raise SIGBUS, one that brings a
 * sanitizer's runtime would end the process. Reads with pread only.
 */
#include <elf.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/load.h"

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#else
enum { MACHINE = EM_NONE };
#endif

enum { MAX_SEGMENTS = 64, MAX_DYNAMIC = 4096, NATIVE_CLASS = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32 };

static const char *machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "AArch64";
    case EM_ARM: return "Arm";
    case EM_386: return "i386";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "PowerPC64";
    default: return "another machine";
  }
}

static bool read_at(int fd, uint64_t offset, void *into, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, (char *)into + done, size - done, (off_t)(offset + done));
    if (got <= 0) return false;
    done += (size_t)got;
  }
  return true;
}

static bool inside(uint64_t offset, uint64_t length, uint64_t size) { return offset <= size && length <= size - offset; }

static qe_status_t check_header(const ElfW(Ehdr) *h, uint64_t size) {
  if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) {
    return qe__fail(QE_ERROR_ENGINE, "is not an ELF shared object (no ELF magic at its start)");
  }
  const unsigned char data = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
  if (h->e_ident[EI_CLASS] != NATIVE_CLASS || h->e_ident[EI_DATA] != data) {
    return qe__fail(QE_ERROR_ENGINE, "has another word size or byte order than this program; build it for this machine");
  }
  if (h->e_machine != MACHINE && MACHINE != EM_NONE) {
    return qe__fail(QE_ERROR_ENGINE, "is built for %s (ELF machine %u), this program runs on %s; build it for this machine",
                    machine_name(h->e_machine), h->e_machine, machine_name(MACHINE));
  }
  if (h->e_type != ET_DYN) {
    return qe__fail(QE_ERROR_ENGINE, "is an ELF file of type %u, not a shared object; link it with -shared", h->e_type);
  }
  if (h->e_phentsize != sizeof(ElfW(Phdr)) || h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS ||
      !inside(h->e_phoff, (uint64_t)h->e_phnum * sizeof(ElfW(Phdr)), size)) {
    return qe__fail(QE_ERROR_ENGINE, "is damaged: its %u program headers do not lie inside its %llu bytes", h->e_phnum,
                    (unsigned long long)size);
  }
  return QE_OK;
}

/* The file offset behind an address of the loaded image; false when no segment has it. */
static bool file_offset(const ElfW(Phdr) *segments, unsigned count, uint64_t address, uint64_t *offset, uint64_t *room) {
  for (unsigned i = 0; i < count; i++) {
    const ElfW(Phdr) *s = &segments[i];
    if (s->p_type != PT_LOAD || address < s->p_vaddr || address - s->p_vaddr >= s->p_filesz) continue;
    *offset = s->p_offset + (address - s->p_vaddr);
    *room = s->p_filesz - (address - s->p_vaddr);
    return true;
  }
  return false;
}

/* A sanitizer's runtime that comes late, with a plugin, ends the process. */
static qe_status_t check_needed(const char *library) {
  static const struct {
    const char *prefix, *name;
    int sanitizer;
  } runtimes[] = {{"libasan.so", "AddressSanitizer", QE_SANITIZER_ADDRESS}, {"libtsan.so", "ThreadSanitizer", QE_SANITIZER_THREAD}};
  for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
    if (strncmp(library, runtimes[i].prefix, strlen(runtimes[i].prefix)) == 0 && runtimes[i].sanitizer != QE_PLUGIN_SANITIZER) {
      return qe__fail(QE_ERROR_ENGINE, "is built with %s (it needs %s), this program is not; build both alike", runtimes[i].name, library);
    }
  }
  return QE_OK;
}

static qe_status_t check_dynamic(int fd, const ElfW(Phdr) *segments, unsigned count, const ElfW(Phdr) *dynamic) {
  const size_t entries = dynamic->p_filesz / sizeof(ElfW(Dyn));
  uint64_t names = 0, names_room = 0;
  qe_status_t status = QE_OK;
  if (entries == 0 || entries > MAX_DYNAMIC) return qe__fail(QE_ERROR_ENGINE, "is damaged: its dynamic section has %zu entries", entries);
  ElfW(Dyn) *table = qe__calloc(entries, sizeof *table);
  if (table == NULL) return QE_ERROR_OUT_OF_MEMORY;
  if (!read_at(fd, dynamic->p_offset, table, entries * sizeof *table)) {
    status = qe__fail(QE_ERROR_ENGINE, "can't be read at its dynamic section");
    goto done;
  }
  for (size_t i = 0; i < entries && table[i].d_tag != DT_NULL; i++) {
    if (table[i].d_tag != DT_STRTAB) continue;
    if (!file_offset(segments, count, table[i].d_un.d_ptr, &names, &names_room)) {
      status = qe__fail(QE_ERROR_ENGINE, "is damaged: its string table lies in no segment");
      goto done;
    }
  }
  for (size_t i = 0; i < entries && table[i].d_tag != DT_NULL; i++) {
    char library[64] = "";
    if (table[i].d_tag != DT_NEEDED || table[i].d_un.d_val >= names_room) continue;
    const uint64_t left = names_room - table[i].d_un.d_val;
    const size_t take = left < sizeof library - 1 ? (size_t)left : sizeof library - 1;
    if (!read_at(fd, names + table[i].d_un.d_val, library, take)) continue;
    QE_TRY_GOTO(check_needed(library), done);
  }
done:
  qe__free(table);
  return status;
}

qe_status_t qe__elf_check(int fd, uint64_t size) {
  ElfW(Ehdr) header;
  ElfW(Phdr) segments[MAX_SEGMENTS];
  if (size < sizeof header || !read_at(fd, 0, &header, sizeof header)) {
    return qe__fail(QE_ERROR_ENGINE, "is %llu bytes long, too short for a shared object", (unsigned long long)size);
  }
  QE_TRY(check_header(&header, size));
  if (!read_at(fd, header.e_phoff, segments, header.e_phnum * sizeof segments[0])) {
    return qe__fail(QE_ERROR_ENGINE, "can't be read at its program headers");
  }
  const ElfW(Phdr) *dynamic = NULL;
  for (unsigned i = 0; i < header.e_phnum; i++) {
    const ElfW(Phdr) *s = &segments[i];
    if (s->p_type != PT_LOAD && s->p_type != PT_DYNAMIC) continue;
    if (!inside(s->p_offset, s->p_filesz, size)) {
      return qe__fail(QE_ERROR_ENGINE, "is truncated: segment %u needs bytes %llu to %llu of a file of %llu", i,
                      (unsigned long long)s->p_offset, (unsigned long long)(s->p_offset + s->p_filesz), (unsigned long long)size);
    }
    if (s->p_type == PT_DYNAMIC) dynamic = s;
  }
  if (dynamic == NULL) return qe__fail(QE_ERROR_ENGINE, "is not a shared object: it has no dynamic section");
  return check_dynamic(fd, segments, header.e_phnum, dynamic);
}
