/* The table of attributes: "name:kind", kinds i f s I F S t as in AttributeProto (capital: a list). */
#include "onnx/attributes.h"

#include <string.h>

#define CONV "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"
#define POOL "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I strides:I"
#define RNN  "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i"

typedef struct row {
  uint16_t op;
  const char *attributes;
} row;

static const row table[] = {
  {QE__OP_Conv,                  CONV},
  {QE__OP_ConvTranspose,         CONV " output_padding:I output_shape:I"},
  {QE__OP_ConvInteger,           CONV},
  {QE__OP_MatMulNBits,           "K:i N:i accuracy_level:i bits:i block_size:i"},
  {QE__OP_Gemm,                  "alpha:f beta:f transA:i transB:i"},
  {QE__OP_MatMulIntegerToFloat,  "transB:i"},
  {QE__OP_BatchNormalization,    "epsilon:f momentum:f"},
  {QE__OP_InstanceNormalization, "epsilon:f"},
  {QE__OP_LayerNormalization,    "axis:i epsilon:f stash_type:i"},
  {QE__OP_GroupNormalization,    "epsilon:f num_groups:i stash_type:i"},
  {QE__OP_Softmax,               "axis:i"},
  {QE__OP_LogSoftmax,            "axis:i"},
  {QE__OP_LeakyRelu,             "alpha:f"},
  {QE__OP_Elu,                   "alpha:f"},
  {QE__OP_Selu,                  "alpha:f gamma:f"},
  {QE__OP_Celu,                  "alpha:f"},
  {QE__OP_ThresholdedRelu,       "alpha:f"},
  {QE__OP_HardSigmoid,           "alpha:f beta:f"},
  {QE__OP_Gelu,                  "approximate:s"},
  {QE__OP_Mod,                   "fmod:i"},
  {QE__OP_LSTM,                  RNN " input_forget:i"},
  {QE__OP_GRU,                   RNN " linear_before_reset:i"},
  {QE__OP_RNN,                   RNN},
  {QE__OP_DynamicQuantizeLSTM,   RNN " input_forget:i"},
  {QE__OP_DynamicQuantizeGRU,    RNN " linear_before_reset:i"},
  {QE__OP_DynamicQuantizeRNN,    RNN},
  {QE__OP_MaxPool,               POOL " storage_order:i"},
  {QE__OP_AveragePool,           POOL " count_include_pad:i"},
  {QE__OP_ReduceMean,            "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ReduceSum,             "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ReduceMax,             "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ReduceMin,             "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ReduceProd,            "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ReduceL2,              "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ReduceSumSquare,       "keepdims:i noop_with_empty_axes:i"},
  {QE__OP_ArgMax,                "axis:i keepdims:i select_last_index:i"},
  {QE__OP_ArgMin,                "axis:i keepdims:i select_last_index:i"},
  {QE__OP_CumSum,                "exclusive:i reverse:i"},
  {QE__OP_Concat,                "axis:i"},
  {QE__OP_Split,                 "axis:i num_outputs:i"},
  {QE__OP_Pad,                   "mode:s"},
  {QE__OP_Reshape,               "allowzero:i"},
  {QE__OP_Flatten,               "axis:i"},
  {QE__OP_Dropout,               "ratio:f"},
  {QE__OP_Transpose,             "perm:I"},
  {QE__OP_Gather,                "axis:i"},
  {QE__OP_GatherElements,        "axis:i"},
  {QE__OP_EmbeddingBag,          "include_last_offset:i mode:s padding_idx:i"},
  {QE__OP_Resize,                "coordinate_transformation_mode:s extrapolation_value:f mode:s nearest_mode:s"},
  {QE__OP_DepthToSpace,          "blocksize:i mode:s"},
  {QE__OP_SpaceToDepth,          "blocksize:i"},
  {QE__OP_Trilu,                 "upper:i"},
  {QE__OP_Cast,                  "to:i"},
  {QE__OP_Shape,                 "end:i start:i"},
  {QE__OP_ConstantOfShape,       "value:t"},
  {QE__OP_OneHot,                "axis:i"},
  {QE__OP_QuantizeLinear,        "axis:i"},
  {QE__OP_DequantizeLinear,      "axis:i"},
};

static qe__attr_kind kind_of(char letter) {
  switch (letter) {
    case 'i': return QE__ATTR_INT;
    case 'f': return QE__ATTR_FLOAT;
    case 's': return QE__ATTR_STRING;
    case 'I': return QE__ATTR_INTS;
    case 'F': return QE__ATTR_FLOATS;
    case 'S': return QE__ATTR_STRINGS;
    default: return QE__ATTR_TENSOR;
  }
}

bool qe__onnx_attribute(uint16_t op, const char *name, size_t length, qe__attr_kind *kind) {
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (table[i].op != op) continue;
    for (const char *at = table[i].attributes; *at != '\0';) {
      const size_t n = strcspn(at, ":");
      if (n == length && memcmp(at, name, n) == 0) {
        *kind = kind_of(at[n + 1]);
        return true;
      }
      at += n + 2;
      if (*at == ' ') at++;
    }
  }
  return false;
}
