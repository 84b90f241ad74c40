/* Ops of training graphs. */
#include <criterion/criterion.h>
#include <math.h>

#include "infer_case.h"

Test(registry_train, normalizations) {
  static const infer_case cases[] = {
    {"BatchNormTrain", "f32[2,3,4,4] f32[3] f32[3]", "", "f32[2,3,4,4] f32[3] f32[3]"},
    {"BatchNormTrain", "f32[2,3] f32[3] f32[3] f32[3]", "epsilon=0.0", "f32[2,3] f32[3] f32[3]"},
    {"BatchNormTrain", "f32[0,3,4] f32[3] f32[3]", "", "f32[0,3,4] f32[3] f32[3]"},
    {"BatchNormTrain", "f32[2,3,4] f32[3] f32[4]", "", "! input 2 (channels) has shape [4]; [3] was expected"},
    {"BatchNormTrain", "f32[2,3,4] f32[3] f32[3] f32[1]", "", "! input 3 (channels) has shape [1]"},
    {"BatchNormTrain", "f32[3] f32[3] f32[3]", "", "! rank 2 to 8"},
    {"BatchNormTrain", "f64[2,3] f32[3] f32[3]", "", "! input 0 is float64"},
    {"BatchNormTrain", "f32[2,3] f32[3] f32[3]", "epsilon=-1.0", "! epsilon"},
    {"BatchNormGrad", "f32[2,3,4] f32[2,3,4] f32[3] f32[3] f32[3]", "", "f32[2,3,4] f32[3] f32[3]"},
    {"BatchNormGrad", "f32[2,3,4] f32[2,3,4] f32[3] f32[3] f32[3] f32[3]", "", "f32[2,3,4] f32[3] f32[3] f32[3]"},
    {"BatchNormGrad", "f32[2,3,4] f32[2,3,4] f32[3] f32[3] f32[3] f32[3]", "", "f32[2,3,4]"},
    {"BatchNormGrad", "f32[2,3,4] f32[2,3,5] f32[3] f32[3] f32[3]", "", "! input 1 has shape [2,3,5]; that of input 0, [2,3,4]"},
    {"BatchNormGrad", "f32[2,3,4] f32[2,3,4] f32[3] f32[3] f32[2]", "", "! input 4 (channels) has shape [2]"},
    {"LayerNormGrad", "f32[2,3,4] f32[2,3,4] f32[4]", "", "f32[2,3,4] f32[4] f32[4]"},
    {"LayerNormGrad", "f32[2,3,4] f32[2,3,4] f32[3,4]", "axis=1", "f32[2,3,4] f32[3,4] f32[3,4]"},
    {"LayerNormGrad", "f32[2,3,4] f32[2,3,4] f32[4]", "", "f32[2,3,4]"},
    {"LayerNormGrad", "f32[2,3,4] f32[2,3,4] f32[1,4]", "axis=1", "! the dimensions of the input from 1 on"},
    {"LayerNormGrad", "f32[2,3,4] f32[2,3,4] f32[4]", "axis=3", "! attribute 'axis' is 3"},
    {"LayerNormGrad", "f32[] f32[] f32[]", "", "! rank 1 to 8"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"LayerNormGrad", "f32[2,3,4] f32[2,3,4] f32[3,4]", "axis=-2 epsilon=0.5", "f32[2,3,4]"});
  cr_assert_eq(r.params.axis, 1);
  cr_assert_eq(r.params.epsilon, 0.5f);
  infer_free(&r);
  run_case(&r, &(infer_case){"BatchNormTrain", "f32[2,3] f32[3] f32[3]", "", "f32[2,3] f32[3] f32[3]"});
  cr_assert_eq(r.params.epsilon, 1e-5f);
  infer_free(&r);
}

Test(registry_train, windows) {
  static const infer_case cases[] = {
    {"ConvWeightGrad", "f32[1,4,6,6] f32[1,3,8,8]", "kernel_shape=[3,3]", "f32[4,3,3,3]"},
    {"ConvWeightGrad", "f32[2,4,4,4] f32[2,6,8,8]", "kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2] group=2", "f32[4,3,3,3]"},
    {"ConvWeightGrad", "f32[2,6,4,4] f32[2,6,8,8]", "kernel_shape=[3,3] dilations=[2,2] group=6", "f32[6,1,3,3]"},
    {"ConvWeightGrad", "f32[0,4,5] f32[0,3,5]", "kernel_shape=[1]", "f32[4,3,1]"},
    {"ConvWeightGrad", "f32[1,4,6,6] f32[1,3,8,8]", "", "! 'kernel_shape' is missing"},
    {"ConvWeightGrad", "f32[1,4,6,6] f32[1,3,8,8]", "kernel_shape=[3]", "! attribute 'kernel_shape' has 1 entries; 2 were expected"},
    {"ConvWeightGrad", "f32[1,4,6,5] f32[1,3,8,8]", "kernel_shape=[3,3]", "! the shape of the output that it is the gradient of"},
    {"ConvWeightGrad", "f32[2,4,6,6] f32[1,3,8,8]", "kernel_shape=[3,3]", "! the shape of the output that it is the gradient of"},
    {"ConvWeightGrad", "f32[1,4,6] f32[1,3,8,8]", "kernel_shape=[3,3]", "! the shape of the output that it is the gradient of"},
    {"ConvWeightGrad", "f32[1,4,6,6] f32[1,3,8,8]", "kernel_shape=[3,3] group=2", "! attribute 'group' is 2"},
    {"ConvWeightGrad", "f32[1,4,6,6] f32[1,3,8,8]", "kernel_shape=[9,9]", "! the kernel covers 9"},
    {"ConvWeightGrad", "f32[1,4] f32[1,3]", "kernel_shape=[]", "! rank 3 to 5"},
    {"MaxPoolGrad", "f32[1,3,2,3] f32[1,3,4,6]", "kernel_shape=[2,2] strides=[2,2]", "f32[1,3,4,6]"},
    {"MaxPoolGrad", "f32[1,3,3] f32[1,3,5]", "kernel_shape=[2] strides=[2] ceil_mode=1", "f32[1,3,5]"},
    {"MaxPoolGrad", "f32[1,3,3] f32[1,3,5]", "kernel_shape=[2] strides=[2]", "! the shape of the output"},
    {"MaxPoolGrad", "f32[1,3,2] u8[1,3,4]", "kernel_shape=[2] strides=[2]", "! input 1 is uint8"},
    {"MaxPoolGrad", "f32[1,3,2] f32[1,3,4]", "strides=[2]", "! 'kernel_shape' is missing"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] strides=[2,2] shape=[1,3,4,6]", "f32[1,3,4,6]"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] strides=[2,2] shape=[1,3,5,7]", "f32[1,3,5,7]"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] strides=[2,2]", "! 'shape' is missing"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] shape=[1,3,4,6]", "! the shape of the output"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] strides=[2,2] shape=[1,2,4,6]", "! the shape of the output"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] strides=[2,2] shape=[1,3,4]", "! attribute 'shape' has 3 entries"},
    {"AveragePoolGrad", "f32[1,3,2,3]", "kernel_shape=[2,2] strides=[2,2] shape=[1,3,-4,6]", "! nothing would be left"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"ConvWeightGrad", "f32[1,4,8,8] f32[1,2,8,8]", "kernel_shape=[3,4] auto_pad='SAME_UPPER' group=2", "f32[4,1,3,4]"});
  cr_assert_eq(r.params.spatial, 2);
  cr_assert_eq(r.params.groups, 2);
  cr_assert_eq(r.params.kernel[1], 4);
  cr_assert_eq(r.params.pad_begin[1], 1);
  cr_assert_eq(r.params.pad_end[1], 2);
  infer_free(&r);
  run_case(&r, &(infer_case){"AveragePoolGrad", "f32[1,3,2]", "kernel_shape=[2] strides=[2] count_include_pad=1 shape=[1,3,4]", "f32[1,3,4]"});
  cr_assert_eq(r.params.count_include_pad, 1u);
  cr_assert_eq(r.params.stride[0], 2);
  infer_free(&r);
}

Test(registry_train, elements_and_rows) {
  static const infer_case cases[] = {
    {"ClipGrad", "f32[2,3] f32[2,3]", "min=0.0", "f32[2,3]"},
    {"ClipGrad", "f32[2,3] f32[3]", "", "! input 1 has shape [3]"},
    {"ClipGrad", "f32[2,3] f64[2,3]", "", "! input 1 is float64"},
    {"GatherGrad", "f32[5,3] i64[5]", "shape=[7,3]", "f32[7,3]"},
    {"GatherGrad", "f32[2,5,6,3] i32[5,6]", "shape=[2,7,3] axis=1", "f32[2,7,3]"},
    {"GatherGrad", "f32[2] i64[]", "shape=[2,7] axis=-1", "f32[2,7]"},
    {"GatherGrad", "f32[0,3] i64[0]", "shape=[7,3]", "f32[7,3]"},
    {"GatherGrad", "f32[5,3] i64[5]", "", "! 'shape' is missing"},
    {"GatherGrad", "f32[5,3] i64[4]", "shape=[7,3]", "! the shape of what Gather gives"},
    {"GatherGrad", "f32[5,3] i64[5]", "shape=[7,4]", "! the shape of what Gather gives"},
    {"GatherGrad", "f32[5,3] i64[5]", "shape=[7,3] axis=2", "! attribute 'axis' is 2"},
    {"GatherGrad", "f32[5,3] i64[5]", "shape=[-7,3]", "! output 0"},
    {"GatherGrad", "f32[5,3] f32[5]", "shape=[7,3]", "! input 1 is float32"},
    {"SoftmaxCrossEntropy", "f32[4,10] i64[4]", "", "f32[]"},
    {"SoftmaxCrossEntropy", "f32[2,3,10] i64[2,3]", "ignore_index=-100 label_smoothing=0.5", "f32[]"},
    {"SoftmaxCrossEntropy", "f32[0,10] i64[0]", "", "f32[]"},
    {"SoftmaxCrossEntropy", "f32[4,10] i64[5]", "", "! labels have shape [5]"},
    {"SoftmaxCrossEntropy", "f32[4,10] i64[4,10]", "", "! labels have shape [4,10]"},
    {"SoftmaxCrossEntropy", "f32[4,0] i64[4]", "", "! of the logits [4,0]"},
    {"SoftmaxCrossEntropy", "f32[4,10] i32[4]", "", "! input 1 is int32"},
    {"SoftmaxCrossEntropy", "f32[10] i64[]", "", "! rank 2 to 8"},
    {"SoftmaxCrossEntropy", "f32[4,10] i64[4]", "label_smoothing=1.0", "! attribute 'label_smoothing' is 1"},
    {"SoftmaxCrossEntropyGrad", "f32[] f32[4,10] i64[4]", "", "f32[4,10]"},
    {"SoftmaxCrossEntropyGrad", "f32[1] f32[4,10] i64[4]", "", "! rank 0 was expected"},
    {"SoftmaxCrossEntropyGrad", "f32[] f32[4,10] i64[3]", "", "! labels have shape [3]"},
    {"RandomDropout", "f32[2,3] i64[2]", "ratio=0.25 stream=3", "f32[2,3]"},
    {"RandomDropout", "f32[2,3] i64[3]", "", "! input 1 (key) has shape [3]; [2] was expected"},
    {"RandomDropout", "f32[2,3] f32[2]", "", "! input 1 is float32"},
    {"RandomDropout", "f32[2,3] i64[2]", "ratio=1.0", "! attribute 'ratio' is 1"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"SoftmaxCrossEntropy", "f32[4,3] i64[4]", "label_smoothing=0.25", "f32[]"});
  cr_assert_eq(r.params.alpha, 0.25f);
  cr_assert_eq(r.params.mode, 0u);
  infer_free(&r);
  run_case(&r, &(infer_case){"SoftmaxCrossEntropyGrad", "f32[] f32[4,3] i64[4]", "ignore_index=-1", "f32[4,3]"});
  cr_assert_eq(r.params.alpha, 0.0f);
  cr_assert_eq(r.params.mode, 1u);
  cr_assert_eq(r.params.starts[0], -1);
  infer_free(&r);
  run_case(&r, &(infer_case){"ClipGrad", "f32[2] f32[2]", "max=6.0", "f32[2]"});
  cr_assert_eq(r.params.clip_lo, -INFINITY);
  cr_assert_eq(r.params.clip_hi, 6.0f);
  infer_free(&r);
  run_case(&r, &(infer_case){"RandomDropout", "f32[2] i64[2]", "ratio=0.25 stream=3", "f32[2]"});
  cr_assert_eq(r.params.alpha, 0.25f);
  cr_assert_eq(r.params.starts[0], 3);
  infer_free(&r);
}

Test(registry_train, fake_quantization) {
  static const infer_case cases[] = {
    {"FakeQuantize", "f32[2,3] f32[1] f32[1]", "", "f32[2,3]"},
    {"FakeQuantize", "f32[2,3] f32[3] f32[3]", "axis=1 quant_min=-127 quant_max=127", "f32[2,3]"},
    {"FakeQuantize", "f32[] f32[1] f32[1]", "", "f32[]"},
    {"FakeQuantize", "f32[2,3] f32[2] f32[2]", "axis=1", "! input 1 (scale) has shape [2]; [3] was expected"},
    {"FakeQuantize", "f32[2,3] f32[3] f32[1]", "axis=1", "! input 2 (zero_point) has shape [1]; [3] was expected"},
    {"FakeQuantize", "f32[2,3] f32[] f32[1]", "", "! input 1 (scale)"},
    {"FakeQuantize", "f32[2,3] f32[1] i32[1]", "", "! input 2 is int32"},
    {"FakeQuantize", "f32[2,3] f32[1] f32[1]", "axis=2", "! attribute 'axis' is 2; -1 to 1 was expected"},
    {"FakeQuantize", "f32[2,3] f32[1] f32[1]", "quant_min=5 quant_max=5", "! are no range"},
    {"FakeQuantize", "f32[2,3] f32[1] f32[1]", "quant_min=0 quant_max=65536", "! are no range"},
    {"FakeQuantizeGrad", "f32[2,3] f32[2,3] f32[3] f32[3]", "axis=1", "f32[2,3] f32[3] f32[3]"},
    {"FakeQuantizeGrad", "f32[2,3] f32[2,3] f32[1] f32[1]", "", "f32[2,3]"},
    {"FakeQuantizeGrad", "f32[2,4] f32[2,3] f32[1] f32[1]", "", "! input 0 has shape [2,4]; that of input 1, [2,3]"},
    {"MinMax", "f32[2,3]", "", "f32[2,1]"},
    {"MinMax", "f32[2,3]", "axis=1", "f32[2,3]"},
    {"MinMax", "f32[0]", "", "f32[2,1]"},
    {"MinMax", "f32[2,3]", "axis=-2", "! attribute 'axis' is -2; -1 to 1 was expected"},
    {"MinMax", "i32[2,3]", "", "! input 0 is int32"},
    {"MovingAverageQParams", "f32[2,3] f32[2,3]", "quant_min=7 quant_max=7", "! quant_min 7 and quant_max 7 are no range"},
    {"MovingAverageQParams", "f32[2,3] f32[2,3]", "averaging_constant=0.5", "f32[2,3] f32[3] f32[3]"},
    {"MovingAverageQParams", "f32[2,3] f32[2,1]", "", "! input 1 has shape [2,1]"},
    {"MovingAverageQParams", "f32[3,2] f32[3,2]", "", "! input 0 has 3 rows; 2, minima and maxima"},
    {"MovingAverageQParams", "f32[2] f32[2]", "", "! rank 2 was expected"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"FakeQuantizeGrad", "f32[4] f32[4] f32[1] f32[1]", "quant_min=-8 quant_max=7 grad_factor=0.5", "f32[4]"});
  cr_assert_eq(r.params.axis, -1);
  cr_assert_eq(r.params.starts[0], -8);
  cr_assert_eq(r.params.starts[1], 7);
  cr_assert_eq(r.params.alpha, 0.5f);
  infer_free(&r);
  run_case(&r, &(infer_case){"MovingAverageQParams", "f32[2,1] f32[2,1]", "symmetric=1 zero_point=128", "f32[2,1] f32[1] f32[1]"});
  cr_assert_eq(r.params.mode, 1u);
  cr_assert_eq(r.params.starts[0], 0);
  cr_assert_eq(r.params.starts[1], 255);
  cr_assert_eq(r.params.starts[2], 128);
  cr_assert_eq(r.params.alpha, 1.0f);
  cr_assert_eq(r.params.epsilon, 0x1p-23f);
  infer_free(&r);
}

Test(registry_train, optimizers) {
  static const infer_case cases[] = {
    {"SgdUpdate", "f32[2,3] f32[2,3] f32[2,3] f32[4]", "", "f32[2,3] f32[2,3]"},
    {"SgdUpdate", "f32[2,3] f32[2,3] f32[3,2] f32[4]", "", "! input 2 has shape [3,2]"},
    {"SgdUpdate", "f32[2,3] f32[2,3] f32[2,3] f32[3]", "", "! input 3 (hyperparameters) has shape [3]; [4] was expected"},
    {"AdamUpdate", "f32[2,3] f32[2,3] f32[2,3] f32[2,3] f32[8]", "", "f32[2,3] f32[2,3] f32[2,3]"},
    {"AdamUpdate", "f32[2,3] f32[2,3] f32[2,3] f32[2] f32[8]", "", "! input 3 has shape [2]"},
    {"AdamUpdate", "f32[2,3] f32[2,3] f32[2,3] f32[2,3] f32[4]", "", "! input 4 (hyperparameters) has shape [4]"},
    {"AdamUpdate", "f32[] f32[] f32[] f32[] f32[8]", "", "f32[] f32[] f32[]"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"SgdUpdate", "f32[2] f32[2] f32[2] f32[4]", "nesterov=1", "f32[2] f32[2]"});
  cr_assert_eq(r.params.mode, 1u);
  infer_free(&r);
}
