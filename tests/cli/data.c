/* Data that does not fit a model, and models that are none: exit code 1 and a message that names both sides. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/models.h"

TestSuite(data, .init = scratch_enter, .fini = scratch_leave, .timeout = 60);

static void expect_failure(const char *line, const char *part, const char *other) {
  result r = run_cli("%s", line);
  expect_code(&r, 1);
  expect_text(r.err, part);
  expect_text(r.err, other);
  cr_assert_str_empty(r.out, "%s", r.out);
  result_free(&r);
}

static void save(qe_tensor_t *t, const char *name) {
  cr_assert_eq(qe_tensor_save_npy(t, name, 0), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
}

Test(data, shape) {
  save(test_random(4, (int64_t[]){ 4, 3, 9, 8 }, 1.0f, 1), "wrong.npy");
  expect_failure("calibrate float.onnx --calib wrong.npy -o s", "[3,9,8]", "3,8,8");
  expect_failure("eval float.onnx --data wrong.npy --labels labels.npy", "[3,9,8]", "3,8,8");
  expect_failure("run float.onnx --input wrong.npy --output-dir out", "9", "x");
}

Test(data, dtype_names_both_and_the_remedy) {
  expect_failure("calibrate float.onnx --calib images.npy -o s", "uint8", "float32");
  expect_failure("calibrate float.onnx --calib images.npy -o s", "--normalize", "images.npy");
  expect_failure("run float.onnx --input images.npy --output-dir out", "uint8", "float32");
}

Test(data, names) {
  expect_failure("calibrate float.onnx --calib y=x.npy -o s", "no input named 'y'", "'x'");
  expect_failure("calibrate float.onnx --calib nosuch.npy -o s", "nosuch.npy", "error");
}

Test(data, labels) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_create(QE_INT32, 1, (int64_t[]){ 39 }, &t), QE_OK);
  save(t, "few.npy");
  expect_failure("eval float.onnx --data x.npy --labels few.npy", "39 labels", "40 samples");
  cr_assert_eq(qe_tensor_create(QE_INT32, 1, (int64_t[]){ 40 }, &t), QE_OK);
  ((int32_t *)qe_tensor_data(t))[33] = 5;
  save(t, "high.npy");
  expect_failure("eval float.onnx --data x.npy --labels high.npy", "label 5 of row 33", "0..4");
  save(test_random(1, (int64_t[]){ 40 }, 1.0f, 1), "real.npy");
  expect_failure("eval float.onnx --data x.npy --labels real.npy", "float32", "integers");
}

Test(data, more_samples_than_there_are) {
  expect_failure("calibrate float.onnx --calib x.npy --samples 41 -o s", "41", "40 samples");
}

Test(data, models_that_are_none) {
  scratch_write("empty.onnx", "", 0);
  scratch_write("junk.onnx", "\xff\xff\xff\xff\xff\xff\xff\xffjunk", 12);
  result r = run_cli("info nosuch.onnx");
  expect_code(&r, 1);
  expect_text(r.err, "nosuch.onnx");
  result_free(&r);
  const char *names[] = { "empty.onnx", "junk.onnx", "x.npy" };
  for (int i = 0; i < 3; i++) {
    r = run_cli("info %s --json", names[i]);
    expect_code(&r, 1);
    expect_text(r.err, names[i]);
    json_t *o = result_json(&r);
    cr_assert_not_null(json_object_get(o, "error"), "a failure says so in JSON too");
    json_decref(o);
    result_free(&r);
  }
}

Test(data, several_files_follow_one_option) {
  result r = run_cli("calibrate --calib x.npy x.npy float.onnx -o s --json");
  expect_code(&r, 0);
  json_t *o = result_json(&r);
  cr_assert_eq(json_integer_value(json_object_get(o, "samples")), 80);
  json_decref(o);
  result_free(&r);
  r = run_cli("calibrate float.onnx -o s2 --calib x.npy x.npy --calib x.npy --json");
  expect_code(&r, 0);
  o = result_json(&r);
  cr_assert_eq(json_integer_value(json_object_get(o, "samples")), 120);
  json_decref(o);
  result_free(&r);
}

Test(data, statistics_without_samples) {
  result r = run_cli("calibrate float.onnx --calib x.npy -o none --batch 32 --shard 20/20");
  expect_code(&r, 0);
  result_free(&r);
  r = run_cli("quantize float.onnx -o q.onnx --stats none");
  expect_code(&r, 1);
  expect_text(r.err, "no data went into it");
  cr_assert_not(scratch_has("q.onnx"));
  result_free(&r);
}
