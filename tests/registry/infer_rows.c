/* Normalizations, reductions, quantization, recurrent layers. */
#include <criterion/criterion.h>
#include <math.h>

#include "infer_case.h"

Test(registry_rows, normalizations) {
  static const infer_case cases[] = {
    {"BatchNormalization", "f32[2,3,4,4] f32[3] f32[3] f32[3] f32[3]", "", "f32[2,3,4,4]"},
    {"BatchNormalization", "f32[2,3] f32[3] f32[3] f32[3] f32[3]", "", "f32[2,3]"},
    {"BatchNormalization", "f32[2,3,4,4] f32[3] f32[4] f32[3] f32[3]", "", "! input 2 (bias) has shape [4]; [3] was expected"},
    {"BatchNormalization", "f32[2,3,4,4] f32[3] f32[3] f32[3] f32[3]", "training_mode=1", "! training_mode"},
    {"BatchNormalization", "f32[2,3,4,4] f32[3] f32[3] f32[3] f32[3]", "epsilon=-1.0", "! epsilon"},
    {"InstanceNormalization", "f32[2,3,4] f32[3] f32[3]", "", "f32[2,3,4]"},
    {"InstanceNormalization", "f32[2,3] f32[3] f32[3]", "", "! rank 3 to 8"},
    {"GroupNormalization", "f32[2,6,4] f32[6] f32[6]", "num_groups=3", "f32[2,6,4]"},
    {"GroupNormalization", "f32[2,6,4] f32[6] f32[6]", "num_groups=4", "! must divide the 6 channels"},
    {"GroupNormalization", "f32[2,6,4] f32[6] f32[6]", "", "! num_groups"},
    {"LayerNormalization", "f32[2,3,4] f32[4] f32[4]", "", "f32[2,3,4]"},
    {"LayerNormalization", "f32[2,3,4] f32[3,4]", "axis=1", "f32[2,3,4] f32[2,1,1] f32[2,1,1]"},
    {"LayerNormalization", "f32[2,3,4] f32[1,4]", "", "f32[2,3,4]"},
    {"LayerNormalization", "f32[2,3,4] f32[3]", "", "! input 1 (scale) has shape [3]"},
    {"LayerNormalization", "f32[2,3,4] f32[4]", "axis=3", "! attribute 'axis' is 3; rank 3 allows -3 to 2"},
    {"Softmax", "f32[2,3]", "", "f32[2,3]"},
    {"LogSoftmax", "f32[2,3]", "axis=-2", "f32[2,3]"},
    {"Softmax", "f32[2,3]", "axis=2", "! attribute 'axis' is 2"},
    {"Softmax", "f32[]", "", "! rank 1 to 8"},
    {"Softmax", "u8[2,3]", "quantized=1", "u8[2,3]"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"Softmax", "f32[2,3,4]", "axis=-2", "f32[2,3,4]"});
  cr_assert_eq(r.params.axis, 1);
  infer_free(&r);
  run_case(&r, &(infer_case){"LayerNormalization", "f32[2,3,4] f32[4]", "", "f32[2,3,4]"});
  cr_assert_eq(r.params.axis, 2);
  cr_assert_eq(r.params.epsilon, 1e-5f);
  infer_free(&r);
}

Test(registry_rows, reductions) {
  static const infer_case cases[] = {
    {"ReduceMean", "f32[2,3,4]", "", "f32[1,1,1]"},
    {"ReduceMean", "f32[2,3,4]", "keepdims=0", "f32[]"},
    {"ReduceMean", "f32[2,3,4] i64[2]=-1,0", "keepdims=0", "f32[3]"},
    {"ReduceMean", "f32[2,3,4] i64[1]=1", "", "f32[2,1,4]"},
    {"ReduceMean", "f32[2,3,4] i64[0]=", "noop_with_empty_axes=1", "f32[2,3,4]"},
    {"ReduceMean", "f32[2,3,4] i64[0]=", "", "f32[1,1,1]"},
    {"ReduceSum", "f32[0,3] i64[1]=0", "", "f32[1,3]"},
    {"ReduceSum", "f32[]", "", "f32[]"},
    {"ReduceMean", "f32[2,3,4] i64[2]=1,-2", "", "! dimension 1 is named twice"},
    {"ReduceMean", "f32[2,3,4] i64[1]=3", "", "! axes is 3"},
    {"ReduceMean", "f32[2,3,4] i64[1]", "", "! depends on data"},
    {"ReduceMean", "f32[2,3,4] f32[1]=1", "", "! input 1 (axes) is float32; int64 was expected"},
    {"ReduceMean", "u8[2]", "", "! input 0 is uint8"},
    {"ReduceMax", "u8[2,3] i64[1]=1", "", "u8[2,1]"},
    {"ArgMax", "f32[2,3]", "", "i64[1,3]"},
    {"ArgMax", "u8[2,3]", "axis=-1 keepdims=0", "i64[2]"},
    {"ArgMin", "f32[2,0]", "axis=1", "! dimension 1 is 0"},
    {"ArgMin", "f32[]", "", "! rank 1 to 8"},
    {"CumSum", "f32[2,3] i64[]=-1", "reverse=1", "f32[2,3]"},
    {"CumSum", "f32[2,3] i64[1]=2", "", "! input 1 (axis) is 2"},
    {"CumSum", "f32[2,3] i64[]", "", "! depends on data"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"ReduceMean", "f32[2,3,4] i64[2]=-1,0", "keepdims=0", "f32[3]"});
  cr_assert_eq(r.params.axes, 5u);
  cr_assert_eq(r.params.keepdims, 0u);
  infer_free(&r);
  run_case(&r, &(infer_case){"CumSum", "f32[2,3] i64[]=-1", "reverse=1 exclusive=1", "f32[2,3]"});
  cr_assert_eq(r.params.mode, 3u);
  cr_assert_eq(r.params.axis, 1);
  infer_free(&r);
}

Test(registry_rows, quantization) {
  static const infer_case cases[] = {
    {"QuantizeLinear", "f32[2,3] f32[] u8[]", "", "u8[2,3]"},
    {"QuantizeLinear", "f32[2,3] f32[3] i8[3]", "axis=-1", "i8[2,3]"},
    {"QuantizeLinear", "f32[2,3] f32[]", "", "u8[2,3]"},
    {"QuantizeLinear", "f32[2,3] f32[]", "output_dtype=3", "i8[2,3]"},
    {"QuantizeLinear", "f32[4] f32[1] u8[1]", "", "u8[4]"},
    {"QuantizeLinear", "f32[2,3] f32[2] i8[2]", "axis=1", "! input 1 (scale) has shape [2]; [3] was expected"},
    {"QuantizeLinear", "f32[2,3] f32[3] i8[]", "", "! zero point"},
    {"QuantizeLinear", "f32[2,3]", "", "! it has no parameters"},
    {"QuantizeLinear", "f32[2,3] f32[] f32[]", "", "! no type to quantize to"},
    {"QuantizeLinear", "i64[2,3] f32[] u8[]", "", "! input 0 is int64"},
    {"QuantizeLinear", "f32[2,3] f32[] u8[]", "block_size=16", "! block_size"},
    {"DequantizeLinear", "u8[2,3] f32[] u8[]", "", "f32[2,3]"},
    {"DequantizeLinear", "i32[2,3]", "", "f32[2,3]"},
    {"DequantizeLinear", "i32[2,3]", "quantized=1", "f32[2,3]"},
    {"DequantizeLinear", "f32[2,3]", "", "! no quantized type"},
    {"DequantizeLinear", "u8[2,3] f32[] i8[]", "", "! input 2 (zero point) is int8"},
    {"DynamicQuantizeLinear", "f32[2,3]", "", "u8[2,3] f32[] u8[]"},
    {"DynamicQuantizeLinear", "u8[2,3]", "", "! float32 was expected"},
    {"Lookup", "i8[2,3] u8[256]", "", "i8[2,3]"},
    {"Lookup", "i8[2,3] u8[255]", "", "! [256] was expected"},
    {"Relayout", "f32[1,2,3,4]", "", "f32[1,2,3,4]"},
  };
  CHECK_CASES(cases);
}

/* The type of a one-input QuantizeLinear, a Lookup and a quantized node is the one that the value has. */
Test(registry_rows, preset_types) {
  static const struct {
    infer_case c;
    qe_dtype_t preset, found;
  } rows[] = {
    {{"QuantizeLinear", "f32[2]", "quantized=1", "?"}, QE_INT8, QE_INT8},
    {{"QuantizeLinear", "f32[2]", "", "?"}, QE_UINT16, QE_UINT16},
    {{"Lookup", "u8[2] u8[256]", "", "?"}, QE_INT8, QE_INT8},
    {{"Conv", "u8[1,3,8,8] i8[4,3,3,3] i32[4]", "quantized=1", "?"}, QE_INT8, QE_INT8},
    {{"Gemm", "f32[2,3] i8[3,4] f32[4]", "quantized=1", "?"}, QE_FLOAT32, QE_FLOAT32},
    {{"Add", "f32[2] f32[2]", "", "?"}, QE_UINT8, QE_FLOAT32},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    infer_run r;
    infer_begin(&r, &rows[i].c, 1);
    r.out[0].dtype = rows[i].preset;
    infer_finish(&r);
    cr_assert_eq(r.status, QE_OK, "%s", qe_last_error());
    cr_assert_eq(r.out[0].dtype, rows[i].found, "%s: %s, expected %s", rows[i].c.op, qe_dtype_name(r.out[0].dtype), qe_dtype_name(rows[i].found));
    infer_free(&r);
  }
}

Test(registry_rows, recurrent) {
  static const infer_case cases[] = {
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4]", "hidden_size=4", "f32[5,1,2,4] f32[1,2,4] f32[1,2,4]"},
    {"LSTM", "f32[5,2,3] f32[2,16,3] f32[2,16,4] f32[2,32] i32[2] f32[2,2,4] f32[2,2,4] f32[2,12]", "direction='bidirectional'",
     "f32[5,2,2,4] f32[2,2,4] f32[2,2,4]"},
    {"LSTM", "f32[2,5,3] f32[1,16,3] f32[1,16,4] - - f32[2,1,4]", "layout=1", "f32[2,5,1,4] f32[2,1,4]"},
    {"GRU", "f32[5,2,3] f32[1,12,3] f32[1,12,4] f32[1,24]", "linear_before_reset=1", "f32[5,1,2,4] f32[1,2,4]"},
    {"RNN", "f32[0,2,3] f32[1,4,3] f32[1,4,4]", "activations=['Relu']", "f32[0,1,2,4]"},
    {"LSTM", "f32[5,2,3] i8[1,16,3] i8[1,16,4]", "quantized=1", "f32[5,1,2,4]"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4]", "hidden_size=5", "! hidden_size"},
    {"LSTM", "f32[5,2,3] f32[1,12,3] f32[1,16,4]", "", "! input 1 (W) has shape [1,12,3]; [1,16,3] was expected"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4] f32[1,16]", "", "! input 3 (B)"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4] - i64[2]", "", "! sequence_lens"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4]", "direction='backward'", "! forward, reverse, bidirectional"},
    {"RNN", "f32[5,2,3] f32[1,4,3] f32[1,4,4]", "activations=['Softsign']", "! activation 'Softsign'"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4]", "activations=['Tanh']", "! 3 names per direction"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4]", "clip=-1.0", "! clip"},
    {"LSTM", "f32[5,2] f32[1,16,3] f32[1,16,4]", "", "! rank 3 was expected"},
    {"LSTM", "u8[5,2,3] i8[1,16,3] i8[1,16,4] f32[1,32]", "quantized=1", "f32[5,1,2,4] f32[1,2,4] f32[1,2,4]"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] i8[1,4,16] - - - - - f32[1] i8[1] f32[1] i8[1]", "hidden_size=4",
     "f32[5,1,2,4] f32[1,2,4] f32[1,2,4]"},
    {"DynamicQuantizeLSTM", "f32[2,5,3] u8[2,3,16] u8[2,4,16] f32[2,32] i32[2] f32[2,2,4] f32[2,2,4] f32[2,12] "
     "f32[2,16] u8[2,16] f32[2] u8[2]", "direction='bidirectional' layout=1", "f32[2,5,2,4] f32[2,2,4] f32[2,2,4]"},
    {"DynamicQuantizeGRU", "f32[5,2,3] i8[1,3,12] i8[1,4,12] - - - f32[1,12] i8[1,12] f32[1] i8[1]", "linear_before_reset=1",
     "f32[5,1,2,4] f32[1,2,4]"},
    {"DynamicQuantizeRNN", "f32[5,2,3] i8[1,3,4] i8[1,4,4] f32[1,8] i32[2] f32[1,2,4] f32[1] i8[1] f32[1,4] i8[1,4]", "",
     "f32[5,1,2,4] f32[1,2,4]"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] i8[1,4,16]", "", "! input 8 (W_scale) is missing"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,16,3] i8[1,4,16] - - - - - f32[1] i8[1] f32[1] i8[1]", "",
     "! input 1 (W) has shape [1,16,3]; [1,3,16] was expected"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] f32[1,3,16] f32[1,4,16] - - - - - f32[1] f32[1] f32[1] f32[1]", "", "! input 1 is float32"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] u8[1,4,16] - - - - - f32[1] i8[1] f32[1] u8[1]", "", "! one type"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] i8[1,4,16] - - - - - f32[1] i8[1] f32[16] i8[16]", "", "! input 10 (R_scale)"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] i8[1,4,16] - - - - - f32[1,16] i8[1] f32[1] i8[1]", "", "! input 9 (W_zero_point)"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] i8[1,4,16] - - - - - f32[1] u8[1] f32[1] i8[1]", "", "! input 9 (W_zero_point) is uint8"},
    {"DynamicQuantizeGRU", "f32[5,2,3] i8[1,3,12] i8[1,4,12] - - - f32[1] i8[1] - i8[1]", "", "! input 8 (R_scale) is missing"},
    {"DynamicQuantizeRNN", "f32[5,2,3] i8[1,3,4] i8[1,4,4] - - - f32[1] i8[1] f32[1] i8[1]", "hidden_size=5", "! R has 4 rows"},
  };
  CHECK_CASES(cases);
  infer_run r;
  run_case(&r, &(infer_case){"GRU", "f32[5,2,3] f32[1,12,3] f32[1,12,4]", "linear_before_reset=1 direction='reverse' clip=2.5 activations=['Relu','Tanh']",
                             "f32[5,1,2,4]"});
  cr_assert_eq(r.params.mode, 1u);
  cr_assert_eq(r.params.select_last_index, 1u);
  cr_assert_eq(r.params.clip_hi, 2.5f);
  cr_assert_eq(r.params.perm[0], QE_RNN_RELU);
  cr_assert_eq(r.params.perm[1], QE_RNN_TANH);
  infer_free(&r);
  run_case(&r, &(infer_case){"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4]", "", "f32[5,1,2,4]"});
  cr_assert_eq(r.params.clip_hi, INFINITY);
  cr_assert_eq(r.params.perm[0], QE_RNN_DEFAULT);
  infer_free(&r);
}
