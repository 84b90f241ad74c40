/* Convolution, pooling, matrix products. */
#include <criterion/criterion.h>

#include "infer_case.h"

Test(registry_spatial, conv) {
  static const infer_case cases[] = {
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "", "f32[1,4,6,6]"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3] f32[4]", "pads=[1,1,1,1] strides=[2,2]", "f32[1,4,4,4]"},
    {"Conv", "f32[1,3,8,9] f32[4,3,3,3]", "dilations=[2,3]", "f32[1,4,4,3]"},
    {"Conv", "f32[1,6,8] f32[4,3,3]", "group=2", "f32[1,4,6]"},
    {"Conv", "f32[1,2,4,5,6] f32[2,1,2,2,2]", "group=2", "f32[1,2,3,4,5]"},
    {"Conv", "f32[0,3,8,8] f32[4,3,1,1]", "", "f32[0,4,8,8]"},
    {"Conv", "f32[1,3,7,8] f32[4,3,3,3]", "auto_pad='SAME_UPPER' strides=[2,2]", "f32[1,4,4,4]"},
    {"Conv", "f32[1,3,7,8] f32[4,3,3,3]", "auto_pad='SAME_LOWER' strides=[2,2]", "f32[1,4,4,4]"},
    {"Conv", "f32[1,3,7,8] f32[4,3,3,3]", "auto_pad='VALID' pads=[9,9,9,9]", "f32[1,4,5,6]"},
    {"Conv", "f32[1,3,2,8] f32[4,3,3,3]", "", "! spatial dimension 0 is 2, padded 2; the kernel covers 3"},
    {"Conv", "f32[1,4,8,8] f32[4,3,3,3]", "", "! has 4 channels; weight [4,3,3,3] with group 1 takes 3"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "kernel_shape=[3,5]", "! kernel size 3 in spatial dimension 1; 5 was expected"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3] f32[3]", "", "! input 2 (bias) has shape [3]; [4] was expected"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "strides=[0,1]", "! attribute 'strides' holds 0"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "strides=[1]", "! attribute 'strides' has 1 entries; 2 were expected"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "pads=[-1,0,0,0]", "! negative"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "group=0", "! attribute 'group' is 0"},
    {"Conv", "f32[1,4,8,8] f32[3,2,3,3]", "group=2", "! multiple of the groups"},
    {"Conv", "f32[1,3] f32[4,3]", "", "! rank 3 to 5 was expected"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3]", "", "! input 1 has shape [4,3,3]; rank 4 was expected"},
    {"Conv", "i32[1,3,8,8] i32[4,3,3,3]", "", "! input 0 is int32"},
    {"Conv", "u8[1,3,8,8] i8[4,3,3,3] i32[4]", "quantized=1", "u8[1,4,6,6]"},
    {"Conv", "f32[1,3,8,8] f32[4,3,3,3]", "dilations=[9223372036854775807,1]", "! overflows"},
    {"ConvInteger", "u8[1,3,8,8] i8[4,3,3,3] u8[] i8[4]", "", "i32[1,4,6,6]"},
    {"ConvInteger", "u8[1,3,8,8] i8[4,3,3,3] i8[]", "", "! input 2 (zero point) is int8"},
    {"ConvInteger", "f32[1,3,8,8] i8[4,3,3,3]", "", "! input 0 is float32"},
  };
  CHECK_CASES(cases);
}

static void check_pads(const infer_case *c, int64_t b0, int64_t b1, int64_t e0, int64_t e1) {
  infer_run r;
  run_case(&r, c);
  const int64_t found[4] = {r.params.pad_begin[0], r.params.pad_begin[1], r.params.pad_end[0], r.params.pad_end[1]};
  const int64_t expected[4] = {b0, b1, e0, e1};
  for (size_t i = 0; i < 4; i++) {
    cr_assert_eq(found[i], expected[i], "%s %s: pad %zu is %lld, expected %lld", c->op, c->attributes, i, (long long)found[i], (long long)expected[i]);
  }
  cr_assert_eq(r.params.spatial, 2);
  infer_free(&r);
}

Test(registry_spatial, automatic_pads) {
  check_pads(&(infer_case){"Conv", "f32[1,3,8,8] f32[4,3,3,4]", "auto_pad='SAME_UPPER'", "f32[1,4,8,8]"}, 1, 1, 1, 2);
  check_pads(&(infer_case){"Conv", "f32[1,3,8,8] f32[4,3,3,4]", "auto_pad='SAME_LOWER'", "f32[1,4,8,8]"}, 1, 2, 1, 1);
  check_pads(&(infer_case){"Conv", "f32[1,3,8,8] f32[4,3,1,1]", "auto_pad='SAME_LOWER' strides=[3,3]", "f32[1,4,3,3]"}, 0, 0, 0, 0);
  check_pads(&(infer_case){"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,4]", "auto_pad='SAME_UPPER' strides=[2,2]", "f32[1,2,8,8]"}, 0, 1, 1, 1);
  check_pads(&(infer_case){"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,4]", "auto_pad='SAME_LOWER' strides=[2,2]", "f32[1,2,8,8]"}, 1, 1, 0, 1);
  check_pads(&(infer_case){"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,4]", "output_shape=[8,10] strides=[2,2]", "f32[1,2,8,10]"}, 1, 0, 0, 0);
  check_pads(&(infer_case){"MaxPool", "f32[1,3,5,6]", "kernel_shape=[2,3] auto_pad='SAME_UPPER' strides=[2,2]", "f32[1,3,3,3]"}, 0, 0, 1, 1);
}

Test(registry_spatial, conv_transpose) {
  static const infer_case cases[] = {
    {"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,3]", "", "f32[1,2,6,6]"},
    {"ConvTranspose", "f32[1,4,4,4] f32[4,2,3,3] f32[4]", "group=2 strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]", "f32[1,4,8,8]"},
    {"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,3]", "dilations=[2,2]", "f32[1,2,8,8]"},
    {"ConvTranspose", "f32[1,3,4] f32[3,2,3]", "output_shape=[1,2,7]", "f32[1,2,7]"},
    {"ConvTranspose", "f32[1,3,1,1] f32[3,2,2,2]", "pads=[1,1,1,1]", "! would be 0"},
    {"ConvTranspose", "f32[1,4,4,4] f32[3,2,3,3]", "", "! has 4 channels"},
    {"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,3]", "output_shape=[8]", "! output_shape"},
    {"ConvTranspose", "f32[1,3,4,4] f32[3,2,3,3]", "output_padding=[-1,0]", "! output_padding"},
    {"ConvTranspose", "u8[1,3,4,4] i8[3,2,3,3] i32[2]", "quantized=1", "u8[1,2,6,6]"},
  };
  CHECK_CASES(cases);
}

Test(registry_spatial, pools) {
  static const infer_case cases[] = {
    {"MaxPool", "f32[1,3,8,8]", "kernel_shape=[2,2] strides=[2,2]", "f32[1,3,4,4]"},
    {"MaxPool", "f32[1,3,8,8]", "kernel_shape=[2,2]", "f32[1,3,7,7]"},
    {"MaxPool", "f32[1,3,7,7]", "kernel_shape=[2,2] strides=[2,2] ceil_mode=1", "f32[1,3,4,4]"},
    {"MaxPool", "f32[1,3,7,7]", "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] ceil_mode=1", "f32[1,3,4,4]"},
    {"MaxPool", "f32[1,1,2,2]", "kernel_shape=[1,1] strides=[2,2] ceil_mode=1", "f32[1,1,1,1]"},
    {"MaxPool", "f32[1,1,2,3]", "kernel_shape=[1,1] strides=[4,4] ceil_mode=1", "f32[1,1,1,1]"},
    {"MaxPool", "f32[1,1,1,1]", "kernel_shape=[2,2] strides=[2,2] ceil_mode=1", "f32[1,1,1,1]"},
    {"MaxPool", "f32[1,1,1,1]", "kernel_shape=[2,2] strides=[2,2]", "! nothing would be left"},
    {"MaxPool", "u8[1,3,9]", "kernel_shape=[3] dilations=[2]", "u8[1,3,5]"},
    {"MaxPool", "i8[2,3,4,4,4]", "kernel_shape=[2,2,2]", "i8[2,3,3,3,3]"},
    {"MaxPool", "f32[1,3,8,8]", "", "! 'kernel_shape' is missing"},
    {"MaxPool", "f32[1,3,8,8]", "kernel_shape=[2,2] pads=[2,0,0,0]", "! a window would see padding only"},
    {"MaxPool", "i32[1,3,8,8]", "kernel_shape=[2,2]", "! input 0 is int32"},
    {"AveragePool", "f32[1,3,8,8]", "kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1", "f32[1,3,8,8]"},
    {"AveragePool", "u8[1,3,8,8]", "kernel_shape=[2,2]", "! input 0 is uint8"},
    {"AveragePool", "u8[1,3,8,8]", "kernel_shape=[2,2] quantized=1", "u8[1,3,7,7]"},
    {"GlobalAveragePool", "f32[2,3,4,5]", "", "f32[2,3,1,1]"},
    {"GlobalMaxPool", "i8[2,3,4]", "", "i8[2,3,1]"},
    {"GlobalAveragePool", "f32[2,3]", "", "! rank 3 to 8 was expected"},
    {"GlobalAveragePool", "f32[2,3,0,4]", "", "! dimension 2 is 0"},
  };
  CHECK_CASES(cases);
}

Test(registry_spatial, matrix_products) {
  static const infer_case cases[] = {
    {"Gemm", "f32[2,3] f32[3,4]", "", "f32[2,4]"},
    {"Gemm", "f32[3,2] f32[4,3] f32[4]", "transA=1 transB=1 alpha=0.5", "f32[2,4]"},
    {"Gemm", "f32[2,3] f32[3,4] f32[2,1]", "", "f32[2,4]"},
    {"Gemm", "f32[2,3] f32[3,4] f32[]", "", "f32[2,4]"},
    {"Gemm", "f32[0,3] f32[3,4]", "", "f32[0,4]"},
    {"Gemm", "f32[2,3] f32[4,3]", "", "! 3 and 4 elements would be multiplied"},
    {"Gemm", "f32[2,3] f32[3,4] f32[3]", "", "! does not broadcast to [2,4]"},
    {"Gemm", "f32[2,3,4] f32[4,5]", "", "! rank 2 was expected"},
    {"Gemm", "u8[2,3] i8[4,3] i32[4]", "transB=1 quantized=1", "u8[2,4]"},
    {"MatMul", "f32[2,3] f32[3,4]", "", "f32[2,4]"},
    {"MatMul", "f32[5,1,2,3] f32[6,3,4]", "", "f32[5,6,2,4]"},
    {"MatMul", "f32[3] f32[3,4]", "", "f32[4]"},
    {"MatMul", "f32[2,3] f32[3]", "", "f32[2]"},
    {"MatMul", "f32[3] f32[3]", "", "f32[]"},
    {"MatMul", "f32[7,2,3] f32[3,4] f32[4]", "", "f32[7,2,4]"},
    {"MatMul", "f32[7,2,3] f32[3,4] f32[3]", "", "! input 2 (bias)"},
    {"MatMul", "f32[2,3] f32[4,3]", "", "! do not fit"},
    {"MatMul", "f32[2,2,3] f32[3,3,4]", "", "! do not broadcast"},
    {"MatMul", "f32[] f32[3]", "", "! rank 1 to 8 was expected"},
    {"MatMul", "u8[2,3] i8[3,4]", "quantized=1", "u8[2,4]"},
    {"MatMulInteger", "u8[2,3] i8[3,4] u8[] i8[4]", "", "i32[2,4]"},
    {"MatMulInteger", "u8[2,3] i8[3,4] u8[2]", "", "i32[2,4]"},
    {"MatMulInteger", "u8[2,3] i8[3,4] u8[3]", "", "! zero points of the rows"},
    {"MatMulIntegerToFloat", "u8[5,2,3] i8[3,4] f32[] f32[4] u8[] i8[4] f32[4]", "", "f32[5,2,4]"},
    {"MatMulIntegerToFloat", "u8[2,3] i8[4,3] f32[1] f32[1]", "transB=1", "f32[2,4]"},
    {"MatMulIntegerToFloat", "u8[2,3] i8[4,3] f32[] f32[]", "", "! do not fit"},
    {"MatMulIntegerToFloat", "u8[2,3] i8[3,4] f32[2] f32[]", "", "! one element was expected"},
    {"MatMulIntegerToFloat", "u8[2,3] i8[3,4] f32[] f32[3]", "", "! scales of the columns"},
    {"MatMulIntegerToFloat", "u8[2,3] i8[3,4] f32[] f32[] u8[2]", "", "! zero points of the rows"},
    {"MatMulIntegerToFloat", "u8[2,3] i8[3,4] f32[] f32[] i8[]", "", "! the tensor it belongs to is uint8"},
  };
  CHECK_CASES(cases);
}
