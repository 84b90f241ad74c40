/*
 * A host of the next minor version and engines of this one: built, like the host's files that read a plugin's table,
 * against a header with more fields in every structure. newer_host PLUGIN...: loads each and computes with it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/load.h"

static int fail(const char *path, const char *what) {
  fprintf(stderr, "FAILED: %s: %s (%s)\n", path, what, qe_last_error());
  return 1;
}

static int compute(const char *path, const qe__kernel *k, int old) {
  enum { COUNT = 50 };
  float x[COUNT], y[COUNT];
  _Alignas(4096) static char packed[4096], scratch[4096];
  const void *in_data[] = {x};
  void *out_data[] = {y};
  for (int i = 0; i < COUNT; i++) x[i] = (float)(i % 7 - 3);
  const qe_operand o = {.struct_size = sizeof o,
                        .dtype = QE_DT_F32,
                        .rank = 1,
                        .dims = {COUNT},
                        .strides = {1},
                        .count = COUNT,
                        .q_axis = -1};
  const qe_operand *operands[] = {&o};
  const qe_op_params params = {.struct_size = sizeof params};
  const qe_problem p = {.struct_size = sizeof p,
                        .n_in = 1,
                        .n_out = 1,
                        .act_lo = -INFINITY,
                        .act_hi = INFINITY,
                        .op = "Relu",
                        .in = operands,
                        .out = operands,
                        .params = &params};
  qe_kernel_plan plan = {.struct_size = sizeof plan};
  char reason[100];
  void *self = k->engine->self;
  if (old && (k->row.appended_by_test[0] != 0 || k->engine->table.appended_by_test[0] != 0))
    return fail(path, "a field it does not have is not 0");
  if (!old && (k->row.appended_by_test[1] != 78 || k->engine->table.appended_by_test[1] != 78))
    return fail(path, "an appended field was not read");
  if (k->row.supports(self, &p, reason, sizeof reason) != 1) return fail(path, "supports says no");
  if (k->row.plan(self, &p, &plan) != 0 || plan.packed_size > sizeof packed || plan.scratch_size > sizeof scratch)
    return fail(path, "plan");
  if (k->row.prepack(self, &p, packed) != 0) return fail(path, "prepack");
  const qe_call call = {
      .struct_size = sizeof call, .problem = &p, .in = in_data, .out = out_data, .packed = packed, .scratch = scratch};
  if (k->row.run(self, &call, 0, plan.tiles) != 0) return fail(path, "run");
  for (int i = 0; i < COUNT; i++) {
    if (y[i] != (x[i] > 0.0f ? x[i] : 0.0f)) return fail(path, "wrong numbers");
  }
  return 0;
}

int main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    const qe__engine *engine;
    const qe__kernel *kernel;
    const qe_kernel_key key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32};
    if (qe__engine_load_file(argv[i], &engine) != QE_OK) {
      failed += fail(argv[i], "is not loaded");
      continue;
    }
    const int old = engine->table.abi_minor < QE_ABI_MINOR;
    printf("host %d.%d, engine '%s' %u.%u\n", QE_ABI_MAJOR, QE_ABI_MINOR, engine->name, engine->table.abi_major,
           engine->table.abi_minor);
    if (qe__engine_kernels(engine, &key, 1, &kernel) != 1)
      failed += fail(argv[i], "its kernel is not found");
    else
      failed += compute(argv[i], kernel, old);
    if (qe__engine_retire(engine) != QE_OK) failed += fail(argv[i], "is not retired");
  }
  return argc < 2 || failed > 0;
}
