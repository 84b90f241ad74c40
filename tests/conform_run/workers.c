/* Worker processes: every case is told once whatever the others do, and what a worker suffers is pinned to its case. */
#include "fake.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static heard h; /* large */
static fake f;

static qe_status_t run_jobs(uint32_t jobs, double timeout) {
  qe__conform_source source;
  memset(&h, 0, sizeof h);
  fake_source(&f, &source);
  qe__workers_options o = fake_options(&source, &h);
  o.jobs = jobs;
  o.timeout = timeout;
  return qe__workers_run(&o);
}

static void expect(uint64_t index, qe__verdict verdict, const char *check) {
  const qe__case_result *r = &h.outcomes[index].result;
  cr_assert(h.told[index], "case %llu was not told", (unsigned long long)index);
  cr_assert_eq(r->verdict, verdict, "case %llu (%s): %s, expected %s; %s", (unsigned long long)index,
               h.outcomes[index].text, qe_conform_verdict_name((qe_conform_verdict_t)r->verdict),
               qe_conform_verdict_name((qe_conform_verdict_t)verdict), r->detail);
  cr_assert_str_eq(r->check, check, "case %llu: check '%s', expected '%s'", (unsigned long long)index, r->check, check);
}

Test(workers, all_cases_are_told_by_any_number_of_jobs) {
  for (uint32_t k = 0; k < FAKE_KERNELS; k++)
    for (uint32_t i = 0; i < 20; i++) f.cases[k][i] = i == 3 ? "fail" : "pass";
  for (uint32_t jobs = 1; jobs <= 7; jobs += 3) {
    cr_assert_eq(run_jobs(jobs, 20.0), QE_OK, "%s", qe_last_error());
    cr_assert_eq(h.n_told, 60, "%u jobs told %u cases", jobs, h.n_told);
    cr_assert_eq(h.announced, 60);
    cr_assert_eq(h.n_kernels, FAKE_KERNELS);
    cr_assert_str_eq(h.hello.engine, "fake");
    for (uint32_t i = 0; i < 60; i++) {
      expect(i, i % 20 == 3 ? QE__FAIL : QE__PASS, i % 20 == 3 ? "bytes" : "");
      cr_assert_eq(h.outcomes[i].kernel, i / 20);
      cr_assert_eq(h.outcomes[i].must, i % 20 == 0);
    }
  }
}

Test(workers, crashes_are_pinned_and_the_run_goes_on) {
  static const char *const row[] = {"pass", "segv", "pass", "abort", "exit", "pass", "garbage", "pass"};
  for (uint32_t i = 0; i < 8; i++) f.cases[0][i] = f.cases[2][i] = row[i];
  f.cases[1][0] = "pass";
  cr_assert_eq(run_jobs(2, 20.0), QE_OK, "%s", qe_last_error());
  cr_assert_eq(h.n_told, 17);
  for (uint64_t first = 0; first < 17; first += 9) {
    expect(first, QE__PASS, "");
    expect(first + 1, QE__CRASH, "SIGSEGV");
    expect(first + 3, QE__CRASH, "SIGABRT");
    expect(first + 4, QE__CRASH, "exit code 7");
    expect(first + 5, QE__PASS, "");
    expect(first + 6, QE__CRASH, "report");
    expect(first + 7, QE__PASS, "");
  }
  cr_assert(strstr(h.outcomes[1].result.detail, "I am about to crash"), "%s", h.outcomes[1].result.detail);
  cr_assert(strstr(h.outcomes[1].result.detail, "alone: CRASH SIGSEGV"), "%s", h.outcomes[1].result.detail);
}

Test(workers, a_hang_is_a_timeout) {
  f.cases[0][0] = "pass";
  f.cases[0][1] = "hang";
  f.cases[0][2] = "pass";
  cr_assert_eq(run_jobs(1, 0.3), QE_OK, "%s", qe_last_error());
  expect(0, QE__PASS, "");
  expect(1, QE__TIMEOUT, "timeout");
  expect(2, QE__PASS, "");
  cr_assert(strstr(h.outcomes[1].result.detail, "0.3 s"), "%s", h.outcomes[1].result.detail);
}

Test(workers, a_crash_that_does_not_repeat_stays_a_crash) {
  char text[80];
  snprintf(text, sizeof text, "once:/tmp/qe_conform_once_%ld", (long)getpid());
  f.cases[0][0] = text;
  f.cases[0][1] = "pass";
  cr_assert_eq(run_jobs(1, 20.0), QE_OK, "%s", qe_last_error());
  unlink(text + 5);
  expect(0, QE__CRASH, "exit code 3");
  cr_assert(strstr(h.outcomes[0].result.detail, "alone: PASS"), "%s", h.outcomes[0].result.detail);
  expect(1, QE__PASS, "");
}

Test(workers, a_late_crash_is_told_from_one_that_repeats) {
  f.cases[0][0] = "pass";
  f.cases[0][1] = "after"; /* a timer ends the process during the next case */
  f.cases[0][2] = "slow";
  f.cases[0][3] = "pass";
  cr_assert_eq(run_jobs(1, 20.0), QE_OK, "%s", qe_last_error());
  expect(0, QE__PASS, "");
  expect(2, QE__CRASH, "exit code 9");
  cr_assert(strstr(h.outcomes[2].result.detail, "depends on what ran before"), "%s", h.outcomes[2].result.detail);
  expect(3, QE__PASS, "");
}

Test(workers, a_hopeless_kernel_is_left_alone) {
  qe__conform_source source;
  for (uint32_t i = 0; i < 50; i++) f.cases[0][i] = f.cases[2][i] = i % 2 ? "segv" : "pass";
  for (uint32_t i = 0; i < 5; i++) f.cases[1][i] = "pass";
  for (uint32_t i = 0; i < 50; i++) f.cases[2][i] = "pass";
  memset(&h, 0, sizeof h);
  fake_source(&f, &source);
  qe__workers_options o = fake_options(&source, &h);
  o.jobs = 1;
  o.most_crashes = 3;
  cr_assert_eq(qe__workers_run(&o), QE_OK, "%s", qe_last_error());
  cr_assert_eq(h.n_told, 6 + 5 + 50, "%u cases were told", h.n_told);
  cr_assert_eq(h.announced, 105);
}

Test(workers, what_does_not_load_is_said) {
  f.cases[0][0] = "pass";
  f.open_status = QE_ERROR_ENGINE;
  cr_assert_eq(run_jobs(2, 20.0), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "the fake does not load"), "%s", qe_last_error());
  f.open_status = QE_OK;
  f.open_signal = 11;
  cr_assert_eq(run_jobs(2, 20.0), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "before it could report"), "%s", qe_last_error());
}

Test(workers, an_error_of_the_harness_ends_the_run) {
  f.cases[0][0] = "pass";
  f.cases[0][1] = "internal";
  cr_assert_eq(run_jobs(1, 20.0), QE_ERROR_INTERNAL);
  cr_assert(strstr(qe_last_error(), "out of order"), "%s", qe_last_error());
}

Test(workers, stopping_ends_all_workers) {
  qe__conform_source source;
  f.cases[0][0] = f.cases[0][1] = "hang";
  memset(&h, 0, sizeof h);
  fake_source(&f, &source);
  qe__workers_options o = fake_options(&source, &h);
  h.stop_after_ticks = 3;
  cr_assert_eq(qe__workers_run(&o), QE_ERROR_INTERRUPTED);
}

Test(workers, listing_runs_nothing) {
  qe__conform_source source;
  f.cases[0][0] = "segv";
  f.cases[1][0] = "hang";
  memset(&h, 0, sizeof h);
  fake_source(&f, &source);
  qe__workers_options o = fake_options(&source, &h);
  o.jobs = 1;
  o.list = true;
  cr_assert_eq(qe__workers_run(&o), QE_OK, "%s", qe_last_error());
  cr_assert_eq(h.n_told, 2);
  cr_assert_str_eq(h.outcomes[1].text, "hang");
}

Test(workers, the_first_bad_case_can_end_it) {
  qe__conform_source source;
  f.cases[0][0] = "pass";
  f.cases[0][1] = "segv";
  f.cases[0][2] = "fail";
  memset(&h, 0, sizeof h);
  fake_source(&f, &source);
  qe__workers_options o = fake_options(&source, &h);
  o.jobs = 1;
  o.stop_at_bad = true;
  cr_assert_eq(qe__workers_run(&o), QE_OK, "%s", qe_last_error());
  cr_assert_eq(h.n_told, 2);
  expect(1, QE__CRASH, "SIGSEGV");
}

Test(workers, the_isa_mask_is_in_the_workers_environment) {
  qe__conform_source source;
  f.cases[0][0] = "pass";
  memset(&h, 0, sizeof h);
  fake_source(&f, &source);
  qe__workers_options o = fake_options(&source, &h);
  o.isa_mask = "avx2";
  cr_assert_eq(qe__workers_run(&o), QE_OK, "%s", qe_last_error());
  cr_assert_str_eq(h.hello.isa, "avx2");
}
