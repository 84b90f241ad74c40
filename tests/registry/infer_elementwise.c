/* Element by element ops: shapes, broadcasting, types, defaults of attributes. */
#include <criterion/criterion.h>
#include <math.h>

#include "infer_case.h"

Test(registry_elementwise, unary) {
  static const infer_case cases[] = {
    {"Relu", "f32[2,3]", "", "f32[2,3]"},
    {"Relu", "i32[0,3]", "", "i32[0,3]"},
    {"Relu", "bool[2]", "", "! takes float32"},
    {"Relu", "u8[2]", "", "! input 0 is uint8"},
    {"Relu", "u8[2]", "quantized=1", "u8[2]"},
    {"Sigmoid", "f32[]", "", "f32[]"},
    {"Sigmoid", "i32[1]", "", "! input 0 is int32"},
    {"Not", "bool[4]", "", "bool[4]"},
    {"Not", "f32[4]", "", "! takes bool"},
    {"Abs", "u8[4]", "", "u8[4]"},
    {"Identity", "bool[1,2,3,4,5,6,7,8]", "", "bool[1,2,3,4,5,6,7,8]"},
    {"Gelu", "f32[1]", "approximate='tanh'", "f32[1]"},
    {"Gelu", "f32[1]", "approximate='fast'", "! attribute 'approximate' is 'fast'; supported: none, tanh"},
    {"Celu", "f32[1]", "alpha=0.0", "! alpha"},
    {"LeakyRelu", "f32[1]", "alpha='x'", "! attribute 'alpha' is a string; a float was expected"},
    {"Sigmoid", "", "", "! it has 0 inputs"},
    {"Sigmoid", "-", "", "! input 0 is missing"},
    {"PRelu", "f32[2,3,4,4] f32[3,1,1]", "", "f32[2,3,4,4]"},
    {"PRelu", "f32[2,3,4,4] f32[3]", "", "! slope [3] does not broadcast"},
    {"PRelu", "f32[2,3] f32[1,2,3]", "", "! slope"},
  };
  CHECK_CASES(cases);
}

Test(registry_elementwise, defaults) {
  static const struct {
    infer_case c;
    float alpha, beta, gamma;
  } rows[] = {
    {{"LeakyRelu", "f32[1]", "", "f32[1]"}, 0.01f, 0, 0},
    {{"LeakyRelu", "f32[1]", "alpha=0.5", "f32[1]"}, 0.5f, 0, 0},
    {{"Elu", "f32[1]", "", "f32[1]"}, 1.0f, 0, 0},
    {{"Elu", "f32[1]", "alpha=2", "f32[1]"}, 2.0f, 0, 0},
    {{"Celu", "f32[1]", "", "f32[1]"}, 1.0f, 0, 0},
    {{"ThresholdedRelu", "f32[1]", "", "f32[1]"}, 1.0f, 0, 0},
    {{"Selu", "f32[1]", "", "f32[1]"}, 1.67326319217681884765625f, 0, 1.05070102214813232421875f},
    {{"HardSigmoid", "f32[1]", "", "f32[1]"}, 0.2f, 0.5f, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    infer_run r;
    run_case(&r, &rows[i].c);
    cr_assert_eq(r.params.alpha, rows[i].alpha, "%s: alpha %g, expected %g", rows[i].c.op, (double)r.params.alpha, (double)rows[i].alpha);
    cr_assert_eq(r.params.beta, rows[i].beta, "%s: beta %g, expected %g", rows[i].c.op, (double)r.params.beta, (double)rows[i].beta);
    cr_assert_eq(r.params.gamma, rows[i].gamma, "%s: gamma %g, expected %g", rows[i].c.op, (double)r.params.gamma, (double)rows[i].gamma);
    cr_assert_eq(r.params.struct_size, sizeof r.params);
    infer_free(&r);
  }
}

Test(registry_elementwise, clip) {
  static const infer_case cases[] = {
    {"Clip", "f32[2]", "", "f32[2]"},
    {"Clip", "f32[2] - f32[]=6", "", "f32[2]"},
    {"Clip", "f32[2] f32[]", "", "! depends on data: the value of input 1 (min)"},
    {"Clip", "f32[2] i64[]=0", "", "! input 1 is int64 but input 0 is float32"},
    {"Clip", "f32[2] f32[2]=0,1", "", "! a scalar was expected"},
    {"Clip", "f32[2] f32[]=nan", "", "! not a number"},
    {"Clip", "u8[2] f32[]=0.5", "quantized=1", "u8[2]"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"Clip", "f32[2] f32[]=-1.5", "", "f32[2]"});
  cr_assert_eq(r.params.clip_lo, -1.5f);
  cr_assert_eq(r.params.clip_hi, INFINITY);
  infer_free(&r);
  run_case(&r, &(infer_case){"Clip", "i64[2] i64[]=9007199254740993", "", "i64[2]"});
  cr_assert_eq(r.params.starts[0], INT64_C(9007199254740993));
  cr_assert_eq(r.params.starts[1], INT64_MAX);
  infer_free(&r);
}

Test(registry_elementwise, broadcasting) {
  static const infer_case cases[] = {
    {"Add", "f32[2,3] f32[3]", "", "f32[2,3]"},
    {"Add", "f32[2,1,4] f32[5,1]", "", "f32[2,5,4]"},
    {"Add", "f32[] f32[2,3]", "", "f32[2,3]"},
    {"Add", "f32[0,3] f32[1,3]", "", "f32[0,3]"},
    {"Add", "f32[0] f32[1]", "", "f32[0]"},
    {"Add", "f32[2] f32[3]", "", "! shapes [2] and [3] do not broadcast: dimension 0 is 2 and 3"},
    {"Add", "f32[0] f32[2]", "", "! do not broadcast"},
    {"Add", "f32[2] i32[2]", "", "! input 1 is int32 but input 0 is float32"},
    {"Add", "bool[2] bool[2]", "", "! input 0 is bool"},
    {"Add", "u8[2,3] i8[3]", "quantized=1", "u8[2,3]"},
    {"Max", "f32[2,3]", "", "f32[2,3]"},
    {"Max", "f32[2,3] f32[3] f32[2,1]", "", "f32[2,3]"},
    {"Max", "f32[2] - f32[2]", "", "! input 1 is missing"},
    {"Sum", "i32[2] i32[2]", "", "! input 0 is int32"},
    {"Pow", "f32[2] i32[]", "", "f32[2]"},
    {"Mod", "i32[2] i32[2]", "", "i32[2]"},
    {"Mod", "f32[2] f32[2]", "", "! fmod = 1"},
    {"Mod", "f32[2] f32[2]", "fmod=1", "f32[2]"},
    {"Equal", "bool[2] bool[1]", "", "bool[2]"},
    {"Less", "bool[2] bool[1]", "", "! input 0 is bool"},
    {"Less", "i64[2,2] i64[2]", "", "bool[2,2]"},
    {"And", "bool[2,2] bool[2]", "", "bool[2,2]"},
    {"And", "i64[2,2] bool[2]", "", "! takes bool"},
    {"Where", "bool[2,1] f32[3] f32[]", "", "f32[2,3]"},
    {"Where", "f32[2] f32[2] f32[2]", "", "! bool was expected"},
    {"Where", "bool[2] f32[2] i32[2]", "", "! float32 and int32"},
    {"Add", "f32[1,2,3,4,5,6,7,8] f32[8]", "", "f32[1,2,3,4,5,6,7,8]"},
  };
  CHECK_CASES(cases);
}

Test(registry_elementwise, sizes_that_overflow) {
  static const infer_case cases[] = {
    {"Add", "f32[4611686018427387904,1] f32[1,4]", "", "! more than memory can hold"},
    {"Add", "f32[9223372036854775807,2] f32[1]", "", "! input 0 has an impossible shape"},
    {"Expand", "f32[1] i64[2]=4294967296,4294967296", "", "! more than memory can hold"},
    {"Tile", "f32[4] i64[1]=9223372036854775807", "", "! a dimension overflows"},
    {"Flatten", "f32[0,9223372036854775807,3]", "axis=1", "! a dimension overflows"},
    {"Concat", "u8[9223372036854775807] u8[1]", "axis=0", "! a dimension overflows"},
  };
  CHECK_CASES(cases);
}
