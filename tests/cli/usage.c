/* Wrong command lines: exit code 2, a suggestion, nothing on stdout; help and version on stdout. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(usage, .init = scratch_enter, .fini = scratch_leave, .timeout = 60);

static const struct {
  const char *words, *part;
} wrong_lines[] = {
  { "quantise float.onnx", "did you mean 'quantize'" },
  { "expalin float.onnx", "did you mean 'explain'" },
  { "zzzzzz", "unknown command" },
  { "quantize float.onnx --clib x.npy -o q", "did you mean '--calib'" },
  { "--jsno info float.onnx", "did you mean '--json'" },
  { "info", "MODEL is missing" },
  { "info a b", "unexpected argument 'b'" },
  { "info -z a", "unknown option '-z'" },
  { "info --json=1 a", "takes no value" },
  { "eval float.onnx --data", "needs a value" },
  { "quantize float.onnx --calib x.npy", "-o OUT is missing" },
  { "quantize float.onnx -o q.onnx", "--calib" },
  { "quantize float.onnx -o q.onnx --flow statik --calib x.npy", "did you mean 'static'" },
  { "quantize float.onnx -o q.onnx --format onnx --calib x.npy", "qdq or qoperator" },
  { "quantize float.onnx -o q.onnx --calib x.npy --batch 0", "--batch" },
  { "quantize float.onnx -o q.onnx --calib x.npy --samples ten", "--samples" },
  { "quantize float.onnx -o q.onnx --calib x.npy --normalize 1", "MEAN,STD" },
  { "quantize float.onnx -o q.onnx --calib x.npy --normalize 0.5,0", "STD above 0" },
  { "quantize float.onnx -o q.onnx --calib x.npy --qconfig fbgem", "did you mean 'fbgemm'" },
  { "calibrate float.onnx --calib x.npy -o s --shard 3/2", "--shard" },
  { "stats mrege a b -o c", "neither merge nor show" },
  { "compare float.onnx --data x.npy", "A B is missing" },
  { "compare float.onnx float.onnx --data x.npy --min-sqnr inf", "--min-sqnr" },
  { "explain float.onnx --threads 0", "--threads" },
  { "explain float.onnx --color sometimes", "auto, always or never" },
};

Test(usage, wrong_lines) {
  for (size_t i = 0; i < sizeof wrong_lines / sizeof wrong_lines[0]; i++) {
    result r = run_cli("%s", wrong_lines[i].words);
    cr_assert_eq(r.code, 2, "%s: exit code %d; %s", wrong_lines[i].words, r.code, r.err);
    expect_text(r.err, wrong_lines[i].part);
    cr_assert_str_empty(r.out, "%s", r.out);
    cr_assert_not(scratch_has("q.onnx"));
    result_free(&r);
  }
}

Test(usage, wrong_lines_are_told_in_json_wherever_it_is_asked_for) {
  static const char *const lines[] = { "quantise float.onnx --json", "--json quantise", "quantize --clib x --json",
                                       "info --thraeds 2 --json" };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = run_cli("%s", lines[i]);
    expect_code(&r, 2);
    json_t *o = result_json(&r);
    const json_t *message = json_object_get(json_object_get(o, "error"), "message");
    expect_text(json_string_value(message), "did you mean");
    json_decref(o);
    result_free(&r);
  }
}

Test(usage, nothing_given) {
  result r = run_cli("%s", "");
  expect_code(&r, 2);
  expect_text(r.err, "Usage: qengine");
  result_free(&r);
}

Test(usage, help_and_version_are_data) {
  result r = run_cli("--help");
  expect_code(&r, 0);
  expect_text(r.out, "quantize");
  cr_assert_str_empty(r.err);
  result_free(&r);
  r = run_cli("compare -h");
  expect_code(&r, 0);
  expect_text(r.out, "--min-sqnr");
  result_free(&r);
  r = run_cli("help eval");
  expect_code(&r, 0);
  expect_text(r.out, "--labels");
  result_free(&r);
  r = run_cli("--version");
  expect_code(&r, 0);
  expect_text(r.out, "qengine 0.");
  result_free(&r);
  r = run_cli("--version --json");
  expect_code(&r, 0);
  json_decref(result_json(&r));
  result_free(&r);
}

Test(usage, man_pages_and_completion_come_from_the_tables) {
  result r = run_cli("--generate-man .");
  expect_code(&r, 0);
  cr_assert(scratch_has("qengine.1") && scratch_has("qengine-quantize.1") && scratch_has("qengine-engines.1"));
  result_free(&r);
  r = run_cli("--generate-completion");
  expect_code(&r, 0);
  expect_text(r.out, "--min-sqnr");
  cr_assert_null(strstr(r.out, "probe-one"), "hidden options stay hidden");
  result_free(&r);
}

Test(usage, options_of_the_static_flow_are_refused_in_the_dynamic_one) {
  static const char *const options[] = {"--calib x.npy", "--stats x.stats", "--no-equalization"};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    result r = run_cli("quantize float.onnx -o q.onnx --flow dynamic %s", options[i]);
    expect_code(&r, 2);
    expect_text(r.err, "static");
    result_free(&r);
  }
}

Test(usage, unknown_engine) {
  result r = run_cli("explain float.onnx --engine nosuch");
  expect_code(&r, 5);
  expect_text(r.err, "nosuch");
  result_free(&r);
}

Test(usage, common_options_before_the_command) {
  result r = run_cli("--json --threads 1 info float.onnx");
  expect_code(&r, 0);
  json_decref(result_json(&r));
  result_free(&r);
}
