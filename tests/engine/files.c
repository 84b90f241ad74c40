/* Step "check": what kinds of files are refused before the loader sees them. */
#include <criterion/criterion.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/load.h"
#include "engine/places.h"

static char directory[PATH_SIZE];

static void setup(void) { scratch_make(directory); }
static void teardown(void) { scratch_remove(directory); }
TestSuite(files, .init = setup, .fini = teardown);

static void path_of(char path[2 * PATH_SIZE], const char *file) { snprintf(path, 2 * PATH_SIZE, "%s/%s", directory, file); }

static void expect(const char *path, const char *text) {
  const qe_status_t status = qe_engine_load(path);
  cr_assert_eq(status, QE_ERROR_ENGINE, "%s: %s", path, qe_status_text(status));
  cr_assert(strstr(qe_last_error(), text), "the message is\n  %s\nand lacks\n  %s", qe_last_error(), text);
}

static unsigned char *good(size_t *size) {
  char path[PATH_SIZE];
  fake_path(path, "GOOD");
  return file_read(path, size);
}

Test(files, kinds) {
  char path[2 * PATH_SIZE];
  path_of(path, "absent.so");
  expect(path, "check: can't be found: No such file or directory");
  path_of(path, "dangling.so");
  cr_assert_eq(symlink("/nonexistent/engine.so", path), 0);
  expect(path, "check: can't be found: No such file or directory");
  path_of(path, "directory.so");
  cr_assert_eq(mkdir(path, 0755), 0);
  expect(path, "check: is a directory, not a regular file");
  path_of(path, "fifo.so");
  cr_assert_eq(mkfifo(path, 0600), 0);
  expect(path, "check: is a FIFO, not a regular file");
  expect("/dev/null", "check: is a device, not a regular file");
}

Test(files, modes_and_owners) {
  char path[2 * PATH_SIZE];
  size_t size;
  unsigned char *bytes = good(&size);
  path_of(path, "engine.so");
  file_write(path, bytes, size);
  free(bytes);
  cr_assert_eq(chmod(path, 0666), 0);
  expect(path, "check: is writable by everybody (mode 0666)");
  cr_assert_eq(chmod(path, 0664), 0);
  expect(path, "check: is writable by its group (mode 0664), so anybody could change what is run; run chmod go-w on it");
  cr_assert_eq(chmod(path, 0644), 0);
  if (geteuid() == 0) {
    cr_assert_eq(chown(path, 65534, 65534), 0);
    expect(path, "check: belongs to user 65534, not to root or to user 0");
    cr_assert_eq(chown(path, 0, 0), 0);
  } else {
    cr_assert_eq(chmod(path, 0), 0);
    expect(path, "check: can't be opened: Permission denied");
    cr_assert_eq(chmod(path, 0644), 0);
  }
  /* A refusal is not for ever. */
  cr_assert_eq(qe_engine_load(path), QE_OK, "%s", qe_last_error());
}

Test(files, not_a_shared_object_of_this_machine) {
  char path[2 * PATH_SIZE];
  size_t size;
  unsigned char *bytes = good(&size);
  ElfW(Ehdr) header;
  memcpy(&header, bytes, sizeof header);
  path_of(path, "engine.so");
  file_write(path, "", 0);
  expect(path, "check: is 0 bytes long, too short for a shared object");
  char text[5000];
  memset(text, 'a', sizeof text);
  file_write(path, text, sizeof text);
  expect(path, "check: is not an ELF shared object (no ELF magic at its start)");
  struct {
    const char *text;
    ElfW(Ehdr) header;
  } cases[] = {{"check: is built for RISC-V (ELF machine 243)", header},
               {"check: has another word size or byte order", header},
               {"check: has another word size or byte order", header},
               {"check: is an ELF file of type 2, not a shared object; link it with -shared", header},
               {"check: is damaged: its 0 program headers do not lie inside", header},
               {"check: is damaged: its 65535 program headers do not lie inside", header},
               {"check: is damaged:", header},
               {"check: is damaged:", header}};
  cases[0].header.e_machine = EM_RISCV;
  cases[1].header.e_ident[EI_CLASS] ^= 3;
  cases[2].header.e_ident[EI_DATA] ^= 3;
  cases[3].header.e_type = ET_EXEC;
  cases[4].header.e_phnum = 0;
  cases[5].header.e_phnum = 65535;
  cases[6].header.e_phoff = UINT64_MAX - 10;
  cases[7].header.e_phentsize = 8;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    memcpy(bytes, &cases[i].header, sizeof header);
    file_write(path, bytes, size);
    expect(path, cases[i].text);
  }
  free(bytes);
}

/* Cut anywhere before the end of its last segment a plugin is refused; what is cut after it is not needed to run. */
Test(files, truncated_anywhere) {
  char path[2 * PATH_SIZE];
  size_t size, needed = 0;
  unsigned char *bytes = good(&size);
  ElfW(Ehdr) header;
  memcpy(&header, bytes, sizeof header);
  for (unsigned i = 0; i < header.e_phnum; i++) {
    ElfW(Phdr) segment;
    memcpy(&segment, bytes + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD && segment.p_offset + segment.p_filesz > needed) needed = segment.p_offset + segment.p_filesz;
  }
  cr_assert(needed > 0 && needed <= size);
  for (size_t cut = 0; cut < needed; cut += cut < 1024 ? 1 : 509) {
    path_of(path, "engine.so");
    file_write(path, bytes, cut);
    const qe_status_t status = qe_engine_load(path);
    cr_assert_eq(status, QE_ERROR_ENGINE, "cut at %zu of %zu: %s", cut, size, qe_status_text(status));
    cr_assert(strstr(qe_last_error(), "(check: "), "cut at %zu: %s", cut, qe_last_error());
  }
  file_write(path, bytes, needed - 1);
  expect(path, "check: is truncated: segment");
  file_write(path, bytes, needed);
  cr_assert_eq(qe_engine_load(path), QE_OK, "cut after the last segment: %s", qe_last_error());
  free(bytes);
}
