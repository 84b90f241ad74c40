/* Atomic outputs: nothing half-written, nothing left behind, nothing overwritten unasked. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "support/scratch.h"

static scratch dir;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(writer, .init = setup, .fini = teardown, .timeout = 60);

static void expect_content(const char *path, const char *text) {
  char found[100] = "";
  scratch_read(path, found, sizeof found - 1);
  cr_assert_str_eq(found, text);
}

Test(writer, appears_only_when_complete) {
  qe__writer *w;
  const char *path = scratch_file(&dir, "out");
  cr_assert_eq(qe__writer_open(path, 0, &w), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__writer_write(w, "ab", 2), QE_OK);
  cr_assert_neq(access(path, F_OK), 0);
  cr_assert_eq(qe__writer_write(w, "c", 1), QE_OK);
  cr_assert_eq(qe__writer_commit(&w), QE_OK, "%s", qe_last_error());
  cr_assert_null(w);
  expect_content(path, "abc");
  cr_assert_eq(scratch_entries(&dir), 1);
}

Test(writer, large_and_small_pieces_keep_their_order) {
  enum { SIZE = 300000 };
  const char *path = scratch_file(&dir, "out");
  uint8_t *data = qe__calloc(SIZE, 1), *back = qe__calloc(SIZE + 1, 1);
  for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * 31 >> 3);
  qe__writer *w;
  cr_assert_eq(qe__writer_open(path, 0, &w), QE_OK);
  size_t at = 0;
  for (size_t step = 1; at < SIZE; step = step * 3 % 100003) {
    const size_t n = step < SIZE - at ? step : SIZE - at;
    cr_assert_eq(qe__writer_write(w, data + at, n), QE_OK);
    at += n;
  }
  cr_assert_eq(qe__writer_commit(&w), QE_OK);
  cr_assert_eq(scratch_read(path, back, SIZE + 1), (size_t)SIZE);
  cr_assert_arr_eq(back, data, SIZE);
  qe__free(data);
  qe__free(back);
}

Test(writer, abort_leaves_nothing) {
  qe__writer *w;
  cr_assert_eq(qe__writer_open(scratch_file(&dir, "out"), 0, &w), QE_OK);
  qe__writer_write(w, "ab", 2);
  qe__writer_abort(&w);
  cr_assert_null(w);
  qe__writer_abort(&w);
  cr_assert_eq(scratch_entries(&dir), 0);
}

Test(writer, existing_files_are_refused_or_replaced) {
  qe__writer *w;
  const char *path = scratch_file(&dir, "out");
  scratch_write(path, "old", 3);
  cr_assert_eq(chmod(path, 0640), 0);
  cr_assert_eq(qe__writer_open(path, 0, &w), QE_ERROR_EXISTS);
  cr_assert_null(w);
  cr_assert_not_null(strstr(qe_last_error(), "--force"), "%s", qe_last_error());
  expect_content(path, "old");
  cr_assert_eq(qe__write_file(path, "new!", 4, 1), QE_OK, "%s", qe_last_error());
  expect_content(path, "new!");
  struct stat st;
  stat(path, &st);
  cr_assert_eq(st.st_mode & 0777, 0640u);
}

Test(writer, a_file_that_appears_meanwhile_is_kept) {
  qe__writer *w;
  const char *path = scratch_file(&dir, "out");
  cr_assert_eq(qe__writer_open(path, 0, &w), QE_OK);
  qe__writer_write(w, "mine", 4);
  scratch_write(path, "theirs", 6);
  cr_assert_eq(qe__writer_commit(&w), QE_ERROR_EXISTS);
  cr_assert_null(w);
  expect_content(path, "theirs");
  cr_assert_eq(scratch_entries(&dir), 1);
}

Test(writer, symbolic_links_stay) {
  const char *target = scratch_file(&dir, "target"), *link_path = scratch_file(&dir, "link");
  scratch_write(target, "old", 3);
  cr_assert_eq(symlink("target", link_path), 0);
  cr_assert_eq(qe__write_file(link_path, "new", 3, 1), QE_OK, "%s", qe_last_error());
  struct stat st;
  cr_assert_eq(lstat(link_path, &st), 0);
  cr_assert(S_ISLNK(st.st_mode));
  expect_content(target, "new");
}

Test(writer, targets_that_cannot_be_written) {
  qe__writer *w;
  const char *fifo = scratch_file(&dir, "fifo");
  cr_assert_eq(mkfifo(fifo, 0600), 0);
  const char *bad[] = {
      dir.path, fifo, "/dev/null", "", "/", scratch_file(&dir, "no/such/directory"), scratch_file(&dir, "fifo/x")};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    cr_assert_eq(qe__writer_open(bad[i], 1, &w), QE_ERROR_IO, "%s", bad[i]);
    cr_assert_null(w);
    cr_assert_neq(qe_last_error()[0], 0);
  }
  char long_name[400];
  memset(long_name, 'x', sizeof long_name);
  long_name[sizeof long_name - 1] = 0;
  cr_assert_eq(qe__write_file(scratch_file(&dir, long_name), "x", 1, 0), QE_ERROR_IO);
  cr_assert_eq(scratch_entries(&dir), 1);
}

Test(writer, a_full_disk_is_reported_and_leaves_nothing) {
  /* A limit on the size of files stands in for a disk that is full. */
  const char *path = scratch_file(&dir, "out");
  scratch_write(path, "old", 3);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = 100000;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  uint8_t *data = qe__calloc(1 << 20, 1);
  cr_assert_eq(qe__write_file(path, data, 1 << 20, 1), QE_ERROR_IO);
  cr_assert_not_null(strstr(qe_last_error(), "writing failed"), "%s", qe_last_error());
  qe__writer *w;
  cr_assert_eq(qe__writer_open(path, 1, &w), QE_OK);
  for (int i = 0; i < 50; i++) (void)qe__writer_write(w, data, 10000);
  cr_assert_eq(qe__writer_commit(&w), QE_ERROR_IO);
  cr_assert_not_null(strstr(qe_last_error(), "writing failed"), "%s", qe_last_error());
  qe__free(data);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_FSIZE, &limit);
  expect_content(path, "old");
  cr_assert_eq(scratch_entries(&dir), 1);
}

Test(writer, a_device_that_is_full) {
  if (access("/dev/full", W_OK) != 0) cr_skip_test("no /dev/full");
  qe__writer *w;
  cr_assert_eq(qe__writer_open("/dev/full", 1, &w), QE_ERROR_IO);
}

static void on_interrupt(int sig) {
  qe__writer_unlink_all();
  _exit(128 + sig);
}

Test(writer, an_interrupted_process_leaves_nothing) {
  int ready[2];
  cr_assert_eq(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGINT, on_interrupt);
    qe__writer *a, *b;
    if (qe__writer_open(scratch_file(&dir, "a"), 0, &a) != QE_OK ||
        qe__writer_open(scratch_file(&dir, "b"), 0, &b) != QE_OK)
      _exit(1);
    qe__writer_write(a, "x", 1);
    if (write(ready[1], "r", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  cr_assert_eq(read(ready[0], &byte, 1), 1);
  cr_assert_eq(scratch_entries(&dir), 2);
  kill(child, SIGINT);
  int status;
  waitpid(child, &status, 0);
  cr_assert(WIFEXITED(status));
  cr_assert_eq(WEXITSTATUS(status), 130);
  cr_assert_eq(scratch_entries(&dir), 0);
}

Test(writer, many_at_once) {
  enum { MANY = 40 };
  qe__writer *w[MANY];
  int open_now = 0;
  for (int i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    const qe_status_t status = qe__writer_open(scratch_file(&dir, name), 0, &w[i]);
    if (status == QE_OK) open_now++;
    else cr_assert_eq(status, QE_ERROR_STATE, "%s", qe_last_error());
  }
  cr_assert_geq(open_now, 16);
  for (int i = 0; i < MANY; i++) qe__writer_abort(&w[i]);
  cr_assert_eq(scratch_entries(&dir), 0);
  cr_assert_eq(qe__write_file(scratch_file(&dir, "again"), "x", 1, 0), QE_OK);
}

Test(writer, allocation_failures) {
  const char *path = scratch_file(&dir, "out");
  for (long n = 0;; n++) {
    qe__fail_allocations_after(n);
    const qe_status_t status = qe__write_file(path, "x", 1, 0);
    qe__fail_allocations_after(-1);
    if (status == QE_OK) break;
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s", n, qe_last_error());
    cr_assert_eq(scratch_entries(&dir), 0);
    cr_assert_lt(n, 20);
  }
  cr_assert_eq(scratch_entries(&dir), 1);
}
