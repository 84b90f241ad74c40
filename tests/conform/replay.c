/* Inputs of a case from files: the same data gives the same verdict, other data is really used, wrong files are refused. */
#include "conform/replay.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qengine/data.h"

#define GEMM "Gemm:u8s8u8/m4/n5/k6"

static char path[64];

static void enter(void) {
  strcpy(path, "/tmp/qe-replay-XXXXXX");
  const int fd = mkstemp(path);
  cr_assert_geq(fd, 0);
  close(fd);
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
}

static void leave(void) {
  unlink(path);
}

TestSuite(replay, .init = enter, .fini = leave);

static void describe(const char *text, qe__built *b) {
  qe__case c;
  cr_assert_eq(qe__case_parse(text, &c), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__case_describe(&c, 1, b), QE_OK, "%s", qe_last_error());
}

static void write_file(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(dtype, rank, dims, data, &t), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_save_npy(t, path, 1), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
}

/* What the case's pattern puts into an input, as a file. */
static void write_pattern(uint32_t input, bool flat) {
  qe__built b;
  describe(GEMM, &b);
  cr_assert_eq(qe__case_fill(&b), QE_OK, "%s", qe_last_error());
  const qe__case_operand *o = &b.in[input];
  write_file(o->dtype, flat ? 1 : o->rank, flat ? &o->count : o->dims, o->data->data);
  qe__built_free(&b);
}

static qe_status_t run(const char *text, uint32_t input, qe__case_result *r) {
  const qe__engine *engine = NULL;
  const qe__kernel *kernel = NULL;
  qe__case c;
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  for (uint32_t i = 0; i < engine->n_kernels; i++)
    if (strcmp(engine->kernels[i].row.name, "qgemm__c") == 0) kernel = &engine->kernels[i];
  cr_assert_not_null(kernel);
  const qe_conform_replay_t replay = {input, path};
  const qe__conform_options options = {.seed = 1,
                                       .against = engine,
                                       .memory = true,
                                       .determinism = true,
                                       .properties = true,
                                       .n_replays = 1,
                                       .replays = &replay};
  cr_assert_eq(qe__case_parse(text, &c), QE_OK, "%s", qe_last_error());
  return qe__conform_case(kernel, &c, &options, r);
}

Test(replay, the_patterns_own_data_passes) {
  for (uint32_t i = 0; i < 4; i++) {
    qe__case_result r;
    write_pattern(i / 2, i % 2 != 0);
    cr_assert_eq(run(GEMM, i / 2, &r), QE_OK, "%s", qe_last_error());
    cr_assert_eq((int)r.verdict, (int)QE__PASS, "%s\n%s", qe__verdict_name(r.verdict), r.detail);
    cr_assert_eq(r.level, (uint32_t)QE_EXACT_E0, "level %u", r.level);
    cr_assert_eq(r.elements, 20, "%lld elements", (long long)r.elements);
  }
}

Test(replay, the_file_takes_the_place_of_the_pattern) {
  uint8_t data[24];
  qe__built b;
  const qe_conform_replay_t replay = {0, path};
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(7 * i + 3);
  write_file(QE_UINT8, 2, (int64_t[]){4, 6}, data);
  describe(GEMM, &b);
  cr_assert_eq(qe__replay_load(&b, 1, &replay), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__case_fill(&b), QE_OK, "%s", qe_last_error());
  cr_assert_arr_eq(b.in[0].data->data, data, sizeof data);
  cr_assert_not_null(b.in[1].data);
  qe__built_free(&b);
}

static void expect_refused(const char *text, uint32_t input, qe_status_t status, const char *const parts[3]) {
  qe__case_result r;
  const qe_status_t got = run(text, input, &r);
  cr_assert_eq((int)got, (int)status, "%d, expected %d: %s", (int)got, (int)status, qe_last_error());
  for (int i = 0; i < 3; i++)
    cr_assert_not_null(strstr(qe_last_error(), parts[i]), "no '%s' in: %s", parts[i], qe_last_error());
}

Test(replay, what_does_not_fit_is_refused_by_name) {
  static const uint8_t zeros[64];
  write_file(QE_INT8, 2, (int64_t[]){4, 6}, zeros);
  expect_refused(GEMM, 0, QE_ERROR_DTYPE, (const char *const[]){"input 0", "holds int8", "is uint8"});
  write_file(QE_UINT8, 1, (int64_t[]){23}, zeros);
  expect_refused(GEMM, 0, QE_ERROR_SHAPE, (const char *const[]){path, "23 elements", "has 24"});
  write_file(QE_UINT8, 2, (int64_t[]){6, 4}, zeros);
  expect_refused(GEMM, 0, QE_ERROR_SHAPE, (const char *const[]){"input 0", "[6,4]", "[4,6]"});
  expect_refused(GEMM, 7, QE_ERROR_INVALID_ARGUMENT, (const char *const[]){"input 7", path, "no such input"});
}

Test(replay, indices_stay_in_range) {
  qe__built b;
  const qe_conform_replay_t replay = {1, path};
  write_file(QE_INT64, 1, (int64_t[]){3}, (int64_t[]){0, 5, 4});
  describe("Gather:f32s64/x=5x2/y=3/axis=0", &b);
  cr_assert_eq((int)qe__replay_load(&b, 1, &replay), (int)QE_ERROR_INVALID_ARGUMENT);
  cr_assert_not_null(strstr(qe_last_error(), "element 1 is 5"), "%s", qe_last_error());
  qe__built_free(&b);
}

Test(replay, options_that_make_no_sense) {
  const qe_conform_replay_t twice[] = {{1, "a.npy"}, {1, "b.npy"}}, far = {99, "a.npy"}, nameless = {0, ""};
  const char *const cases[] = {GEMM};
  const qe_conform_options_t good = {.n_cases = 1, .cases = cases, .n_replays = 1, .replays = twice};
  cr_assert_eq(qe__replay_check(&good), QE_OK, "%s", qe_last_error());
  qe_conform_options_t bad[6] = {good, good, good, good, good, good};
  bad[0].n_cases = 0;
  bad[1].minimize = 1;
  bad[2].perf = 1;
  bad[3].n_replays = 2;
  bad[4].replays = &far;
  bad[5].replays = &nameless;
  for (int i = 0; i < 6; i++)
    cr_assert_eq((int)qe__replay_check(&bad[i]), (int)QE_ERROR_INVALID_ARGUMENT, "options %d are accepted", i);
}

Test(replay, arguments_are_quoted) {
  const qe_conform_replay_t two[] = {{0, "a b.npy"}, {12, "it's.npy"}};
  char *text = qe__replay_text(2, two);
  cr_assert_str_eq(text, " --replay '0=a b.npy' --replay '12=it'\\''s.npy'");
  qe__free(text);
}
