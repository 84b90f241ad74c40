/* Files: never overwritten unasked, whole or absent, whatever goes wrong. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/models.h"

TestSuite(outputs, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

Test(outputs, existing_file_is_refused_before_work) {
  scratch_write("q.onnx", "mine", 4);
  const char *lines[] = { "quantize nosuch.onnx -o q.onnx --calib x.npy",
                          "calibrate nosuch.onnx --calib x.npy -o q.onnx", "stats merge a b -o q.onnx",
                          "compare nosuch.onnx b --data x.npy --html q.onnx" };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = run_cli("%s", lines[i]);
    expect_code(&r, 1);
    expect_text(r.err, "--force");
    cr_assert_null(strstr(r.err, "nosuch.onnx:"), "the model was loaded first: %s", r.err);
    result_free(&r);
  }
  struct stat info;
  cr_assert_eq(stat("q.onnx", &info), 0);
  cr_assert_eq(info.st_size, 4);
}

Test(outputs, force_overwrites) {
  scratch_write("q.onnx", "mine", 4);
  result r = run_cli("quantize float.onnx -o q.onnx --calib x.npy --force");
  expect_code(&r, 0);
  result_free(&r);
  struct stat info;
  cr_assert_eq(stat("q.onnx", &info), 0);
  cr_assert_gt(info.st_size, 4);
}

Test(outputs, folder_missing_or_not_a_folder) {
  result r = run_cli("quantize float.onnx -o nowhere/q.onnx --calib x.npy");
  expect_code(&r, 1);
  expect_text(r.err, "nowhere");
  result_free(&r);
  r = run_cli("quantize float.onnx -o x.npy/q.onnx --calib x.npy");
  expect_code(&r, 1);
  result_free(&r);
  r = run_cli("quantize float.onnx -o . --calib x.npy --force");
  expect_code(&r, 1);
  expect_text(r.err, "folder");
  result_free(&r);
  r = run_cli("run float.onnx --input x.npy --output-dir float.onnx");
  expect_code(&r, 1);
  result_free(&r);
}

Test(outputs, run_keeps_existing_results) {
  result r = run_cli("run float.onnx --input x.npy --output-dir out");
  expect_code(&r, 0);
  cr_assert(scratch_has("out/y.npy"));
  result_free(&r);
  r = run_cli("run float.onnx --input x.npy --output-dir out");
  expect_code(&r, 1);
  expect_text(r.err, "--force");
  result_free(&r);
  r = run_cli("run float.onnx --input x.npy --output-dir out --force");
  expect_code(&r, 0);
  result_free(&r);
}

/* A write that fails half way, as on a full disk: an error, and no file of any name stays. */
Test(outputs, full_disk) {
  const spawn_options limit = { .file_limit = 512 };
  const char *lines[] = { "quantize float.onnx -o q.onnx --calib x.npy",
                          "calibrate float.onnx --calib x.npy -o s.stats",
                          "compare float.onnx float.onnx --data x.npy --html c.html" };
  const int before = scratch_count();
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = run_with(&limit, "%s", lines[i]);
    expect_code(&r, 1);
    cr_assert_eq(scratch_count(), before, "%s left something behind", lines[i]);
    result_free(&r);
  }
}

Test(outputs, full_standard_output) {
  const spawn_options full = { .stdout_path = "/dev/full" };
  const char *lines[] = { "info float.onnx", "info float.onnx --json", "--help", "explain float.onnx --json" };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = run_with(&full, "%s", lines[i]);
    expect_code(&r, 1);
    expect_text(r.err, "standard output");
    result_free(&r);
  }
}

/* Enough samples, one at a time, that the signal surely comes in between. */
static void many_samples(void) {
  qe_tensor_t *t = test_random(4, (int64_t[]){ 200000, 3, 8, 8 }, 1.0f, 5);
  cr_assert_eq(qe_tensor_save_npy(t, "many.npy", 0), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
}

Test(outputs, interrupted_calibration_leaves_nothing) {
  many_samples();
  const int before = scratch_count();
  const int signals[] = { SIGINT, SIGTERM };
  const char *lines[] = { "calibrate float.onnx --calib many.npy --batch 1 -o s.stats",
                          "quantize float.onnx --calib many.npy --batch 1 -o q.onnx",
                          "eval float.onnx --data many.npy --labels many-labels.npy --batch 1" };
  qe_tensor_t *labels = NULL;
  cr_assert_eq(qe_tensor_create(QE_UINT8, 1, (int64_t[]){ 200000 }, &labels), QE_OK);
  cr_assert_eq(qe_tensor_save_npy(labels, "many-labels.npy", 0), QE_OK);
  qe_tensor_release(&labels);
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    const spawn_options o = { .signal = signals[i % 2], .delay_ms = 400 };
    result r = run_with(&o, "%s", lines[i]);
    expect_code(&r, 130);
    expect_text(r.err, "interrupted");
    cr_assert_eq(scratch_count(), before + 1, "%s left something behind", lines[i]);
    result_free(&r);
  }
}
