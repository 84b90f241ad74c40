/* Blobs of packed weights: only one that is whole and meant for this very step is read. */
#include "engine/live.h"
#include "runtime/plan.h"

static const qe__kernel *relu_kernel(const char *build, const char *name) {
  const qe__engine *engine = live_load(build, name);
  const qe__kernel *kernel = NULL;
  const qe_kernel_key key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32};
  cr_assert_eq(qe__engine_kernels(engine, &key, 1, &kernel), 1);
  return kernel;
}

typedef struct problem {
  qe_operand x, y;
  const qe_operand *in[1], *out[1];
  qe_op_params params;
  qe_problem problem;
  float scale;
  int32_t zero_point;
  float data[8];
} problem;

static void problem_make(problem *p, int64_t n) {
  memset(p, 0, sizeof *p);
  p->x = (qe_operand){
      .struct_size = sizeof p->x, .dtype = QE_DT_F32, .rank = 1, .dims = {n}, .strides = {1}, .count = n, .q_axis = -1};
  p->y = p->x;
  p->in[0] = &p->x;
  p->out[0] = &p->y;
  p->params.struct_size = sizeof p->params;
  p->problem = (qe_problem){.struct_size = sizeof p->problem,
                            .n_in = 1,
                            .n_out = 1,
                            .act_lo = -INFINITY,
                            .act_hi = INFINITY,
                            .op = "Relu",
                            .in = p->in,
                            .out = p->out,
                            .params = &p->params};
}

static void expect(const void *blob, size_t size, const qe__pack_header *header, qe_status_t status, const char *text) {
  const qe_status_t got = qe__pack_check(blob, size, header);
  cr_assert_eq(got, status, "%s: %s", qe_status_text(got), qe_last_error());
  cr_assert(strstr(qe_last_error(), text), "'%s' lacks '%s'", qe_last_error(), text);
  cr_assert(strstr(qe_last_error(), "pack them again"), "%s", qe_last_error());
}

Test(pack, damaged_and_cut_blobs_are_refused) {
  const qe__kernel *kernel = relu_kernel("GOOD", "live");
  problem p;
  qe__pack_header header;
  qe__pack_cache cache = {0};
  const qe__pack *pack, *again;
  problem_make(&p, 5);
  qe__pack_expect(kernel, &p.problem, 64, &header);
  cr_assert_eq(qe__pack_get(&cache, 3, kernel, &p.problem, &header, &pack), QE_OK, "%s", qe_last_error());
  cr_assert_eq((uintptr_t)qe__pack_data(pack) % 4096, 0);
  cr_assert_eq(cache.bytes, 64);
  cr_assert_eq(pack->blob_size, sizeof header + 64);
  cr_assert_eq(qe__pack_check(pack->blob, pack->blob_size, &header), QE_OK);
  unsigned char *bytes = pack->blob;
  for (size_t i = 0; i < sizeof header; i++) {
    for (int bit = 0; bit < 8; bit++) {
      bytes[i] ^= (unsigned char)(1 << bit);
      cr_assert_eq(qe__pack_check(bytes, pack->blob_size, &header), QE_ERROR_FORMAT, "byte %zu bit %d", i, bit);
      bytes[i] ^= (unsigned char)(1 << bit);
    }
  }
  for (size_t size = 0; size < pack->blob_size; size++)
    expect(bytes, size, &header, QE_ERROR_FORMAT, "packed weights are cut");
  bytes[0] ^= 1;
  expect(bytes, pack->blob_size, &header, QE_ERROR_FORMAT, "do not start with a header");
  /* A damaged one in the cache is not taken, a whole one is not packed twice. */
  cr_assert_eq(qe__pack_get(&cache, 3, kernel, &p.problem, &header, &again), QE_OK);
  cr_assert_neq(again, pack);
  cr_assert_eq(qe__pack_get(&cache, 3, kernel, &p.problem, &header, &pack), QE_OK);
  cr_assert_eq(again, pack);
  cr_assert_eq(cache.count, 2);
  qe__pack_cache_free(&cache);
}

static void expect_other(const qe__kernel *kernel, const problem *mine, uint64_t size, const qe__pack_header *header,
                         const char *text) {
  qe__pack_header other;
  qe__pack_expect(kernel, &mine->problem, size, &other);
  unsigned char blob[sizeof other + 64] = {0};
  memcpy(blob, &other, sizeof other);
  expect(blob, sizeof blob, header, QE_ERROR_ENGINE, text);
}

Test(pack, a_blob_of_something_else_is_refused) {
  const qe__kernel *kernel = relu_kernel("GOOD", "live"), *second = relu_kernel("SECOND", "live_second");
  problem p, q;
  qe__pack_header header, same;
  problem_make(&p, 5);
  problem_make(&q, 6);
  qe__pack_expect(kernel, &p.problem, 64, &header);
  qe__pack_expect(kernel, &q.problem, 64, &same);
  cr_assert_eq(memcmp(&header, &same, sizeof header), 0, "the size of an input that is no constant counts");
  expect_other(second, &p, 64, &header, "packed weights are those of engine 'live_second', not of 'live'");
  qe__kernel changed = *kernel;
  changed.row.name = "relu_f32__other";
  expect_other(&changed, &p, 64, &header,
               "are those of kernel relu_f32__other, not of relu_f32__live of engine 'live'");
  qe__engine newer = *kernel->engine;
  newer.version = (char[]){"2.1"};
  changed = *kernel;
  changed.engine = &newer;
  expect_other(&changed, &p, 64, &header, "written by version 2.1 of engine 'live', which now is 2.0");
  expect_other(kernel, &p, 48, &header, "are 48 bytes, expected 64");
  problem_make(&q, 5);
  q.problem.act_lo = 0.0f;
  expect_other(kernel, &q, 64, &header, "belong to another problem");
  problem_make(&q, 5);
  q.params.alpha = 1.0f;
  expect_other(kernel, &q, 64, &header, "belong to another problem");
  problem_make(&q, 5);
  q.scale = 0.5f;
  q.x.q_count = 1;
  q.x.scales = &q.scale;
  q.x.zero_points = &q.zero_point;
  expect_other(kernel, &q, 64, &header, "belong to another problem");
  problem_make(&q, 5);
  q.x.data = q.data;
  problem r = q;
  r.in[0] = &r.x;
  r.out[0] = &r.y;
  r.problem.in = r.in;
  r.problem.out = r.out;
  r.problem.params = &r.params;
  r.data[4] = 1.0f;
  r.x.data = r.data;
  qe__pack_expect(kernel, &q.problem, 64, &header);
  expect_other(kernel, &r, 64, &header, "belong to another problem");
}

Test(pack, a_step_does_not_run_on_it) {
  const qe__kernel *kernel = relu_kernel("GOOD", "live");
  problem p;
  qe__pack_cache cache = {0};
  qe__plan plan = {0};
  _Alignas(4096) char scratch[4096];
  float x[5] = {-1, 2, -3, 4, -5}, y[5];
  const void *in[] = {x};
  void *out[] = {y};
  problem_make(&p, 5);
  qe__step step = {.kernel = kernel, .problem = p.problem, .params = p.params};
  cr_assert_eq(qe__step_prepare(&plan, &step, &cache, "n"), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__step_execute(&step, NULL, in, out, scratch, 0, "n"), QE_OK, "%s", qe_last_error());
  cr_assert(y[0] == 0.0f && y[1] == 2.0f && y[4] == 0.0f);
  y[1] = 77.0f;
  ((unsigned char *)step.pack->blob)[40] ^= 4;
  cr_assert_eq(qe__step_execute(&step, NULL, in, out, scratch, 0, "n"), QE_ERROR_FORMAT);
  cr_assert(strstr(qe_last_error(), "node 'n': packed weights have a damaged header"), "%s", qe_last_error());
  cr_assert(y[1] == 77.0f, "it ran");
  qe__pack_cache_free(&cache);
}
