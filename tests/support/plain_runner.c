/*
 * Runs Criterion tests without Criterion's library, whose way of starting processes works neither under ThreadSanitizer
 * nor under an emulator. Linked in its place (QE_PLAIN_RUNNER in tests/CMakeLists.txt): one forked child per test, a time
 * limit, the same summary line. Supports what the tests use: assertions, fixtures, cr_log, cr_skip_test; --filter
 * SUITE/NAME with wildcards; other options are ignored.
 */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIME_LIMIT = 300, EXIT_FAILED = 61, EXIT_SKIPPED = 62 };

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
/* A program without TestSuite has no such section. */
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)), *__stop_cr_sts[] __attribute__((weak));

struct criterion_options criterion_options;
static const struct criterion_test *current;
static const struct criterion_suite *current_suite;
static int failures;
static jmp_buf leave;

int cr_asprintf(char **text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int length = vasprintf(text, format, args);
  va_end(args);
  return length;
}

void cr_asprintf_free(char *text) { free(text); }

char *cr_translate_assert_msg(int index, ...) {
  char *text = NULL;
  return cr_asprintf(&text, "assertion failed (kind %d)", index) >= 0 ? text : NULL;
}

void cri_asserts_passed_incr(void) {}

void criterion_send_assert(struct criterion_assert_stats *stats) {
  if (!stats->passed) fprintf(stderr, "[----] %s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_continue_test(void) { failures++; }

void criterion_abort_test(void) {
  failures++;
  longjmp(leave, 1);
}

void criterion_skip_test(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "[SKIP] %s::%s: ", current->category, current->name);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(EXIT_SKIPPED);
}

void cr_log(enum criterion_severity severity, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (severity > CR_LOG_INFO) vfprintf(stderr, format, args);
  va_end(args);
}

void criterion_internal_test_setup(void) {
  if (current_suite != NULL && current_suite->data->init != NULL) current_suite->data->init();
  if (current->data->init != NULL) current->data->init();
}

void criterion_internal_test_main(void (*test)(void)) {
  if (setjmp(leave) == 0) test();
}

void criterion_internal_test_teardown(void) {
  if (current->data->fini != NULL) current->data->fini();
  if (current_suite != NULL && current_suite->data->fini != NULL) current_suite->data->fini();
}

static const struct criterion_suite *suite_of(const struct criterion_test *test) {
  for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++) {
    if (*s != NULL && strcmp((*s)->name, test->category) == 0) return *s;
  }
  return NULL;
}

static int run_one(void) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    alarm(TIME_LIMIT);
    current->test();
    exit(failures > 0 ? EXIT_FAILED : 0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  const char *filter = "*";
  int tested = 0, passing = 0, failing = 0, crashing = 0;
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], "--filter") == 0) filter = argv[i + 1];
  }
  for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
    char name[512];
    if (*t == NULL) continue;
    current = *t;
    current_suite = suite_of(current);
    snprintf(name, sizeof name, "%s/%s", current->category, current->name);
    if (fnmatch(filter, name, 0) != 0) continue;
    if (current->data->kind_ != CR_TEST_NORMAL) {
      fprintf(stderr, "[SKIP] %s: parameterized tests are not run without Criterion\n", name);
      continue;
    }
    const int result = run_one();
    if (result == EXIT_SKIPPED) continue;
    tested++;
    if (result == current->data->exit_code || (result > 1000 && result - 1000 == current->data->signal)) passing++;
    else if (result == EXIT_FAILED) failing++;
    else crashing++;
    if (result != 0) fprintf(stderr, "[%s] %s: %s %d\n", result == EXIT_FAILED ? "FAIL" : "END", name, result > 1000 ? "signal" : "exit status", result % 1000);
  }
  fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d\n", tested, passing, failing, crashing);
  return failing + crashing > 0;
}
