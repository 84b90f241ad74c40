/*
 * LSTM, GRU and RNN on codes, and dynamically quantized, against a plain implementation: the sums in int64, dynamic
 * parameters as ONNX writes DynamicQuantizeLinear, activations of the engine itself. The batch goes through time
 * together.
 */
#include "int_support.h"

enum { LSTM, GRU, RNN };
enum { MOST_BATCH = 4, MOST_WIDTH = 12, MOST_ROW = 4 * MOST_WIDTH };
static const char *const names[2][3] = {{"DynamicQuantizeLSTM", "DynamicQuantizeGRU", "DynamicQuantizeRNN"},
                                        {"LSTM", "GRU", "RNN"}};
static const int gate_count[3] = {4, 3, 1};

typedef struct setup {
  int op;
  int64_t steps, batch, inputs, hidden;
  uint32_t direction; /* 0 forward, 1 reverse, 2 both */
  bool layout, bias, lengths, initial, peephole, variant, constant, relu, channels, is_signed, zero_x;
  bool fixed, signed_y; /* on codes: parameters of X and Y are given; signed_y: they are int8 */
  float clip;
} setup;

static struct data {
  float x[600], b[200], h0[120], c0[120], p[80];
  uint8_t w[2000], r[2000], wz[100], rz[100];
  float ws[100], rs[100];
  uint8_t xq[600], yq[600], want_q[600]; /* codes of X and Y */
  float x_scale, y_scale;
  int32_t x_zero, y_zero, zeros[2][100]; /* and of W and R as parameters */
  float y[600], yh[120], yc[120], want[600], want_h[120], want_c[120];
  int32_t lengths[MOST_BATCH];
} d;

static float activate(const setup *s, bool gate, float x) {
  x = fminf(fmaxf(x, -s->clip), s->clip);
  return kh_activation(gate ? "Sigmoid" : s->relu ? "Relu" : "Tanh", x);
}

/* Codes of n numbers and their parameters. */
typedef struct codes {
  float scale;
  int zero, q[600];
} codes;

static codes quantize(const float *x, int64_t n) {
  codes c = {.scale = 0.0f};
  float lo = 0.0f, hi = 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    lo = fminf(lo, x[i]);
    hi = fmaxf(hi, x[i]);
  }
  c.scale = (hi - lo) / 255.0f;
  c.scale = c.scale == 0.0f ? 1.0f : c.scale;
  c.zero = (int)rintf(fminf(fmaxf(-lo / c.scale, 0.0f), 255.0f));
  for (int64_t i = 0; i < n; ++i)
    c.q[i] = (int)fminf(fmaxf(rintf(x[i] / c.scale) + (float)c.zero, 0.0f), 255.0f);
  return c;
}

/* H and the like as Y's codes. */
static codes quantize_as_y(const setup *s, const float *x, int64_t n) {
  codes c = {.scale = d.y_scale, .zero = d.y_zero};
  const float lo = s->signed_y ? -128.0f : 0.0f;
  for (int64_t i = 0; i < n; ++i)
    c.q[i] = (int)fminf(fmaxf(rintf(x[i] / c.scale) + (float)c.zero, lo), lo + 255.0f);
  return c;
}

static void settle(const setup *s, float *h) {
  const codes c = quantize_as_y(s, h, s->fixed ? s->hidden : 0);
  for (int64_t j = 0; j < s->hidden && s->fixed; ++j)
    h[j] = (float)(c.q[j] - c.zero) * c.scale;
}

/* (float)sum * (scale of the input * scale of the column) + bias of one column of W or R */
static float column(const setup *s, const codes *x, int64_t at, int64_t k, const uint8_t *w, const float *scales,
                    const uint8_t *zeros, int64_t dir, int64_t gate, const float *bias) {
  const int64_t row = gate_count[s->op] * s->hidden, at_dir = s->fixed ? 0 : dir;
  const int64_t which = s->channels ? at_dir * row + gate : at_dir;
  const int zero = s->is_signed ? (int8_t)zeros[which] : zeros[which];
  int64_t sum = 0;
  for (int64_t i = 0; i < k; ++i) {
    const uint8_t byte = w[s->fixed ? (dir * row + gate) * k + i : (dir * k + i) * row + gate];
    sum += (int64_t)(x->q[at + i] - x->zero) * ((s->is_signed ? (int8_t)byte : byte) - zero);
  }
  const float y = (float)sum * (x->scale * scales[which]);
  return bias ? y + *bias : y;
}

typedef struct rows {
  float h[MOST_BATCH][MOST_WIDTH], c[MOST_BATCH][MOST_WIDTH], reset[MOST_BATCH][MOST_WIDTH];
  float xg[MOST_BATCH][MOST_ROW], hg[MOST_BATCH][MOST_ROW];
} rows;

static void lstm_cell(const setup *s, rows *v, int64_t b, const float *p) {
  const int64_t H = s->hidden;
  for (int64_t j = 0; j < H; ++j) {
    float in[4];
    for (int g = 0; g < 4; ++g)
      in[g] = v->xg[b][g * H + j] + v->hg[b][g * H + j];
    if (s->peephole) {
      in[0] += p[j] * v->c[b][j];
      in[2] += p[2 * H + j] * v->c[b][j];
    }
    const float input = activate(s, true, in[0]), forget = s->variant ? 1.0f - input : activate(s, true, in[2]);
    v->c[b][j] = forget * v->c[b][j] + input * activate(s, false, in[3]);
    if (s->peephole)
      in[1] += p[H + j] * v->c[b][j];
    v->h[b][j] = activate(s, true, in[1]) * activate(s, false, v->c[b][j]);
  }
}

/* hg of gates [from, to) of every row, from one quantization of all of them. */
static void hidden_sums(const setup *s, rows *v, float (*h)[MOST_WIDTH], int64_t dir, int64_t from, int64_t to) {
  float all[MOST_BATCH * MOST_WIDTH];
  const int64_t H = s->hidden, row = gate_count[s->op] * H;
  for (int64_t i = 0; i < s->batch * H; ++i)
    all[i] = h[i / H][i % H];
  const codes q = s->fixed ? quantize_as_y(s, all, s->batch * H) : quantize(all, s->batch * H);
  for (int64_t b = 0; b < s->batch; ++b)
    for (int64_t g = from * H; g < to * H; ++g)
      v->hg[b][g] = column(s, &q, b * H, H, d.r, d.rs, d.rz, dir, g, s->bias ? d.b + dir * 2 * row + row + g : NULL);
}

static void naive_direction(const setup *s, const codes *x, int64_t dir) {
  const int64_t H = s->hidden, D = s->direction == 2 ? 2 : 1, row = gate_count[s->op] * H;
  static rows v;
  memset(&v, 0, sizeof v);
  for (int64_t i = 0; i < s->batch * H && s->initial; ++i) {
    const int64_t b = i / H, at = (s->layout ? b * D + dir : dir * s->batch + b) * H + i % H;
    v.h[b][i % H] = d.h0[at];
    v.c[b][i % H] = d.c0[at];
  }
  for (int64_t b = 0; b < s->batch; ++b)
    settle(s, v.h[b]);
  for (int64_t step = 0; step < s->steps; ++step) {
    int64_t time[MOST_BATCH];
    for (int64_t b = 0; b < s->batch; ++b) {
      const int64_t length = s->lengths ? d.lengths[b] : s->steps;
      time[b] = step >= length ? -1 : dir == 1 || s->direction == 1 ? length - 1 - step : step;
      const int64_t at = (s->layout ? b * s->steps + time[b] : time[b] * s->batch + b) * s->inputs;
      for (int64_t g = 0; g < row && time[b] >= 0; ++g)
        v.xg[b][g] =
            column(s, x, at, s->inputs, d.w, d.ws, d.wz, dir, g, s->bias ? d.b + dir * 2 * row + g : NULL);
    }
    const bool twice = s->op == GRU && !s->variant;
    hidden_sums(s, &v, v.h, dir, 0, twice ? 2 : gate_count[s->op]);
    for (int64_t i = 0; i < s->batch * H && s->op == GRU; ++i) {
      const int64_t b = i / H, j = i % H;
      const float r = time[b] < 0 ? 0.0f : activate(s, true, v.xg[b][H + j] + v.hg[b][H + j]);
      v.reset[b][j] = s->variant ? r : r * v.h[b][j];
    }
    if (twice)
      hidden_sums(s, &v, v.reset, dir, 2, 3);
    for (int64_t b = 0; b < s->batch; ++b) {
      if (time[b] < 0)
        continue;
      if (s->op == LSTM)
        lstm_cell(s, &v, b, d.p + dir * 3 * H);
      for (int64_t j = 0; j < H && s->op != LSTM; ++j) {
        if (s->op == RNN) {
          v.h[b][j] = activate(s, false, v.xg[b][j] + v.hg[b][j]);
          continue;
        }
        const float hidden = s->variant ? v.reset[b][j] * v.hg[b][2 * H + j] : v.hg[b][2 * H + j];
        const float z = activate(s, true, v.xg[b][j] + v.hg[b][j]),
                    candidate = activate(s, false, v.xg[b][2 * H + j] + hidden);
        v.h[b][j] = (1.0f - z) * candidate + z * v.h[b][j];
      }
      settle(s, v.h[b]);
      const int64_t at = (s->layout ? (b * s->steps + time[b]) * D + dir : (time[b] * D + dir) * s->batch + b) * H;
      memcpy(d.want + at, v.h[b], sizeof(float) * (size_t)H);
    }
  }
  for (int64_t b = 0; b < s->batch; ++b) {
    const int64_t at = (s->layout ? b * D + dir : dir * s->batch + b) * H;
    memcpy(d.want_h + at, v.h[b], sizeof(float) * (size_t)H);
    memcpy(d.want_c + at, v.c[b], sizeof(float) * (size_t)H);
  }
}

static void fill(const setup *s, uint64_t *seed) {
  kh_fill_f32(seed, d.x, 600, s->zero_x ? 0.0f : -3.0f, s->zero_x ? 0.0f : 2.0f);
  kh_fill_f32(seed, d.b, 200, -0.5f, 0.5f);
  kh_fill_f32(seed, d.h0, 120, -1.0f, 1.0f);
  kh_fill_f32(seed, d.c0, 120, -1.0f, 1.0f);
  kh_fill_f32(seed, d.p, 80, -0.5f, 0.5f);
  kh_fill_f32(seed, d.ws, 100, 0.001f, 0.005f);
  kh_fill_f32(seed, d.rs, 100, 0.001f, 0.005f);
  ti_bytes(seed, d.w, 2000);
  ti_bytes(seed, d.r, 2000);
  ti_bytes(seed, d.wz, 100);
  ti_bytes(seed, d.rz, 100);
  for (int i = 0; i < MOST_BATCH; ++i)
    d.lengths[i] = (int32_t)kh_int(seed, 0, s->steps);
  memset(d.want, 0, sizeof d.want);
  ti_bytes(seed, d.xq, 600);
  d.x_scale = kh_float(seed, 0.01f, 0.04f);
  d.y_scale = kh_float(seed, 0.004f, 0.02f);
  d.x_zero = ti_zero(seed, s->signed_y ? QE_DT_I8 : QE_DT_U8);
  d.y_zero = ti_zero(seed, s->signed_y ? QE_DT_I8 : QE_DT_U8);
  for (int i = 0; i < 100; ++i) {
    d.zeros[0][i] = s->is_signed ? (int8_t)d.wz[i] : d.wz[i];
    d.zeros[1][i] = s->is_signed ? (int8_t)d.rz[i] : d.rz[i];
  }
}

/* W, R and X of the dynamic ops, or of those on codes. */
static void add_inputs(const setup *s, kh_case *c) {
  const int64_t D = s->direction == 2 ? 2 : 1, H = s->hidden, row = gate_count[s->op] * H, B = s->batch, T = s->steps;
  const uint8_t type = s->is_signed ? QE_DT_I8 : QE_DT_U8, y_type = s->signed_y ? QE_DT_I8 : QE_DT_U8;
  kh_tensor x = s->layout ? KH_F32(d.x, B, T, s->inputs) : KH_F32(d.x, T, B, s->inputs);
  if (!s->fixed) {
    kh_in(c, x);
    kh_in(c, KH(type, d.w, D, s->inputs, row));
    kh_in(c, KH(type, d.r, D, H, row));
    return;
  }
  const uint32_t count = s->channels ? (uint32_t)row : 1;
  const int32_t axis = s->channels && row > 1 ? 1 : -1;
  x.dtype = y_type;
  x.data = d.xq;
  kh_in(c, kh_quantized(x, 1, -1, &d.x_scale, &d.x_zero));
  kh_in(c, kh_quantized(KH(type, d.w, D, row, s->inputs), count, axis, d.ws, d.zeros[0]));
  kh_in(c, kh_quantized(KH(type, d.r, D, row, H), count, axis, d.rs, d.zeros[1]));
  c->quantized = true;
}

static void add_parameters(const setup *s, kh_case *c) {
  const int64_t D = s->direction == 2 ? 2 : 1, row = gate_count[s->op] * s->hidden;
  const uint8_t type = s->is_signed ? QE_DT_I8 : QE_DT_U8;
  const uint32_t first = c->n_in;
  kh_in(c, s->channels ? KH_F32(d.ws, D, row) : KH_F32(d.ws, D));
  kh_in(c, s->channels ? KH(type, d.wz, D, row) : KH(type, d.wz, D));
  kh_in(c, s->channels ? KH_F32(d.rs, D, row) : KH_F32(d.rs, D));
  kh_in(c, s->channels ? KH(type, d.rz, D, row) : KH(type, d.rz, D));
  c->in[first + 1].constant = c->in[first + 3].constant = s->constant;
}

static void add_outputs(const setup *s, kh_case *c) {
  const int64_t D = s->direction == 2 ? 2 : 1, H = s->hidden, B = s->batch, T = s->steps;
  kh_tensor y = s->layout ? KH_F32(d.y, B, T, D, H) : KH_F32(d.y, T, D, B, H);
  if (s->fixed) {
    y.dtype = s->signed_y ? QE_DT_I8 : QE_DT_U8;
    y.data = d.yq;
    y = kh_quantized(y, 1, -1, &d.y_scale, &d.y_zero);
  }
  kh_out(c, y);
  kh_out(c, s->layout ? KH_F32(d.yh, B, D, H) : KH_F32(d.yh, D, B, H));
  if (s->op == LSTM)
    kh_out(c, s->layout ? KH_F32(d.yc, B, D, H) : KH_F32(d.yc, D, B, H));
}

static void check(const setup *s, uint64_t seed) {
  const int64_t D = s->direction == 2 ? 2 : 1, H = s->hidden, row = gate_count[s->op] * H, B = s->batch, T = s->steps;
  fill(s, &seed);
  kh_case c = kh_new(names[s->fixed][s->op]);
  add_inputs(s, &c);
  c.in[1].constant = c.in[2].constant = s->constant;
  kh_in(&c, s->bias ? KH_F32(d.b, D, 2 * row) : KH_NONE);
  kh_in(&c, s->lengths ? KH(QE_DT_I32, d.lengths, B) : KH_NONE);
  kh_in(&c, !s->initial ? KH_NONE : s->layout ? KH_F32(d.h0, B, D, H) : KH_F32(d.h0, D, B, H));
  if (s->op == LSTM) {
    kh_in(&c, !s->initial ? KH_NONE : s->layout ? KH_F32(d.c0, B, D, H) : KH_F32(d.c0, D, B, H));
    kh_in(&c, s->peephole ? KH_F32(d.p, D, 3 * H) : KH_NONE);
  }
  if (!s->fixed)
    add_parameters(s, &c);
  add_outputs(s, &c);
  c.params.axis = s->layout;
  c.params.mode = s->direction;
  c.params.clip_hi = s->clip;
  c.params.select_last_index = s->variant;
  for (int i = 0; i < 6 && s->relu; ++i)
    c.params.perm[i] = s->op == RNN || i % 3 != 0 ? QE_RNN_RELU : QE_RNN_DEFAULT;
  c.seed = seed;
  kh_run(&c);
  codes x = s->fixed ? (codes){.scale = d.x_scale, .zero = d.x_zero} : quantize(d.x, T * B * s->inputs);
  for (int64_t i = 0; i < T * B * s->inputs && s->fixed; ++i)
    x.q[i] = s->signed_y ? (int8_t)d.xq[i] : d.xq[i];
  for (int64_t dir = 0; dir < D; ++dir)
    naive_direction(s, &x, dir);
  const codes y = quantize_as_y(s, d.want, T * D * B * H);
  for (int64_t i = 0; i < T * D * B * H && s->fixed; ++i)
    ti_store8(d.want_q, i, y.q[i]);
  if (s->fixed)
    ti_same_bytes(d.want_q, d.yq, T * D * B * H, names[1][s->op], seed);
  else
    kh_same_f32(d.want, d.y, T * D * B * H, names[0][s->op]);
  kh_same_f32(d.want_h, d.yh, D * B * H, "final state");
  if (s->op == LSTM)
    kh_same_f32(d.want_c, d.yc, D * B * H, "final cell");
}

static void check_random(int op, bool fixed, uint64_t first) {
  for (uint64_t seed = first; seed < first + 48; ++seed) {
    uint64_t r = seed;
    const setup s = {.op = op,
                     .fixed = fixed,
                     .steps = kh_int(&r, 0, 5),
                     .batch = kh_int(&r, 1, MOST_BATCH),
                     .inputs = kh_int(&r, 1, 9),
                     .hidden = kh_int(&r, 1, MOST_WIDTH),
                     .direction = (uint32_t)(seed % 3),
                     .layout = kh_next(&r) & 1,
                     .bias = kh_next(&r) & 1,
                     .lengths = kh_next(&r) & 1,
                     .initial = kh_next(&r) & 1,
                     .peephole = kh_next(&r) & 1,
                     .variant = kh_next(&r) & 1,
                     .constant = kh_next(&r) & 1,
                     .relu = kh_next(&r) & 1,
                     .channels = kh_next(&r) & 1,
                     .is_signed = kh_next(&r) & 1,
                     .signed_y = kh_next(&r) & 1,
                     .zero_x = kh_int(&r, 0, 7) == 0,
                     .clip = kh_next(&r) & 1 ? 0.3f : INFINITY};
    cr_log_info("seed %llu", (unsigned long long)seed);
    check(&s, r);
  }
}

Test(reference_dynamic_recurrent, lstm) { check_random(LSTM, false, 1); }
Test(reference_dynamic_recurrent, gru) { check_random(GRU, false, 100); }
Test(reference_dynamic_recurrent, rnn) { check_random(RNN, false, 200); }
Test(reference_static_recurrent, lstm) { check_random(LSTM, true, 300); }
Test(reference_static_recurrent, gru) { check_random(GRU, true, 400); }
Test(reference_static_recurrent, rnn) { check_random(RNN, true, 500); }

/* Two rows whose H differs by 100 times: the quantum of the one is that of the other. */
Test(reference_dynamic_recurrent, rows_of_a_batch_share_the_quantum_of_h) {
  float x[4] = {0}, h0[2] = {1.0f, 0.005f}, alone[1], both[4], one = 1.0f;
  int8_t w[2] = {0, 0}, r[1] = {1}, zero = 0;
  kh_case c = kh_new("DynamicQuantizeRNN");
  kh_in(&c, KH_F32(x, 1, 2, 2));
  kh_in(&c, KH(QE_DT_I8, w, 1, 2, 1));
  kh_in(&c, KH(QE_DT_I8, r, 1, 1, 1));
  kh_in(&c, KH_NONE);
  kh_in(&c, KH_NONE);
  kh_in(&c, KH_F32(h0, 1, 2, 1));
  for (int i = 0; i < 2; ++i) {
    kh_in(&c, KH_F32(&one, 1));
    kh_in(&c, KH(QE_DT_I8, &zero, 1));
  }
  kh_out(&c, KH_F32(both, 1, 1, 2, 1));
  for (int i = 0; i < 6; ++i)
    c.params.perm[i] = QE_RNN_RELU;
  kh_run(&c);
  const float quantum = 1.0f / 255.0f;
  kh_same_f32((float[]){255.0f * quantum, 1.0f * quantum}, both, 2, "both rows");
  c.in[0] = KH_F32(x, 1, 1, 2);
  c.in[5] = KH_F32(h0 + 1, 1, 1, 1);
  c.out[0] = KH_F32(alone, 1, 1, 1, 1);
  kh_run(&c);
  cr_assert_float_eq(alone[0], 0.005f, 1e-8f, "alone the row has a quantum of its own: %g", (double)alone[0]);
}

Test(reference_dynamic_recurrent, misfits_are_refused) {
  float x[4] = {0}, scale[2] = {1.0f, 1.0f}, y[4];
  static int8_t w[2 * 40000], r[2] = {0}, zero[4] = {0};
  kh_case c = kh_new("DynamicQuantizeRNN");
  kh_in(&c, KH_F32(x, 2, 2, 1));
  kh_in(&c, KH(QE_DT_I8, w, 1, 1, 1));
  kh_in(&c, KH(QE_DT_I8, r, 1, 1, 1));
  for (int i = 0; i < 3; ++i)
    kh_in(&c, KH_NONE);
  for (int i = 0; i < 2; ++i) {
    kh_in(&c, KH_F32(scale, 1));
    kh_in(&c, KH(QE_DT_I8, zero, 1));
  }
  kh_out(&c, KH_F32(y, 2, 1, 2, 1));
  kh_run(&c);
  const kh_case good = c;
  c.in[6] = KH_NONE;
  kh_refused(&c, "input 6");
  c.in[6] = KH_F32(scale, 2);
  kh_refused(&c, "input 6");
  c = good;
  c.in[9] = KH(QE_DT_U8, zero, 1);
  kh_refused(&c, "input 9, expected int8");
  c = good;
  c.in[7] = KH(QE_DT_I8, zero, 1, 1);
  kh_refused(&c, "input 7");
  c = good;
  c.in[1] = KH(QE_DT_I16, w, 1, 1, 1);
  kh_refused(&c, "input 1 is int16");
  c = good;
  c.in[0] = KH_F32(x, 0, 2, 40000);
  c.in[1] = KH(QE_DT_I8, w, 1, 40000, 1);
  c.out[0] = KH_F32(y, 0, 1, 2, 1);
  kh_refused(&c, "2^31");
  c.in[1].constant = c.in[2].constant = c.in[7].constant = c.in[9].constant = true;
  kh_run(&c);
}

Test(reference_static_recurrent, misfits_are_refused) {
  uint8_t x[4] = {0}, y[4];
  static int8_t w[8], r[8];
  float yh[4];
  const float scale[4] = {1.0f, 1.0f, 1.0f, 1.0f};
  const int32_t zero[4] = {0};
  kh_case c = kh_new("LSTM");
  kh_in(&c, kh_quantized(KH(QE_DT_U8, x, 2, 2, 1), 1, -1, scale, zero));
  kh_in(&c, kh_quantized(KH(QE_DT_I8, w, 1, 4, 1), 4, 1, scale, zero));
  kh_in(&c, kh_quantized(KH(QE_DT_I8, r, 1, 4, 1), 1, -1, scale, zero));
  kh_out(&c, kh_quantized(KH(QE_DT_U8, y, 2, 1, 2, 1), 1, -1, scale, zero));
  kh_out(&c, KH_F32(yh, 1, 2, 1));
  c.quantized = true;
  kh_run(&c);
  const kh_case good = c;
  c.in[1].q_axis = 0;
  kh_refused(&c, "input 1 is int8 with 4 parameters");
  c = good;
  c.in[2].q_count = 0;
  kh_refused(&c, "input 2");
  c = good;
  c.out[0] = KH_F32(yh, 2, 1, 2, 1);
  kh_refused(&c, "X and Y");
  c = good;
  c.out[1] = KH(QE_DT_U8, y, 1, 2, 1);
  kh_refused(&c, "output 1");
}
