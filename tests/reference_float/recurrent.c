/* LSTM, GRU and RNN against a straightforward ONNX implementation over the engine's own sigmoid and tanh. */
#include "naive.h"
#include "support/kernel_host.h"

enum { LSTM, GRU, RNN };
static const char *const names[3] = {"LSTM", "GRU", "RNN"};
static const int gate_count[3] = {4, 3, 1};

typedef struct setup {
  int op;
  int64_t steps, batch, inputs, hidden;
  uint32_t direction; /* 0 forward, 1 reverse, 2 both */
  bool layout, bias, lengths, initial, peephole, flag, constant, relu;
  float clip;
} setup;

static float activate(const setup *s, bool gate, float x) {
  x = fminf(fmaxf(x, -s->clip), s->clip);
  return kh_activation(gate ? "Sigmoid" : s->relu ? "Relu" : "Tanh", x);
}

static float dot(const float *x, const float *w, int64_t n) {
  naive_dot sum = {{0}};
  for (int64_t i = 0; i < n; ++i)
    naive_add(&sum, i, x[i], w[i]);
  return naive_total(&sum, n);
}

typedef struct data {
  float x[600], w[8000], r[8000], b[800], h0[200], c0[200], p[400];
  float y[2000], yh[200], yc[200], want[2000], want_h[200], want_c[200];
  int32_t lengths[8];
} data;
static data d;

static void naive_sequence(const setup *s, int64_t dir, int64_t b) {
  const int64_t H = s->hidden, G = gate_count[s->op], D = s->direction == 2 ? 2 : 1;
  const float *w = d.w + dir * G * H * s->inputs, *r = d.r + dir * G * H * H, *bias = d.b + dir * 2 * G * H,
              *p = d.p + dir * 3 * H;
  const int64_t state = (s->layout ? b * D + dir : dir * s->batch + b) * H;
  float h[16] = {0}, c[16] = {0};
  for (int64_t j = 0; j < H && s->initial; ++j) {
    h[j] = d.h0[state + j];
    c[j] = s->op == LSTM ? d.c0[state + j] : 0.0f;
  }
  const int64_t length = s->lengths ? d.lengths[b] : s->steps;
  const bool backward = dir == 1 || s->direction == 1;
  for (int64_t i = 0; i < length; ++i) {
    const int64_t t = backward ? length - 1 - i : i;
    const float *x = d.x + (s->layout ? b * s->steps + t : t * s->batch + b) * s->inputs;
    float old[16], reset[16], xg[64], hg[64];
    memcpy(old, h, sizeof old);
    for (int64_t g = 0; g < G * H; ++g) {
      xg[g] = dot(x, w + g * s->inputs, s->inputs);
      hg[g] = dot(old, r + g * H, H);
      if (s->bias) {
        xg[g] += bias[g];
        hg[g] += bias[G * H + g];
      }
    }
    for (int64_t j = 0; j < H; ++j) {
      if (s->op == RNN)
        h[j] = activate(s, false, xg[j] + hg[j]);
      if (s->op == GRU)
        reset[j] = activate(s, true, xg[H + j] + hg[H + j]);
      if (s->op != LSTM)
        continue;
      float in[4];
      for (int g = 0; g < 4; ++g)
        in[g] = xg[g * H + j] + hg[g * H + j];
      if (s->peephole) {
        in[0] += p[j] * c[j];
        in[2] += p[2 * H + j] * c[j];
      }
      const float input = activate(s, true, in[0]), forget = s->flag ? 1.0f - input : activate(s, true, in[2]);
      c[j] = forget * c[j] + input * activate(s, false, in[3]);
      if (s->peephole)
        in[1] += p[H + j] * c[j];
      h[j] = activate(s, true, in[1]) * activate(s, false, c[j]);
    }
    if (s->op == GRU) {
      float scaled[16];
      for (int64_t j = 0; j < H; ++j)
        scaled[j] = reset[j] * old[j];
      for (int64_t j = 0; j < H; ++j) {
        float hidden = hg[2 * H + j];
        if (s->flag)
          hidden = reset[j] * hidden;
        else
          hidden = dot(scaled, r + (2 * H + j) * H, H) + (s->bias ? bias[(G + 2) * H + j] : 0.0f);
        const float candidate = activate(s, false, xg[2 * H + j] + hidden), z = activate(s, true, xg[j] + hg[j]);
        h[j] = (1.0f - z) * candidate + z * old[j];
      }
    }
    const int64_t at = (s->layout ? (b * s->steps + t) * D + dir : (t * D + dir) * s->batch + b) * H;
    memcpy(d.want + at, h, sizeof(float) * (size_t)H);
  }
  memcpy(d.want_h + state, h, sizeof(float) * (size_t)H);
  memcpy(d.want_c + state, c, sizeof(float) * (size_t)H);
}

static void check(const setup *s, uint64_t seed) {
  const int64_t D = s->direction == 2 ? 2 : 1, H = s->hidden, G = gate_count[s->op], B = s->batch, T = s->steps;
  cr_assert(T * B * s->inputs <= 600 && D * G * H * s->inputs <= 8000 && H <= 16 && B <= 8 && T * D * B * H <= 2000);
  kh_fill_f32(&seed, d.x, 600, -1.0f, 1.0f);
  kh_fill_f32(&seed, d.w, 8000, -0.7f, 0.7f);
  kh_fill_f32(&seed, d.r, 8000, -0.7f, 0.7f);
  kh_fill_f32(&seed, d.b, 800, -0.5f, 0.5f);
  kh_fill_f32(&seed, d.h0, 200, -1.0f, 1.0f);
  kh_fill_f32(&seed, d.c0, 200, -1.0f, 1.0f);
  kh_fill_f32(&seed, d.p, 400, -0.5f, 0.5f);
  for (int i = 0; i < 8; ++i)
    d.lengths[i] = (int32_t)kh_int(&seed, 0, T);
  memset(d.want, 0, sizeof d.want);
  kh_case c = kh_new(names[s->op]);
  kh_in(&c, s->layout ? KH_F32(d.x, B, T, s->inputs) : KH_F32(d.x, T, B, s->inputs));
  kh_in(&c, KH_F32(d.w, D, G * H, s->inputs));
  kh_in(&c, KH_F32(d.r, D, G * H, H));
  c.in[1].constant = c.in[2].constant = s->constant;
  kh_in(&c, s->bias ? KH_F32(d.b, D, 2 * G * H) : KH_NONE);
  kh_in(&c, s->lengths ? KH(QE_DT_I32, d.lengths, B) : KH_NONE);
  kh_in(&c, !s->initial ? KH_NONE : s->layout ? KH_F32(d.h0, B, D, H) : KH_F32(d.h0, D, B, H));
  if (s->op == LSTM) {
    kh_in(&c, !s->initial ? KH_NONE : s->layout ? KH_F32(d.c0, B, D, H) : KH_F32(d.c0, D, B, H));
    kh_in(&c, s->peephole ? KH_F32(d.p, D, 3 * H) : KH_NONE);
  }
  kh_out(&c, s->layout ? KH_F32(d.y, B, T, D, H) : KH_F32(d.y, T, D, B, H));
  kh_out(&c, s->layout ? KH_F32(d.yh, B, D, H) : KH_F32(d.yh, D, B, H));
  if (s->op == LSTM)
    kh_out(&c, s->layout ? KH_F32(d.yc, B, D, H) : KH_F32(d.yc, D, B, H));
  c.params.axis = s->layout;
  c.params.mode = s->direction;
  c.params.clip_hi = s->clip;
  c.params.select_last_index = s->flag;
  for (int i = 0; i < 6 && s->relu; ++i)
    c.params.perm[i] = s->op == RNN || i % 3 != 0 ? QE_RNN_RELU : QE_RNN_DEFAULT;
  c.seed = seed;
  kh_run(&c);
  for (int64_t dir = 0; dir < D; ++dir)
    for (int64_t b = 0; b < B; ++b)
      naive_sequence(s, dir, b);
  kh_same_f32(d.want, d.y, T * D * B * H, names[s->op]);
  kh_same_f32(d.want_h, d.yh, D * B * H, "final state");
  if (s->op == LSTM)
    kh_same_f32(d.want_c, d.yc, D * B * H, "final cell");
}

static void check_random(int op, uint64_t first) {
  for (uint64_t seed = first; seed < first + 48; ++seed) {
    uint64_t r = seed;
    const setup s = {.op = op,
                     .steps = kh_int(&r, 0, 5),
                     .batch = kh_int(&r, 1, 4),
                     .inputs = kh_int(&r, 1, 9),
                     .hidden = kh_int(&r, 1, 11),
                     .direction = (uint32_t)(seed % 3),
                     .layout = kh_next(&r) & 1,
                     .bias = kh_next(&r) & 1,
                     .lengths = kh_next(&r) & 1,
                     .initial = kh_next(&r) & 1,
                     .peephole = kh_next(&r) & 1,
                     .flag = kh_next(&r) & 1,
                     .constant = kh_next(&r) & 1,
                     .relu = kh_next(&r) & 1,
                     .clip = kh_next(&r) & 1 ? 0.3f : INFINITY};
    cr_log_info("seed %llu", (unsigned long long)seed);
    check(&s, r);
  }
}

Test(reference_recurrent, lstm) { check_random(LSTM, 1); }
Test(reference_recurrent, gru) { check_random(GRU, 100); }
Test(reference_recurrent, rnn) { check_random(RNN, 200); }

Test(reference_recurrent, outputs_are_optional) {
  float x[6] = {1, 2, 3, 4, 5, 6}, w[8] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f},
        r[4] = {0.1f, 0.2f, 0.3f, 0.4f}, y[3], yc[1];
  kh_case c = kh_new("LSTM");
  kh_in(&c, KH_F32(x, 3, 1, 2));
  kh_in(&c, KH_F32(w, 1, 4, 2));
  kh_in(&c, KH_F32(r, 1, 4, 1));
  kh_out(&c, KH_NONE);
  kh_out(&c, KH_NONE);
  kh_out(&c, KH_F32(yc, 1, 1, 1));
  kh_run(&c);
  const float only = yc[0];
  c.out[0] = KH_F32(y, 3, 1, 1, 1);
  kh_run(&c);
  kh_same_f32(&only, yc, 1, "cell alone and with Y");
}

Test(reference_recurrent, bad_lengths_fail_instead_of_reading_outside) {
  float x[4] = {0}, w[1] = {0}, r[1] = {0}, y[4];
  int32_t lengths[2] = {1, 3};
  kh_case c = kh_new("RNN");
  kh_in(&c, KH_F32(x, 2, 2, 1));
  kh_in(&c, KH_F32(w, 1, 1, 1));
  kh_in(&c, KH_F32(r, 1, 1, 1));
  kh_in(&c, KH_NONE);
  kh_in(&c, KH(QE_DT_I32, lengths, 2));
  kh_out(&c, KH_F32(y, 2, 1, 2, 1));
  c.may_fail = true;
  cr_assert_neq(kh_run(&c), 0);
  lengths[1] = -1;
  cr_assert_neq(kh_run(&c), 0);
}

Test(reference_recurrent, misfits_are_refused) {
  float x[4] = {0}, w[8] = {0}, r[8] = {0}, y[4];
  kh_case c = kh_new("GRU");
  kh_in(&c, KH_F32(x, 2, 2, 1));
  kh_in(&c, KH_F32(w, 1, 4, 1));
  kh_in(&c, KH_F32(r, 1, 3, 1));
  kh_out(&c, KH_F32(y, 2, 1, 2, 1));
  kh_refused(&c, "input 1");
  c.in[1].dims[1] = 3;
  c.params.mode = 2;
  kh_refused(&c, "direction");
  c.params.mode = 0;
  c.out[0].dims[0] = 1;
  kh_refused(&c, "output 0");
  c.out[0].dims[0] = 2;
  c.act_lo = 0.0f;
  kh_refused(&c, "activation");
  c.act_lo = -INFINITY;
  c.params.perm[1] = 9;
  kh_refused(&c, "code 9");
}
