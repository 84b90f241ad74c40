/*
 * What the way from the API to a kernel costs: one Relu of a few numbers, called directly, as a step of a plan, and as
 * a session's run. dispatch [ENGINE]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qengine.h"
#include "rounds.h"
#include "runtime/plan.h"

enum { MOST = 1 << 16 };
static const double SECONDS = 0.04; /* for each way and count */

typedef struct bench {
  qe__step step;
  qe_operand x, y;
  const qe_operand *in[1], *out[1];
  const void *in_data[1];
  void *out_data[1];
  qe_call call;
  qe__plan plan;
  qe__pack_cache packs;
  void *scratch;
  qe_session_t *session;
  qe_tensor_t *tensor;
} bench;

static void check(qe_status_t status) {
  if (status == QE_OK) return;
  fprintf(stderr, "dispatch: %s\n", qe_last_error());
  exit(1);
}

static int direct(void *state) {
  const bench *b = state;
  return b->step.kernel->row.run(b->step.kernel->engine->self, &b->call, 0, b->step.sizes.tiles);
}

static int step(void *state) {
  const bench *b = state;
  return qe__step_execute(&b->step, NULL, b->in_data, b->out_data, b->scratch, 0, "relu") == QE_OK ? 0 : -1;
}

static int session(void *state) {
  const bench *b = state;
  qe_named_tensor_t in = {NULL, b->tensor}, out = {NULL, NULL};
  const qe_status_t status = qe_session_run(b->session, 1, &in, 1, &out);
  qe_tensor_release(&out.tensor);
  return status == QE_OK ? 0 : -1;
}

static void open_session(bench *b, const char *engine, int64_t count) {
  const qe_session_options_t options = {.struct_size = sizeof options, .engine = engine, .threads = 1};
  qe_model_t *m = NULL;
  check(qe_model_create("bench", &m));
  qe_output(m, "y", qe_relu(m, "relu", qe_input(m, "x", QE_FLOAT32, 1, &count)));
  check(qe_model_finish(m));
  check(qe_session_create(m, &options, &b->session));
  check(qe_tensor_create(QE_FLOAT32, 1, &count, &b->tensor));
  memset(qe_tensor_data(b->tensor), 0, qe_tensor_bytes(b->tensor));
  qe_model_destroy(&m);
}

static void open_step(bench *b, const qe__engine *engine, int64_t count) {
  const qe_kernel_key key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32};
  qe__step *s = &b->step;
  if (qe__engine_kernels(engine, &key, 1, &s->kernel) == 0) {
    fprintf(stderr, "dispatch: engine '%s' has no Relu for float32\n", engine->name);
    exit(1);
  }
  b->x = (qe_operand){.struct_size = sizeof b->x,
                      .dtype = QE_DT_F32,
                      .rank = 1,
                      .dims = {count},
                      .strides = {1},
                      .count = count,
                      .q_axis = -1};
  b->y = b->x;
  b->in[0] = &b->x;
  b->out[0] = &b->y;
  b->in_data[0] = qe_tensor_const_data(b->tensor);
  b->out_data[0] = calloc((size_t)count, sizeof(float));
  s->params.struct_size = sizeof s->params;
  s->problem = (qe_problem){.struct_size = sizeof s->problem,
                            .n_in = 1,
                            .n_out = 1,
                            .act_lo = -INFINITY,
                            .act_hi = INFINITY,
                            .op = "Relu",
                            .in = b->in,
                            .out = b->out,
                            .params = &s->params};
  check(qe__step_prepare(&b->plan, s, &b->packs, "relu"));
  b->scratch = qe__alloc_aligned((size_t)s->sizes.scratch_size, QE__ALIGNMENT_MAX);
  b->call = (qe_call){.struct_size = sizeof b->call,
                      .problem = &s->problem,
                      .in = b->in_data,
                      .out = b->out_data,
                      .packed = s->pack ? qe__pack_data(s->pack) : NULL,
                      .scratch = b->scratch};
  if (!b->out_data[0] || !b->scratch) check(QE_ERROR_OUT_OF_MEMORY);
}

static void bench_close(bench *b) {
  qe__free_aligned(b->scratch);
  free(b->out_data[0]);
  qe__pack_cache_free(&b->packs);
  qe_tensor_release(&b->tensor);
  qe_session_destroy(&b->session);
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "reference";
  const qe__engine *engine;
  pin();
  check(qe__engine_resolve(name, &engine));
  if (!engine) return 2;
  printf("Relu of float32 on engine '%s', one thread; ns for one call (times a direct call)\n", engine->name);
  printf("%8s %10s %18s %20s\n", "numbers", "kernel", "step of a plan", "qe_session_run");
  for (int64_t count = 1; count <= MOST; count *= 16) {
    bench b = {0};
    open_session(&b, engine->name, count);
    open_step(&b, engine, count);
    contender c[] = {{.name = "kernel", .state = &b, .call = direct},
                     {.name = "step of a plan", .state = &b, .call = step},
                     {.name = "qe_session_run", .state = &b, .call = session}};
    enum { WAYS = sizeof c / sizeof c[0] };
    run_rounds(c, WAYS, SECONDS);
    bench_close(&b);
    for (size_t w = 0; w < WAYS; w++) {
      if (!c[w].detail[0]) continue;
      fprintf(stderr, "dispatch: %s: %s\n", c[w].name, c[w].detail);
      return 1;
    }
    printf("%8lld %10.1f %10.1f (%5.2f) %12.1f (%5.2f)\n", (long long)count, c[0].ns, c[1].ns, c[1].ns / c[0].ns,
           c[2].ns, c[2].ns / c[0].ns);
  }
  return 0;
}
