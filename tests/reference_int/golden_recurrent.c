/*
 * DynamicQuantizeLSTM, -GRU and -RNN against torch's dynamic modules (../shared/golden/qdynamic), layer by layer.
 *
 * torch chooses parameters by another routine than DynamicQuantizeLinear (scale in double, the zero point from the end
 * of the range with the smaller error) and multiplies by 1 / scale. On these vectors its qnnpack engine takes the
 * same codes everywhere: of 2,816 numbers none is more than 2.4e-7 away (2026-11-29), which is tanh and exp of
 * another library. Its onednn engine quantizes activations to 7 bits (reduce_range), with twice our quantum: that is
 * up to 0.014 in h and c here.
 */
#include "int_support.h"
#include "support/golden.h"

enum { MOST = 8192 };
static const double bounds[2] = {1e-6, 0.03}; /* of qnnpack, onednn */

typedef struct weights_and_data {
  const char *op;
  int64_t gates, steps, batch, inputs, hidden, directions;
  float x[MOST], y[MOST], h0[MOST], c0[MOST], hn[MOST], cn[MOST], bias[MOST];
  int8_t w[MOST], r[MOST], zero[2];
  float w_scale[2], r_scale[2];
} weights_and_data;

static weights_and_data l;

/* The place of torch's gates (i f g o; r z n) in ONNX's order (i o f c; z r h). */
static const int64_t places[5][4] = {[1] = {0}, [3] = {1, 0, 2}, [4] = {0, 2, 3, 1}};

static qe_tensor_t *tensor(const golden *g, const json_t *c, const char *section, const char *format, const char *part,
                           const char *suffix) {
  char name[64];
  snprintf(name, sizeof name, format, part, suffix);
  return golden_tensor(g, c, section, name);
}

/*
 * torch's weights [gates * hidden, k] as codes [k, gates * hidden] in ONNX's order: per tensor, symmetric over 127.5.
 * Returns the scale.
 */
static float quantize(const qe_tensor_t *t, int64_t gates, int8_t *to) {
  const float *w = qe_tensor_const_data(t);
  const int64_t rows = qe_tensor_dims(t)[0], k = qe_tensor_dims(t)[1], hidden = rows / gates;
  float most = 0.0f;
  for (int64_t i = 0; i < rows * k; ++i)
    most = fmaxf(most, fabsf(w[i]));
  const float scale = most / 127.5f, inverse = 1.0f / scale;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < k; ++j) {
      const float q = fminf(fmaxf(rintf(w[i * k + j] * inverse), -128.0f), 127.0f);
      to[j * rows + places[gates][i / hidden] * hidden + i % hidden] = (int8_t)q;
    }
  return scale;
}

static void load_bias(const qe_tensor_t *t, int64_t gates, float *to) {
  const int64_t rows = qe_tensor_dims(t)[0], hidden = rows / gates;
  for (int64_t i = 0; i < rows; ++i)
    to[places[gates][i / hidden] * hidden + i % hidden] = ((const float *)qe_tensor_const_data(t))[i];
}

/* Weights of one direction; suffix "_l0", "_l1_reverse", "". */
static void load_direction(const golden *g, const json_t *c, const char *suffix, int64_t d) {
  qe_tensor_t *w = tensor(g, c, "inputs", "%s%s", "weight_ih", suffix),
              *r = tensor(g, c, "inputs", "%s%s", "weight_hh", suffix),
              *bw = tensor(g, c, "inputs", "%s%s", "bias_ih", suffix),
              *br = tensor(g, c, "inputs", "%s%s", "bias_hh", suffix);
  const int64_t rows = l.gates * l.hidden;
  cr_assert(w && r && bw && br, "weights%s", suffix);
  l.inputs = qe_tensor_dims(w)[1];
  cr_assert_leq(2 * rows * (l.inputs > l.hidden ? l.inputs : l.hidden), MOST);
  l.w_scale[d] = quantize(w, l.gates, l.w + d * rows * l.inputs);
  l.r_scale[d] = quantize(r, l.gates, l.r + d * rows * l.hidden);
  load_bias(bw, l.gates, l.bias + d * 2 * rows);
  load_bias(br, l.gates, l.bias + d * 2 * rows + rows);
  qe_tensor_t *codes = tensor(g, c, "expected", "%s%s_codes", "weight_ih", suffix);
  for (int64_t i = 0; codes && i < rows * l.inputs; ++i) { /* torch's, where they are recorded */
    const int64_t row = i / l.inputs, at = places[l.gates][row / l.hidden] * l.hidden + row % l.hidden;
    cr_assert_eq(((const int8_t *)qe_tensor_const_data(codes))[i], l.w[i % l.inputs * rows + at]);
  }
  qe_tensor_release(&codes);
  qe_tensor_release(&w);
  qe_tensor_release(&r);
  qe_tensor_release(&bw);
  qe_tensor_release(&br);
}

static void run_layer(void) {
  const int64_t D = l.directions, rows = l.gates * l.hidden;
  kh_case c = kh_new(l.op);
  kh_in(&c, KH_F32(l.x, l.steps, l.batch, l.inputs));
  kh_in(&c, kh_const(KH(QE_DT_I8, l.w, D, l.inputs, rows)));
  kh_in(&c, kh_const(KH(QE_DT_I8, l.r, D, l.hidden, rows)));
  kh_in(&c, KH_F32(l.bias, D, 2 * rows));
  kh_in(&c, KH_NONE);
  kh_in(&c, KH_F32(l.h0, D, l.batch, l.hidden));
  if (l.gates == 4) {
    kh_in(&c, KH_F32(l.c0, D, l.batch, l.hidden));
    kh_in(&c, KH_NONE);
  }
  kh_in(&c, KH_F32(l.w_scale, D));
  kh_in(&c, kh_const(KH(QE_DT_I8, l.zero, D)));
  kh_in(&c, KH_F32(l.r_scale, D));
  kh_in(&c, kh_const(KH(QE_DT_I8, l.zero, D)));
  kh_out(&c, KH_F32(l.y, l.steps, D, l.batch, l.hidden));
  kh_out(&c, KH_F32(l.hn, D, l.batch, l.hidden));
  if (l.gates == 4)
    kh_out(&c, KH_F32(l.cn, D, l.batch, l.hidden));
  c.params.mode = D == 2 ? 2 : 0;
  c.params.select_last_index = l.gates == 3; /* torch's reset gate comes after the product */
  kh_run(&c);
}

static struct { long numbers; double worst[2]; } seen;

static void compare(const char *name, const qe_tensor_t *want, const float *got, int64_t n, int engine) {
  cr_assert_eq(qe_tensor_count(want), n, "%s", name);
  for (int64_t i = 0; i < n; ++i) {
    const double off = fabs((double)((const float *)qe_tensor_const_data(want))[i] - (double)got[i]);
    ++seen.numbers;
    seen.worst[engine] = fmax(seen.worst[engine], off);
    cr_expect_leq(off, bounds[engine], "%s: element %ld is %g from torch's", name, (long)i, off);
  }
}

/* Y [steps, directions, batch, hidden] -> [steps, batch, directions * hidden], the next layer's x. */
static void join_directions(void) {
  const int64_t D = l.directions, B = l.batch, H = l.hidden;
  for (int64_t i = 0; i < l.steps * D * B; ++i) {
    const int64_t t = i / (D * B), d = i / B % D, b = i % B;
    memcpy(l.x + ((t * B + b) * D + d) * H, l.y + i * H, sizeof(float) * (size_t)H);
  }
}

static void load_into(const golden *g, const json_t *c, const char *name, int64_t first, int64_t n, float *to) {
  qe_tensor_t *t = golden_tensor(g, c, "inputs", name);
  if (t)
    memcpy(to, (const float *)qe_tensor_const_data(t) + first, sizeof(float) * (size_t)n);
  qe_tensor_release(&t);
}

static void check_case(const golden *g, const json_t *c) {
  static const struct {
    const char *op;
    int64_t gates;
  } ops[3] = {{"DynamicQuantizeLSTM", 4}, {"DynamicQuantizeGRU", 3}, {"DynamicQuantizeRNN", 1}};
  const char *op = golden_text(c, "op"), *name = golden_text(c, "name");
  const json_t *params = json_object_get(c, "params");
  const bool cell = strstr(op, "cell") != NULL;
  const int which = strncmp(op, "lstm", 4) == 0 ? 0 : strncmp(op, "gru", 3) == 0 ? 1 : 2;
  memset(&l, 0, sizeof l);
  l.op = ops[which].op;
  l.gates = ops[which].gates;
  qe_tensor_t *x = golden_tensor(g, c, "inputs", "x"), *h = golden_tensor(g, c, "inputs", cell ? "h" : "h0");
  const int64_t *dims = qe_tensor_dims(x), layers = cell ? 1 : (int64_t)golden_number(params, "num_layers");
  const bool batch_first = !cell && golden_number(params, "batch_first") != 0.0;
  l.directions = !cell && golden_number(params, "bidirectional") != 0.0 ? 2 : 1;
  l.steps = cell ? 1 : dims[batch_first ? 1 : 0];
  l.batch = cell ? dims[0] : dims[batch_first ? 0 : 1];
  l.hidden = qe_tensor_dims(h)[qe_tensor_rank(h) - 1];
  cr_assert(!batch_first || l.batch == 1, "%s: the batch would have to be turned", name);
  memcpy(l.x, qe_tensor_const_data(x), sizeof(float) * (size_t)qe_tensor_count(x));
  const int64_t state = l.directions * l.batch * l.hidden;
  static float hn[MOST], cn[MOST];
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (int64_t d = 0; d < l.directions; ++d) {
      char suffix[32] = "";
      if (!cell)
        snprintf(suffix, sizeof suffix, "_l%d%s", (int)layer, d == 1 ? "_reverse" : "");
      load_direction(g, c, suffix, d);
    }
    load_into(g, c, cell ? "h" : "h0", layer * state, state, l.h0);
    load_into(g, c, cell ? "c" : "c0", layer * state, state, l.c0);
    run_layer();
    memcpy(hn + layer * state, l.hn, sizeof(float) * (size_t)state);
    memcpy(cn + layer * state, l.cn, sizeof(float) * (size_t)state);
    join_directions();
  }
  for (int engine = 0; engine < 2; ++engine) {
    const char *suffix = engine == 0 ? "_qnnpack" : "_onednn";
    qe_tensor_t *y = tensor(g, c, "expected", "%s%s", cell ? "h" : "y", suffix),
                *want_h = tensor(g, c, "expected", "%s%s", "hn", suffix),
                *want_c = tensor(g, c, "expected", "%s%s", cell ? "c" : "cn", suffix);
    cr_assert(y, "%s: no result of torch", name);
    compare(name, y, l.x, l.steps * l.batch * l.directions * l.hidden, engine);
    if (want_h)
      compare(name, want_h, hn, layers * state, engine);
    if (want_c)
      compare(name, want_c, cn, layers * state, engine);
    qe_tensor_release(&y);
    qe_tensor_release(&want_h);
    qe_tensor_release(&want_c);
  }
  qe_tensor_release(&x);
  qe_tensor_release(&h);
}

static void check_op(const char *prefix, long least) {
  golden g;
  long cases = 0;
  golden_open(&g, "qdynamic");
  memset(&seen, 0, sizeof seen);
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    if (strncmp(golden_text(c, "op"), prefix, strlen(prefix)) != 0)
      continue;
    check_case(&g, c);
    ++cases;
  }
  cr_assert_geq(cases, least, "%ld cases of %s", cases, prefix);
  printf("golden qdynamic/%s*: %ld cases, %ld numbers; largest difference %.3g (qnnpack), %.3g (onednn)\n", prefix,
         cases, seen.numbers, seen.worst[0], seen.worst[1]);
  golden_close(&g);
}

Test(golden_recurrent, lstm) { check_op("lstm_dynamic", 4); }
Test(golden_recurrent, gru) { check_op("gru_dynamic", 4); }
Test(golden_recurrent, lstm_cell) { check_op("lstm_cell", 2); }
Test(golden_recurrent, gru_cell) { check_op("gru_cell", 2); }
Test(golden_recurrent, rnn_cell) { check_op("rnn_cell", 2); }
