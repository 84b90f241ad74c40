/* The float kernels against PyTorch's float results: convolution + batch norm + ReLU, linear layers, LSTM and GRU. */
#include "support/golden.h"
#include "support/kernel_host.h"

/* A float tensor of a golden case as a kernel is to see it; tensor NULL: the case has none of that name. */
typedef struct array {
  qe_tensor_t *tensor;
  kh_tensor view;
} array;

static array load(const golden *g, const json_t *c, const char *section, const char *name) {
  array a = {.tensor = golden_tensor(g, c, section, name)};
  if (!a.tensor)
    return a;
  cr_assert_eq(qe_tensor_dtype(a.tensor), QE_FLOAT32, "%s", name);
  a.view = kh_tensor_make(QE_DT_F32, qe_tensor_data(a.tensor), qe_tensor_rank(a.tensor), qe_tensor_dims(a.tensor));
  return a;
}

static void close_to(const float *expected, const float *got, int64_t n, double relative, const char *what) {
  double *wide = calloc((size_t)n + 1, sizeof *wide);
  cr_assert(wide);
  for (int64_t i = 0; i < n; ++i)
    wide[i] = (double)expected[i];
  kh_close_f32(wide, got, n, relative, what);
  free(wide);
}

static float *floats(int64_t n) {
  float *x = calloc((size_t)n + 1, sizeof *x);
  cr_assert(x);
  return x;
}

/* Convolution or linear layer, then batch norm and ReLU where the case has them; y of the golden case is the result. */
static void check_layers(const golden *g, const json_t *c) {
  const char *name = golden_text(c, "name"), *op = golden_text(c, "op");
  const json_t *params = json_object_get(c, "params");
  array x = load(g, c, "inputs", "x"), w = load(g, c, "inputs", "weight"), bias = load(g, c, "inputs", "bias");
  array y = load(g, c, "expected", "y");
  const bool linear = strncmp(op, "linear", 6) == 0, relu = strstr(op, "relu") != NULL;
  const int64_t n = kh_count(&y.view);
  kh_tensor out = y.view;
  out.data = floats(n);
  kh_case k = kh_new(linear ? "Gemm" : strncmp(op, "conv_transpose", 14) == 0 ? "ConvTranspose" : "Conv");
  kh_in(&k, x.view);
  kh_in(&k, kh_const(w.view));
  if (bias.tensor)
    kh_in(&k, kh_const(bias.view));
  kh_out(&k, out);
  k.params.alpha = k.params.beta = 1.0f;
  k.params.trans_b = 1;
  if (!linear) {
    k.params.spatial = x.view.rank - 2;
    k.params.groups = (int64_t)golden_number(params, "groups");
    for (uint32_t i = 0; i < k.params.spatial; ++i) {
      k.params.kernel[i] = w.view.dims[2 + i];
      k.params.stride[i] = (int64_t)golden_number(params, "stride");
      k.params.pad_begin[i] = k.params.pad_end[i] = (int64_t)golden_number(params, "padding");
      k.params.dilation[i] = 1;
    }
  }
  if (relu && !golden_has(c, "inputs", "bn_weight"))
    k.act_lo = 0.0f;
  kh_run(&k);
  if (golden_has(c, "inputs", "bn_weight")) {
    const char *const names[4] = {"bn_weight", "bn_bias", "running_mean", "running_var"};
    array p[4];
    kh_tensor normal = y.view;
    normal.data = floats(n);
    kh_case b = kh_new("BatchNormalization");
    kh_in(&b, out);
    for (int i = 0; i < 4; ++i) {
      p[i] = load(g, c, "inputs", names[i]);
      kh_in(&b, kh_const(p[i].view));
    }
    kh_out(&b, normal);
    b.params.epsilon = (float)golden_number(params, "eps");
    b.act_lo = relu ? 0.0f : -INFINITY;
    kh_run(&b);
    memcpy(out.data, normal.data, sizeof(float) * (size_t)n);
    free(normal.data);
    for (int i = 0; i < 4; ++i)
      qe_tensor_release(&p[i].tensor);
  }
  close_to(y.view.data, out.data, n, 1e-5, name);
  free(out.data);
  qe_tensor_release(&x.tensor);
  qe_tensor_release(&w.tensor);
  qe_tensor_release(&bias.tensor);
  qe_tensor_release(&y.tensor);
}

Test(reference_golden, layers) {
  golden g;
  golden_open(&g, "fuse");
  cr_assert_gt(golden_count(&g), 0u);
  for (size_t i = 0; i < golden_count(&g); ++i)
    check_layers(&g, golden_case(&g, i));
  golden_close(&g);
}

/* torch's gate order to ONNX's: LSTM i f g o -> i o f c, GRU r z n -> z r h. */
static void reorder(const float *from, float *to, int64_t gates, int64_t rows_of_gate, int64_t columns) {
  static const int64_t lstm[4] = {0, 3, 1, 2}, gru[3] = {1, 0, 2};
  const int64_t *order = gates == 4 ? lstm : gru, block = rows_of_gate * columns;
  for (int64_t i = 0; i < gates; ++i)
    memcpy(to + i * block, from + order[i] * block, sizeof(float) * (size_t)block);
}

/* One named parameter of a layer for all directions, gates reordered: `to` plus `step` floats per direction. */
static void take(const golden *g, const json_t *c, const char *what, int layer, int64_t directions, int64_t gates,
                 int64_t hidden, int64_t columns, float *to, int64_t step) {
  for (int64_t dir = 0; dir < directions; ++dir) {
    char name[64];
    snprintf(name, sizeof name, "%s_l%d%s", what, layer, dir ? "_reverse" : "");
    array a = load(g, c, "inputs", name);
    cr_assert(a.tensor, "%s", name);
    cr_assert_eq(kh_count(&a.view), gates * hidden * columns, "%s", name);
    reorder(a.view.data, to + dir * step, gates, hidden, columns);
    qe_tensor_release(&a.tensor);
  }
}

static void check_recurrent(const golden *g, const json_t *c) {
  const json_t *params = json_object_get(c, "params");
  const bool lstm = strncmp(golden_text(c, "op"), "lstm", 4) == 0;
  const bool batch_first = golden_number(params, "batch_first") != 0.0;
  const int64_t directions = golden_number(params, "bidirectional") != 0.0 ? 2 : 1, gates = lstm ? 4 : 3;
  const int64_t H = (int64_t)golden_number(params, "hidden_size");
  const int layers = (int)golden_number(params, "num_layers");
  array x = load(g, c, "inputs", "x"), h0 = load(g, c, "inputs", "h0"), c0 = load(g, c, "inputs", "c0");
  array y = load(g, c, "expected", "y_float");
  const int64_t T = x.view.dims[batch_first ? 1 : 0], B = x.view.dims[batch_first ? 0 : 1];
  int64_t inputs = x.view.dims[2];
  float *current = floats(T * B * inputs); /* [T, B, features] */
  for (int64_t t = 0; t < T; ++t)
    for (int64_t b = 0; b < B; ++b)
      memcpy(current + (t * B + b) * inputs, (float *)x.view.data + (batch_first ? b * T + t : t * B + b) * inputs,
             sizeof(float) * (size_t)inputs);
  for (int layer = 0; layer < layers; ++layer) {
    float *w = floats(directions * gates * H * inputs), *r = floats(directions * gates * H * H);
    float *bias = floats(directions * 2 * gates * H), *out = floats(T * directions * B * H);
    take(g, c, "weight_ih", layer, directions, gates, H, inputs, w, gates * H * inputs);
    take(g, c, "weight_hh", layer, directions, gates, H, H, r, gates * H * H);
    take(g, c, "bias_ih", layer, directions, gates, H, 1, bias, 2 * gates * H);
    take(g, c, "bias_hh", layer, directions, gates, H, 1, bias + gates * H, 2 * gates * H);
    kh_case k = kh_new(lstm ? "LSTM" : "GRU");
    kh_in(&k, KH_F32(current, T, B, inputs));
    kh_in(&k, kh_const(KH_F32(w, directions, gates * H, inputs)));
    kh_in(&k, kh_const(KH_F32(r, directions, gates * H, H)));
    kh_in(&k, KH_F32(bias, directions, 2 * gates * H));
    kh_in(&k, KH_NONE);
    kh_in(&k, KH_F32((float *)h0.view.data + layer * directions * B * H, directions, B, H));
    if (lstm)
      kh_in(&k, KH_F32((float *)c0.view.data + layer * directions * B * H, directions, B, H));
    kh_out(&k, KH_F32(out, T, directions, B, H));
    k.params.mode = directions == 2 ? 2 : 0;
    k.params.select_last_index = !lstm; /* torch's GRU multiplies after the linear map */
    kh_run(&k);
    free(current);
    inputs = directions * H;
    current = floats(T * B * inputs);
    for (int64_t t = 0; t < T; ++t)
      for (int64_t dir = 0; dir < directions; ++dir)
        for (int64_t b = 0; b < B; ++b)
          memcpy(current + (t * B + b) * inputs + dir * H, out + ((t * directions + dir) * B + b) * H,
                 sizeof(float) * (size_t)H);
    free(w);
    free(r);
    free(bias);
    free(out);
  }
  float *ordered = floats(T * B * inputs);
  for (int64_t t = 0; t < T; ++t)
    for (int64_t b = 0; b < B; ++b)
      memcpy(ordered + (batch_first ? b * T + t : t * B + b) * inputs, current + (t * B + b) * inputs,
             sizeof(float) * (size_t)inputs);
  close_to(y.view.data, ordered, T * B * inputs, 1e-5, golden_text(c, "name"));
  free(current);
  free(ordered);
  qe_tensor_release(&x.tensor);
  qe_tensor_release(&h0.tensor);
  qe_tensor_release(&c0.tensor);
  qe_tensor_release(&y.tensor);
}

Test(reference_golden, recurrent) {
  golden g;
  size_t checked = 0;
  golden_open(&g, "qdynamic");
  for (size_t i = 0; i < golden_count(&g); ++i) {
    const json_t *c = golden_case(&g, i);
    if (strcmp(golden_text(c, "op"), "lstm_dynamic") != 0 && strcmp(golden_text(c, "op"), "gru_dynamic") != 0)
      continue;
    check_recurrent(&g, c);
    ++checked;
  }
  cr_assert_eq(checked, 8u, "checked %zu cases", checked);
  golden_close(&g);
}
