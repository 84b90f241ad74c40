/* The bodies of the ops of domain "qengine". */
#include "onnx/functions.h"

#include <stdio.h>
#include <string.h>

#define RNN_ATTRIBUTES "activation_alpha activation_beta activations clip direction hidden_size layout"
#define RNN_REFERENCES                                                                              \
  "activation_alpha:F@activation_alpha activation_beta:F@activation_beta activations:S@activations" \
  " clip:f@clip direction:s@direction hidden_size:i@hidden_size layout:i@layout"

/* Weights as ONNX's float ops have them: (codes - zero point) * scale, gates before inputs. */
#define RNN_WEIGHT(w, v)                                                                            \
  {0, v "_codes = Cast(" w ") to:i=1"}, {0, v "_zeros = Cast(" w "_zero_point) to:i=1"},            \
  {0, v "_zero = Reshape(" v "_zeros, per_gate)"}, {0, v "_scale = Reshape(" w "_scale, per_gate)"}, \
  {0, v "_moved = Sub(" v "_codes, " v "_zero)"}, {0, v "_real = Mul(" v "_moved, " v "_scale)"},   \
  {0, v " = Transpose(" v "_real) perm:I=0,2,1"}

#define RNN_LINES                                                                         \
  {0, "x_codes x_scale x_zero = DynamicQuantizeLinear(X)"},                               \
  {0, "x = DequantizeLinear(x_codes, x_scale, x_zero)"},                                  \
  {0, "per_gate = Constant() value_ints:I=0,1,-1"}, RNN_WEIGHT("W", "w"), RNN_WEIGHT("R", "r")

static const qe__function_line gru[] = {
  RNN_LINES,
  {0, "Y Y_h = GRU(x, w, r, B, sequence_lens, initial_h) " RNN_REFERENCES
      " linear_before_reset:i@linear_before_reset"},
  {0, NULL},
};

static const qe__function_line rnn[] = {
  RNN_LINES,
  {0, "Y Y_h = RNN(x, w, r, B, sequence_lens, initial_h) " RNN_REFERENCES},
  {0, NULL},
};

/* `result`: the rows of the table that the indices ask for, as real numbers. */
#define ROW_LINES(result)                                                    \
  {QE__FN_BYTES, "row_codes = Gather(data, indices)"},                       \
  {QE__FN_BYTES, "codes = Cast(row_codes) to:i=1"},                          \
  {QE__FN_SMALL, "table = Cast(data) to:i=1"},                               \
  {QE__FN_SMALL, "codes = Gather(table, indices)"},                          \
  {QE__FN_FLOAT, result " = Gather(data, indices)"},                         \
  {0, "last = Constant() value_ints:I=-1"},                                  \
  {QE__FN_CODES, "row_scale = Gather(scale, indices)"},                      \
  {QE__FN_CODES, "row_scales = Unsqueeze(row_scale, last)"},                 \
  {QE__FN_CODES | QE__FN_PLAIN, result " = Mul(codes, row_scales)"},         \
  {QE__FN_OFFSET, "scaled = Mul(codes, row_scales)"},                        \
  {QE__FN_OFFSET, "row_offset = Gather(offset, indices)"},                   \
  {QE__FN_OFFSET, "row_offsets = Unsqueeze(row_offset, last)"},              \
  {QE__FN_OFFSET, result " = Add(scaled, row_offsets)"}

static const qe__function_line embedding[] = {
  ROW_LINES("y"),
  {0, NULL},
};

/* Which index belongs to which bag is a matrix [bags, indices]; a sum over a bag is a product with it. */
static const qe__function_line embedding_bag[] = {
  ROW_LINES("rows"),
  /* the first and the next index of every bag */
  {0, "zero = Constant() value_int:i=0"},
  {0, "one = Constant() value_int:i=1"},
  {0, "first = Constant() value_ints:I=0"},
  {0, "second = Constant() value_ints:I=1"},
  {0, "far = Constant() value_ints:I=9223372036854775807"},
  {0, "count = Shape(indices)"},
  {0, "starts = Cast(offsets) to:i=7"},
  {0, "later = Slice(starts, second, far, first)"},
  {QE__FN_LAST, "begin = Slice(starts, first, last, first)"},
  {QE__FN_LAST, "end = Identity(later)"},
  {QE__FN_OPEN, "begin = Identity(starts)"},
  {QE__FN_OPEN, "end = Concat(later, count) axis:i=0"},
  {0, "begins = Unsqueeze(begin, second)"},
  {0, "ends = Unsqueeze(end, second)"},
  {0, "total = Squeeze(count, first)"},
  {0, "positions = Range(zero, total, one)"},
  {0, "before = Less(positions, begins)"},
  {0, "not_before = Not(before)"},
  {0, "inside = Less(positions, ends)"},
  {0, "in_bag = And(not_before, inside)"},
  /* indices that count: not those of padding_idx, which may be written from the end */
  {QE__FN_PADDING, "padding = Constant() value_int:i@padding_idx"},
  {QE__FN_PADDING, "wide = Cast(indices) to:i=7"},
  {QE__FN_PADDING, "table_shape = Shape(data)"},
  {QE__FN_PADDING, "height = Gather(table_shape, zero)"},
  {QE__FN_PADDING, "negative = Less(wide, zero)"},
  {QE__FN_PADDING, "raised = Add(wide, height)"},
  {QE__FN_PADDING, "row = Where(negative, raised, wide)"},
  {QE__FN_PADDING, "is_padding = Equal(row, padding)"},
  {QE__FN_PADDING, "counts = Not(is_padding)"},
  {QE__FN_PADDING, "member = And(in_bag, counts)"},
  {QE__FN_WHOLE, "member = Identity(in_bag)"},
  {0, "members = Cast(member) to:i=1"},
  {QE__FN_WEIGHTS, "factors = Mul(members, per_sample_weights)"},
  {QE__FN_WEIGHTS, "y = MatMul(factors, rows)"},
  {QE__FN_SUM | QE__FN_EQUAL, "y = MatMul(members, rows)"},
  {QE__FN_MEAN, "sums = MatMul(members, rows)"},
  {QE__FN_MEAN, "sizes = ReduceSum(members, second) keepdims:i=1"},
  {QE__FN_MEAN, "least = Constant() value_float:f=1"},
  {QE__FN_MEAN, "divisors = Max(sizes, least)"},
  {QE__FN_MEAN, "y = Div(sums, divisors)"},
  {QE__FN_MAX, "deep = Unsqueeze(member, last)"},
  {QE__FN_MAX, "lowest = Constant() value_float:f=-inf"},
  {QE__FN_MAX, "candidates = Where(deep, rows, lowest)"},
  {QE__FN_MAX | QE__FN_OLD, "largest = ReduceMax(candidates) axes:I=1 keepdims:i=0"},
  {QE__FN_MAX | QE__FN_NEW, "largest = ReduceMax(candidates, second) keepdims:i=0"},
  {QE__FN_MAX, "sizes = ReduceSum(members, second) keepdims:i=1"},
  {QE__FN_MAX, "nothing = Constant() value_float:f=0"},
  {QE__FN_MAX, "filled = Greater(sizes, nothing)"},
  {QE__FN_MAX, "y = Where(filled, largest, nothing)"},
  {0, NULL},
};

#define RNN_INPUTS "X W R B sequence_lens initial_h W_scale W_zero_point R_scale R_zero_point"
static const qe__function functions[] = {
  {QE__OP_DynamicQuantizeGRU, "DynamicQuantizeGRU", RNN_INPUTS, "Y Y_h", RNN_ATTRIBUTES " linear_before_reset", gru},
  {QE__OP_DynamicQuantizeRNN, "DynamicQuantizeRNN", RNN_INPUTS, "Y Y_h", RNN_ATTRIBUTES, rnn},
  {QE__OP_Embedding, "Embedding", "data indices scale offset", "y", "", embedding},
  {QE__OP_EmbeddingBag, "EmbeddingBag", "data indices offsets scale offset per_sample_weights", "y",
   "include_last_offset mode padding_idx", embedding_bag},
};

const qe__function *qe__function_of(uint16_t op) {
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (functions[i].op == op) return &functions[i];
  }
  return NULL;
}

const qe__function *qe__function_find(const char *op_type) {
  const size_t n = strcspn(op_type, "_");
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (strlen(functions[i].name) == n && memcmp(functions[i].name, op_type, n) == 0) return &functions[i];
  }
  return NULL;
}

static bool has_input(const qe__node *n, uint32_t i) { return i < n->n_in && n->in[i] != QE__NO_VALUE; }

unsigned qe__function_features(const qe__graph *g, const qe__node *n, int64_t opset) {
  const bool bag = n->op->id == QE__OP_EmbeddingBag;
  if (!bag && n->op->id != QE__OP_Embedding) return 0;
  const qe_dtype_t table = has_input(n, 0) ? g->values[n->in[0]].dtype : QE_DTYPE_NONE;
  const char *mode = qe__node_string(n, "mode", "sum");
  unsigned f = table == QE_FLOAT32                        ? QE__FN_FLOAT
               : table == QE_UINT4 || table == QE_INT4 ? QE__FN_SMALL | QE__FN_CODES
                                                       : QE__FN_BYTES | QE__FN_CODES;
  f |= has_input(n, bag ? 4 : 3) ? QE__FN_OFFSET : QE__FN_PLAIN;
  if (!bag) return f;
  f |= strcmp(mode, "mean") == 0 ? QE__FN_MEAN : strcmp(mode, "max") == 0 ? QE__FN_MAX : QE__FN_SUM;
  f |= has_input(n, 5) ? QE__FN_WEIGHTS : QE__FN_EQUAL;
  f |= qe__node_int(n, "include_last_offset", 0) != 0 ? QE__FN_LAST : QE__FN_OPEN;
  f |= qe__node_int(n, "padding_idx", -1) >= 0 ? QE__FN_PADDING : QE__FN_WHOLE;
  return f | (opset < 18 ? QE__FN_OLD : QE__FN_NEW);
}

void qe__function_name(const qe__function *f, unsigned features, char *buffer, size_t size) {
  static const struct { unsigned bit; const char *tag; } tags[] = {
      {QE__FN_SMALL, "4bit"}, {QE__FN_FLOAT, "float"},      {QE__FN_OFFSET, "offset"}, {QE__FN_MEAN, "mean"},
      {QE__FN_MAX, "max"},    {QE__FN_WEIGHTS, "weighted"}, {QE__FN_LAST, "last"},     {QE__FN_PADDING, "padding"},
  };
  int used = snprintf(buffer, size, "%s", f->name);
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
    if ((features & tags[i].bit) == 0 || used < 0 || (size_t)used >= size) continue;
    used += snprintf(buffer + used, size - (size_t)used, "_%s", tags[i].tag);
  }
}
