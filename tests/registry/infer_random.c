/*
 * Whatever a graph holds, inference ends with a status: random operands and attributes for every op, and cases that are
 * right but for a few changes.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "infer_case.h"

static uint64_t next(uint64_t *state) { /* splitmix64 */
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t n) { return (uint32_t)(next(state) % n); }

static int64_t number(uint64_t *s) {
  static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, INT32_MIN, INT32_MAX, INT64_MAX - 1, INT64_MAX};
  return below(s, 8) == 0 ? extremes[below(s, 6)] : (int64_t)below(s, 9) - 3;
}

static int64_t dimension(uint64_t *s) {
  static const int64_t sizes[] = {0, 1, 1, 1, 2, 2, 3, 4, 4, 6, 8};
  return below(s, 40) == 0 ? INT64_C(1) << below(s, 63) : sizes[below(s, 11)];
}

static qe_dtype_t type(uint64_t *s) {
  static const qe_dtype_t types[] = {QE_FLOAT32, QE_FLOAT32, QE_FLOAT32, QE_INT64,   QE_INT64, QE_INT32,
                                     QE_UINT8,   QE_INT8,    QE_BOOL,    QE_FLOAT64, QE_INT4};
  return types[below(s, 11)];
}

static void fill(uint64_t *s, qe_tensor_t *t) {
  static const float reals[] = {0.0f, 0.5f, 1.0f, 2.0f, -1.0f, 1e30f, -1e30f};
  for (int64_t i = 0; i < t->count; i++) {
    if (t->dtype == QE_FLOAT32) ((float *)t->data)[i] = reals[below(s, 7)];
    if (t->dtype == QE_INT64) ((int64_t *)t->data)[i] = number(s);
    if (t->dtype == QE_INT32) ((int32_t *)t->data)[i] = (int32_t)number(s);
  }
}

static void random_operand(uint64_t *s, infer_run *r, uint32_t i) {
  qe__operand_info *in = &r->in[i];
  in->present = below(s, 12) != 0;
  in->dtype = type(s);
  /* shape-like inputs are vectors most of the time; the others like input 0's rank */
  in->rank = i > 0 && below(s, 2) == 0 ? r->in[0].rank : below(s, QE_MAX_RANK + 1);
  if (in->dtype == QE_INT64 && below(s, 3) != 0) in->rank = below(s, 2);
  for (uint32_t d = 0; d < in->rank; d++)
    in->dims[d] = i > 0 && d < r->in[0].rank && below(s, 2) == 0 ? r->in[0].dims[d] : dimension(s);
  int64_t count;
  if (!qe__dims_count(in->rank, in->dims, &count) || count > 64 || below(s, 5) == 0) return;
  cr_assert_eq(qe_tensor_create(in->dtype, in->rank, in->dims, &r->data[i]), QE_OK);
  fill(s, r->data[i]);
  in->data = r->data[i];
}

static void random_attributes(uint64_t *s, qe__node *n) {
  static const char *const names[] = {"axis",
                                      "axes",
                                      "auto_pad",
                                      "kernel_shape",
                                      "strides",
                                      "pads",
                                      "dilations",
                                      "group",
                                      "ceil_mode",
                                      "alpha",
                                      "perm",
                                      "to",
                                      "start",
                                      "end",
                                      "blocksize",
                                      "mode",
                                      "num_outputs",
                                      "keepdims",
                                      "output_padding",
                                      "output_shape",
                                      "num_groups",
                                      "direction",
                                      "layout",
                                      "hidden_size",
                                      "transA",
                                      "transB",
                                      "epsilon",
                                      "allowzero",
                                      "clip",
                                      "noop_with_empty_axes",
                                      "coordinate_transformation_mode",
                                      "output_dtype",
                                      "fmod"};
  static const char *const texts[] = {"SAME_UPPER",    "SAME_LOWER",         "VALID", "linear", "reflect", "wrap",
                                      "bidirectional", "tf_crop_and_resize", ""};
  const uint32_t count = below(s, 8);
  for (uint32_t i = 0; i < count; i++) {
    const char *name = names[below(s, sizeof names / sizeof names[0])];
    int64_t values[8];
    for (size_t k = 0; k < 8; k++) values[k] = number(s);
    switch (below(s, 8)) {
      case 0: cr_assert_eq(qe__node_set_float(n, name, (float)number(s) * 0.5f), QE_OK); break;
      case 1:
      case 2:
        cr_assert_eq(qe__node_set_string(n, name, texts[below(s, sizeof texts / sizeof texts[0])]), QE_OK);
        break;
      case 3: case 4: case 5: cr_assert_eq(qe__node_set_ints(n, name, values, below(s, 9)), QE_OK); break;
      default: cr_assert_eq(qe__node_set_int(n, name, values[0]), QE_OK); break;
    }
  }
  n->quantized = below(s, 4) == 0;
}

static void random_case(const qe__op_schema *op, uint64_t *s, uint32_t *accepted) {
  infer_run r;
  qe__value_id in[MAX_IN], out[MAX_OUT];
  memset(&r, 0, sizeof r);
  cr_assert_eq(qe__graph_create(&r.graph), QE_OK);
  const uint32_t most = op->max_in > 8 ? 8 : op->max_in;
  r.n_in = below(s, 10) == 0 ? below(s, MAX_IN) : op->min_in + below(s, most - op->min_in + 1);
  r.n_out = 1 + below(s, op->max_out > 4 ? 4 : op->max_out);
  for (uint32_t i = 0; i < r.n_in; i++) {
    random_operand(s, &r, i);
    in[i] = QE__NO_VALUE;
  }
  for (uint32_t i = 0; i < r.n_out; i++) {
    cr_assert_eq(qe__graph_add_value(r.graph, NULL, QE_DTYPE_NONE, &out[i]), QE_OK);
    r.out[i].present = true;
    r.out[i].dtype = below(s, 2) == 0 ? QE_DTYPE_NONE : type(s);
  }
  cr_assert_eq(qe__graph_add_node(r.graph, op->name, "n", r.n_in, in, r.n_out, out, &r.node), QE_OK);
  random_attributes(s, r.node);
  infer_finish(&r);
  if (r.status == QE_OK) {
    *accepted += 1;
    for (uint32_t i = 0; i < r.n_out; i++) {
      int64_t count;
      cr_assert_leq(r.out[i].rank, QE_MAX_RANK);
      cr_assert(qe__dims_count(r.out[i].rank, r.out[i].dims, &count), "%s: output %u", op->name, (unsigned)i);
      cr_assert(qe__dtype_valid(r.out[i].dtype), "%s: output %u", op->name, (unsigned)i);
    }
  } else {
    cr_assert_not_null(strstr(qe_last_error(), "node 'n' ("), "%s: %s", op->name, qe_last_error());
    cr_assert_neq(r.status, QE_ERROR_INTERNAL, "%s: %s", op->name, qe_last_error());
  }
  infer_free(&r);
}

Test(registry_random, no_operands_crash_inference) {
  enum { CASES = 1000 };
  const uint64_t seed = 20261128;
  uint32_t accepted = 0;
  printf("registry_random: seed %llu\n", (unsigned long long)seed);
  for (uint32_t id = 0; id < QE__OP_COUNT; id++) {
    uint64_t state = seed + id;
    for (uint32_t i = 0; i < CASES; i++) random_case(qe__op_at(id), &state, &accepted);
  }
  cr_assert_gt(accepted, CASES, "the cases must not all be nonsense");
}

/* Right cases of the ops that random operands hardly ever fit. */
static const infer_case seeds[] = {
    {"Conv", "f32[1,4,8,8] f32[4,2,3,3] f32[4]", "pads=[1,1,1,1] strides=[2,2] dilations=[1,2] group=2", "?"},
    {"Conv", "f32[1,4,8] f32[4,4,3]", "auto_pad='SAME_UPPER' strides=[2]", "?"},
    {"ConvTranspose", "f32[1,4,8,8] f32[4,2,3,3] f32[4]", "pads=[1,1,1,1] strides=[2,2] output_padding=[1,1] group=2", "?"},
    {"ConvTranspose", "f32[1,4,8,8] f32[4,2,3,3]", "output_shape=[9,9] auto_pad='SAME_LOWER'", "?"},
    {"ConvInteger", "u8[1,4,8,8] i8[4,4,3,3] u8[] i8[4]", "strides=[2,2]", "?"},
    {"MaxPool", "f32[1,4,8,8]", "kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2] ceil_mode=1", "?"},
    {"AveragePool", "f32[1,4,8,8]", "kernel_shape=[3,3] auto_pad='SAME_LOWER' strides=[2,2] dilations=[2,1]", "?"},
    {"MatMul", "f32[2,3,4] f32[4,5] f32[5]", "", "?"},
    {"Gemm", "f32[3,4] f32[5,4] f32[5]", "transA=0 transB=1", "?"},
    {"MatMulInteger", "u8[3,4] i8[4,5] u8[3] i8[5]", "", "?"},
    {"BatchNormalization", "f32[2,3,4] f32[3] f32[3] f32[3] f32[3]", "", "?"},
    {"LayerNormalization", "f32[2,3,4] f32[3,4] f32[3,4]", "axis=1", "?"},
    {"GroupNormalization", "f32[2,6,4] f32[6] f32[6]", "num_groups=3", "?"},
    {"LSTM", "f32[5,2,3] f32[1,16,3] f32[1,16,4] f32[1,32] i32[2] f32[1,2,4] f32[1,2,4]", "hidden_size=4 layout=0", "?"},
    {"GRU", "f32[5,2,3] f32[2,12,3] f32[2,12,4]", "direction='bidirectional' clip=2", "?"},
    {"DynamicQuantizeLSTM", "f32[5,2,3] i8[1,3,16] i8[1,4,16] f32[1,32] i32[2] - - - f32[1,16] i8[1,16] f32[1] i8[1]", "layout=0", "?"},
    {"Concat", "f32[2,3] f32[2,4] f32[2,0]", "axis=1", "?"},
    {"Split", "f32[6,2] i64[1]=6", "axis=0", "?"},
    {"Slice", "f32[10,10] i64[2]=1,-1 i64[2]=8,-11 i64[2]=0,1 i64[2]=2,-3", "", "?"},
    {"Pad", "f32[4,4] i64[4]=1,0,0,2 f32[]=1 i64[2]=0,1", "mode='reflect'", "?"},
    {"Pad", "f32[4,4] i64[4]=1,0,0,2", "mode='wrap'", "?"},
    {"Reshape", "f32[2,3,4] i64[3]=0,-1,2", "allowzero=0", "?"},
    {"Expand", "f32[3,1] i64[3]=2,1,4", "", "?"},
    {"Tile", "f32[3,2] i64[2]=2,3", "", "?"},
    {"Resize", "f32[1,1,4,4] f32[8]=0,0,0,0,1,1,1,1 f32[4]=1,1,2,2", "coordinate_transformation_mode='tf_crop_and_resize'", "?"},
    {"Resize", "f32[1,1,4,8] - - i64[2]=8,8", "axes=[2,3] keep_aspect_ratio_policy='not_larger'", "?"},
    {"DepthToSpace", "f32[1,8,2,3]", "blocksize=2", "?"},
    {"SpaceToDepth", "f32[1,2,4,6]", "blocksize=2", "?"},
    {"Range", "i64[]=0 i64[]=10 i64[]=3", "", "?"},
    {"Range", "f32[]=0 f32[]=10 f32[]=3", "", "?"},
    {"OneHot", "i64[2,3] i64[]=5 f32[2]", "axis=0", "?"},
    {"Where", "bool[2,1] f32[3] f32[]", "", "?"},
    {"Lookup", "i8[2,3] u8[256]", "", "?"},
    {"QuantizeLinear", "f32[2,3] f32[3] i8[3]", "axis=1", "?"},
    {"CumSum", "f32[2,3] i64[]=-1", "", "?"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15] u8[10] - f32[5]", "K=40 N=5 bits=4 block_size=16", "?"},
    {"Embedding", "u4[7,3] i64[2,2] f32[7] f32[7]", "", "?"},
    {"EmbeddingBag", "i8[7,3] i32[5] i64[2] f32[7] f32[7] f32[5]", "mode='sum' padding_idx=3", "?"},
    {"Unsqueeze", "f32[3] i64[2]=0,-1", "", "?"},
    {"ConstantOfShape", "i64[2]=2,3", "", "?"},
};

static void change_operand(uint64_t *s, infer_run *r) {
  qe__operand_info *in = &r->in[below(s, r->n_in)];
  qe_tensor_t *t = r->data[in - r->in];
  if (t != NULL && t->count > 0 && below(s, 4) != 0) {
    if (t->dtype == QE_INT64) ((int64_t *)t->data)[below(s, (uint32_t)t->count)] = number(s);
    else fill(s, t);
  } else if (t == NULL && in->rank > 0 && below(s, 4) != 0) {
    in->dims[below(s, in->rank)] = dimension(s);
  } else if (below(s, 3) == 0) {
    in->present = !in->present && in->dtype != QE_DTYPE_NONE;
  } else if (t != NULL) {
    in->data = NULL;
  } else if (below(s, 2) == 0) {
    in->dtype = type(s);
  } else {
    in->rank = below(s, QE_MAX_RANK + 1);
  }
}

static void change_attribute(uint64_t *s, infer_run *r) {
  if (r->node->n_attr == 0 || below(s, 8) == 0) {
    random_attributes(s, r->node);
    return;
  }
  qe__attr *a = &r->node->attr[below(s, r->node->n_attr)];
  a->i = number(s);
  if (a->count > 0 && a->kind == QE__ATTR_INTS) a->ints[below(s, (uint32_t)a->count)] = number(s);
}

Test(registry_random, nearly_right_operands_do_not_crash_inference) {
  enum { CASES = 1500 };
  const uint64_t seed = 20261129;
  printf("registry_random: seed %llu\n", (unsigned long long)seed);
  for (size_t k = 0; k < sizeof seeds / sizeof seeds[0]; k++) {
    uint64_t state = seed + k;
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < CASES; i++) {
      infer_run r;
      infer_begin(&r, &seeds[k], 1);
      for (uint32_t changes = below(&state, 4); changes > 0; changes--) {
        if (below(&state, 2) == 0) change_operand(&state, &r);
        else change_attribute(&state, &r);
      }
      infer_finish(&r);
      if (r.status == QE_OK) {
        int64_t count;
        accepted++;
        cr_assert(qe__dims_count(r.out[0].rank, r.out[0].dims, &count), "%s, case %u", seeds[k].op, (unsigned)i);
      } else {
        cr_assert_not_null(strstr(qe_last_error(), "node 'n' ("), "%s: %s", seeds[k].op, qe_last_error());
        cr_assert_neq(r.status, QE_ERROR_INTERNAL, "%s: %s", seeds[k].op, qe_last_error());
      }
      infer_free(&r);
    }
    cr_assert_gt(accepted, CASES / 20, "%s %s: %u cases accepted", seeds[k].op, seeds[k].inputs, (unsigned)accepted);
  }
}
