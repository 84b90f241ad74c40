/* `qengine conform` from outside: exit codes, reports, certificates, whole models, interruption. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/models.h"

TestSuite(conform, .init = scratch_enter, .fini = scratch_leave, .timeout = 280);

#define BAD(name)      QE_BINARY_DIR "/tests/cli/" name "/" name ".so"
#define SABOTEUR(name) QE_BINARY_DIR "/tests/saboteurs/saboteurs/" name ".so"
#define GEMM           "--case Gemm:u8s8u8/m4/n5/k6"
#define REFERENCE      QE_BINARY_DIR "/engines/qe_reference.so"

static json_t *get(const json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  cr_assert_not_null(value, "no key %s", key);
  return value;
}

static int64_t total(const json_t *o, const char *key) {
  return (int64_t)json_integer_value(get(get(o, "totals"), key));
}

static result expect_run(int code, const char *line) {
  result r = run_cli("conform %s", line);
  expect_code(&r, code);
  return r;
}

static json_t *run_json(int code, const char *line) {
  result r = expect_run(code, line);
  json_t *o = result_json(&r);
  result_free(&r);
  return o;
}

static char *read_text(const char *name) {
  static char text[1 << 20];
  FILE *f = fopen(name, "r");
  cr_assert_not_null(f, "%s is not there", name);
  text[fread(text, 1, sizeof text - 1, f)] = '\0';
  fclose(f);
  return text;
}

Test(conform, the_reference_conforms) {
  json_t *o = run_json(0, "reference --suite smoke --op Gemm --json");
  cr_assert_str_eq(json_string_value(get(o, "engine")), "reference");
  cr_assert_str_eq(json_string_value(get(o, "verdict")), "conforms");
  cr_assert_gt(total(o, "passed"), 0);
  cr_assert_eq(total(o, "failed"), 0);
  cr_assert_eq(strlen(json_string_value(get(o, "must_pass_hash"))), 64);
  const json_t *k = json_array_get(get(o, "kernels"), 0);
  cr_assert_str_eq(json_string_value(get(k, "op")), "Gemm");
  cr_assert_str_eq(json_string_value(get(k, "observed")), "E0");
  json_decref(o);
}

/* Cases, verdicts and levels; not the times. */
static char *essence(json_t *o) {
  json_object_del(o, "seconds");
  char *text = json_dumps(o, JSON_SORT_KEYS);
  json_decref(o);
  return text;
}

Test(conform, jobs_change_nothing) {
  char *one = essence(run_json(0, "reference --suite smoke --op MatMul* --jobs 1 --json"));
  char *three = essence(run_json(0, "reference --suite smoke --op MatMul* --jobs 3 --json"));
  cr_assert_str_eq(one, three);
  free(one);
  free(three);
}

Test(conform, what_does_not_load) {
  static const char *const lines[] = {"nosuch", "./nosuch.so", BAD("crash"), BAD("hang") " --timeout 1",
                                      "reference --against nosuch"};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = expect_run(4, lines[i]);
    cr_assert_str_empty(r.out, "%s", r.out);
    cr_assert(r.err[0], "%s says nothing", lines[i]);
    result_free(&r);
  }
}

Test(conform, wrong_command_lines) {
  static const struct {
    const char *line, *part;
  } lines[] = {
      {"",                                           "ENGINE"              },
      {"reference --suite smok",                     "did you mean 'smoke'"},
      {"reference --case Nosuch:u8",                 "Nosuch"              },
      {"reference --case junk",                      "junk"                },
      {"reference --cases nosuch.txt",               "nosuch.txt"          },
      {"reference --timeout 0",                      "--timeout"           },
      {"reference --seed x",                         "--seed"              },
      {"reference --jobs 0",                         "--jobs"              },
      {"reference --waivers x.npy",                  "x.npy"               },
      {"reference --html x.npy",                     "x.npy exists already"},
      {"reference --op Gemm --certificate c.json",   "whole suite"         },
      {"reference --kernel x* --certificate c.json", "whole suite"         },
      {"reference --data x.npy",                     "--model"             },
      {"reference --model float.onnx",               "--data"              },
      {"reference --model nosuch.onnx --data x.npy", "nosuch.onnx"         },
      {"reference --replay 0=x.npy",                 "--case"              },
      {"reference " GEMM " --replay x.npy",          "N=FILE"              },
      {"reference " GEMM " --replay 0=nosuch.npy",   "nosuch.npy"          },
      {"reference " GEMM " --replay 0=images.npy --minimize", "--minimize" },
      {"reference " GEMM " --replay 0=x.npy",        "holds float32, the case's input is uint8"},
      {"reference " GEMM " --replay 0=images.npy",   "the case's input has 24"},
      {"reference --isa-masks avx2,",                "isa masks"           },
      {"--verify x.npy " REFERENCE,                  "x.npy"               },
      {"--verify x.npy --kernel relu* " REFERENCE,   "whole must-pass list"},
  };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = expect_run(2, lines[i].line);
    expect_text(r.err, lines[i].part);
    cr_assert_str_empty(r.out, "%s", r.out);
    result_free(&r);
  }
}

Test(conform, kernels_are_chosen_by_name) {
  json_t *o = run_json(0, "reference --suite smoke --kernel relu_f* --json");
  size_t i, tested = 0;
  json_t *kernel;
  json_array_foreach(json_object_get(o, "kernels"), i, kernel) {
    cr_assert_str_eq(json_string_value(json_object_get(kernel, "name")), "relu_f32__c");
    tested++;
  }
  cr_assert_eq(tested, 1);
  json_decref(o);
}

Test(conform, an_empty_run_fails) {
  result r = expect_run(1, "reference --suite smoke --op Nosuch");
  expect_text(r.out, "nothing was tested");
  result_free(&r);
}

Test(conform, listed_cases_can_be_given_back) {
  result r = expect_run(0, "reference --suite smoke --op Gemm --list");
  int n = 0;
  for (const char *c = r.out; *c; c++) n += *c == '\n';
  cr_assert_gt(n, 3, "%s", r.out);
  scratch_write("cases.txt", r.out, strlen(r.out));
  result_free(&r);
  json_t *o = run_json(0, "reference --cases cases.txt --json");
  cr_assert_geq(total(o, "passed"), n);
  json_decref(o);
}

Test(conform, reports_are_written) {
  result r = expect_run(0, "reference --suite smoke --op Softmax --junit r.xml --html r.html --json r.jsonl");
  expect_text(r.out, "conforms");
  expect_text(read_text("r.xml"), "<testsuites name=\"reference\"");
  expect_text(read_text("r.html"), "id=\"total-passed\"");
  expect_text(read_text("r.jsonl"), "\"type\":\"summary\"");
  result_free(&r);
  r = expect_run(2, "reference --suite smoke --op Softmax --junit r.xml");
  result_free(&r);
  r = expect_run(0, "reference --suite smoke --op Softmax --junit r.xml --force");
  result_free(&r);
}

Test(conform, waivers_that_cover_nothing) {
  static const char stale[] = "{\"schema_version\": 1, \"waivers\": [{\"case\": \"*\", \"reason\": \"old\", \"link\": "
                              "\"x\", \"expires\": \"2999-01-01\"}]}";
  scratch_write("w.json", stale, sizeof stale - 1);
  result r = expect_run(1, "reference --suite smoke --op Softmax --waivers w.json");
  expect_text(r.out, "covers nothing that fails");
  result_free(&r);
}

Test(conform, a_wrong_engine) {
  result r = expect_run(1, SABOTEUR("off_by_one_column") " --minimize");
  expect_text(r.out, "FAIL gemm");
  expect_text(r.out, "repro: qengine conform ");
  expect_text(r.out, "--seed 1");
  expect_text(r.out, "smallest failing case");
  expect_text(r.out, "does not conform");
  result_free(&r);
  static const char waivers[] = "{\"schema_version\": 1, \"waivers\": [{\"case\": \"Gemm:*\", \"kernel\": \"gemm*\", "
                                "\"reason\": \"known\", \"link\": \"x\", \"expires\": \"2999-01-01\"}]}";
  scratch_write("w.json", waivers, sizeof waivers - 1);
  json_t *o = run_json(0, SABOTEUR("off_by_one_column") " --waivers w.json --json");
  cr_assert_gt(total(o, "waived"), 0);
  json_decref(o);
}

Test(conform, inputs_from_files) {
  uint8_t data[24];
  qe_tensor_t *t = NULL;
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(37 * i + 11);
  cr_assert_eq(qe_tensor_from_data(QE_UINT8, 2, (int64_t[]){4, 6}, data, &t), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_save_npy(t, "a.npy", 0), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
  result r = expect_run(0, "reference " GEMM " --replay 0=a.npy");
  expect_text(r.out, "1 passed");
  result_free(&r);
  r = expect_run(1, SABOTEUR("off_by_one_column") " " GEMM " --replay 0=a.npy");
  expect_text(r.out, "--case 'Gemm:u8s8u8/m4/n5/k6' --seed 1 --replay '0=a.npy'\n");
  result_free(&r);
}

Test(conform, no_failure_block_is_longer_than_twelve_lines) {
  result r = expect_run(1, SABOTEUR("off_by_one_column") " -v --minimize");
  int lines = 0, blocks = 0;
  char *rest = r.out;
  for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
    const bool starts = strncmp(line, "FAIL ", 5) == 0 || strncmp(line, "smallest ", 9) == 0;
    blocks += starts;
    lines = starts ? 1 : lines > 0 && strncmp(line, "  ", 2) == 0 ? lines + 1 : 0;
    cr_assert_leq(lines, 12, "%s", line);
  }
  cr_assert_gt(blocks, 1);
  result_free(&r);
}

Test(conform, whole_models) {
  qe_model_t *m = NULL;
  qe_tensor_t *weight = test_random(2, (int64_t[]){12, 16}, 0.5f, 7), *x = test_random(2, (int64_t[]){32, 16}, 1.0f, 8);
  cr_assert_eq(qe_model_create("linear", &m), QE_OK);
  qe_output(m, "y", qe_linear(m, "fc", qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){-1, 16}), weight, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_save(m, "linear.onnx", QE_FORMAT_QDQ, 0), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_save_npy(x, "rows.npy", 0), QE_OK);
  qe_tensor_release(&weight);
  qe_tensor_release(&x);
  qe_model_destroy(&m);
  result r = run_cli("quantize linear.onnx -o linear8.onnx --calib rows.npy -q");
  expect_code(&r, 0);
  result_free(&r);
  json_t *o = run_json(0, "reference --model linear8.onnx --data rows.npy --json");
  cr_assert(json_is_null(get(o, "first_difference")));
  cr_assert_gt(json_array_size(get(o, "values")), 2);
  json_decref(o);
  o = run_json(0, SABOTEUR("honest") " --model linear8.onnx --data rows.npy --json");
  cr_assert_gt(json_integer_value(get(o, "steps_on_engine")), 0);
  json_decref(o);
  o = run_json(1, SABOTEUR("off_by_one_column") " --model linear8.onnx --data rows.npy --json");
  cr_assert(json_is_string(get(o, "first_difference")));
  expect_text(json_string_value(get(o, "why")), "of Gemm node 'fc'");
  json_decref(o);
  o = run_json(0, SABOTEUR("honest") " --model linear8.onnx --data rows.npy --batch 12 --json");
  cr_assert_eq(json_integer_value(get(o, "batches")), 3);
  cr_assert_eq(json_integer_value(get(o, "batches_compared")), 3);
  cr_assert_eq(json_integer_value(get(o, "samples_compared")), 32);
  json_decref(o);
  o = run_json(0, SABOTEUR("honest") " --model linear8.onnx --data rows.npy --batch 4 --samples 10 --json");
  cr_assert_eq(json_integer_value(get(o, "batches_compared")), 3);
  cr_assert_eq(json_integer_value(get(o, "samples_compared")), 10);
  json_decref(o);
  o = run_json(1, SABOTEUR("off_by_one_column") " --model linear8.onnx --data rows.npy --batch 12 --json");
  cr_assert_eq(json_integer_value(get(o, "batches_compared")), 1);
  expect_text(json_string_value(get(o, "why")), "in batch 1 of 3 (samples 0 to 11, from 0), the first value");
  json_decref(o);
  r = expect_run(1, SABOTEUR("crashes") " --model linear8.onnx --data rows.npy");
  expect_text(r.out, "while running on engine");
  result_free(&r);
}

Test(conform, share_of_the_peak) {
  json_t *o = run_json(0, "reference --perf --case Gemm:u8s8u8/m64/n64/k64/trans=2/gran=c --json");
  const json_t *row = json_array_get(get(o, "times"), 0);
  cr_assert_not_null(row);
  const double share = json_real_value(get(row, "peak_share"));
  cr_assert(share > 0.0 && share < 1e6, "%g", share);
  json_decref(o);
}

/* Of an engine with one kernel, whose must-pass list is short. */
Test(conform, certificates) {
  result r = expect_run(0, SABOTEUR("honest") " --suite mustpass -q --certificate c.json");
  result_free(&r);
  r = expect_run(0, "--verify c.json " SABOTEUR("honest"));
  expect_text(r.out, "valid, and the must-pass list passes again");
  result_free(&r);
  char *text = read_text("c.json");
  char *digit = strstr(text, "\"passed\": ");
  cr_assert_not_null(digit);
  digit[10] = digit[10] == '9' ? '8' : '9';
  scratch_write("forged.json", text, strlen(text));
  json_t *o = run_json(1, "--verify forged.json " SABOTEUR("honest") " --json");
  cr_assert(json_is_false(get(o, "valid")));
  expect_text(json_string_value(get(o, "why")), "was changed");
  json_decref(o);
  r = expect_run(1, "--verify c.json " REFERENCE);
  expect_text(r.out, "is not the plugin that was certified");
  result_free(&r);
  r = expect_run(1, SABOTEUR("off_by_one_column") " --certificate bad.json");
  expect_text(r.err, "no certificate");
  cr_assert_not(scratch_has("bad.json"));
  result_free(&r);
}

Test(conform, interruption_leaves_no_reports) {
  const spawn_options o = {.signal = SIGINT, .delay_ms = 300};
  result r = run_with(&o, "conform %s --timeout 60 --junit r.xml --html r.html", SABOTEUR("hangs"));
  expect_code(&r, 130);
  cr_assert_not(scratch_has("r.xml"));
  cr_assert_not(scratch_has("r.html"));
  result_free(&r);
}
