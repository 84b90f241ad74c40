/* Recurrent layers of the static flow: what is quantized, that files keep it, how close it is, on any engine. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "qengine.h"
#include "support/models.h"
#include "support/scratch.h"

enum { STEPS = 6, BATCH = 3, INPUTS = 10, HIDDEN = 12 };

static const struct layer {
  const char *op, *attributes;
  int64_t gates, directions;
  bool lengths, last_only; /* last_only: the node has no output y */
} layers[] = {{"LSTM", "{}", 4, 1, false, false},
              {"LSTM", "{\"direction\": \"bidirectional\", \"input_forget\": 1}", 4, 2, true, false},
              {"LSTM", "{\"direction\": \"reverse\", \"clip\": 2.0}", 4, 1, true, false},
              {"GRU", "{\"linear_before_reset\": 1}", 3, 1, false, false},
              {"GRU", "{\"direction\": \"bidirectional\"}", 3, 2, true, false},
              {"RNN", "{}", 1, 1, true, false}};

static qe_value_t constant(qe_model_t *m, const char *name, qe_tensor_t *t) {
  const qe_value_t v = qe_constant(m, name, t);
  qe_tensor_release(&t);
  return v;
}

/* x -> layer -> y, and its final state h; in `m`'s own order of outputs. */
static qe_model_t *model_of(const struct layer *l) {
  const int64_t rows = l->gates * HIDDEN, batch = BATCH;
  const int32_t lengths[BATCH] = {STEPS, 2, 4};
  qe_model_t *m = NULL;
  qe_tensor_t *lens = NULL;
  cr_assert_eq(qe_model_create("layer", &m), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_INT32, 1, &batch, lengths, &lens), QE_OK);
  qe_value_t in[6] = {qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){-1, BATCH, INPUTS}),
                      constant(m, "w", test_random(3, (int64_t[]){l->directions, rows, INPUTS}, 0.5f, 1)),
                      constant(m, "r", test_random(3, (int64_t[]){l->directions, rows, HIDDEN}, 0.5f, 2)),
                      constant(m, "b", test_random(2, (int64_t[]){l->directions, 2 * rows}, 0.2f, 3)),
                      -1,
                      qe_input(m, "h0", QE_FLOAT32, 3, (int64_t[]){l->directions, BATCH, HIDDEN})};
  if (l->lengths) in[4] = qe_constant(m, "lengths", lens);
  qe_tensor_release(&lens);
  qe__value_id out[2];
  qe__node *n;
  out[0] = QE__NO_VALUE;
  if (!l->last_only) cr_assert_eq(qe__graph_add_value(m->graph, "y", QE_FLOAT32, &out[0]), QE_OK);
  cr_assert_eq(qe__graph_add_value(m->graph, "h", QE_FLOAT32, &out[1]), QE_OK);
  cr_assert_eq(qe__graph_add_node(m->graph, l->op, "layer", 6, in, 2, out, &n), QE_OK, "%s", qe_last_error());
  if (strstr(l->attributes, "bidirectional")) cr_assert_eq(qe__node_set_string(n, "direction", "bidirectional"), QE_OK);
  if (strstr(l->attributes, "reverse")) cr_assert_eq(qe__node_set_string(n, "direction", "reverse"), QE_OK);
  if (strstr(l->attributes, "input_forget")) cr_assert_eq(qe__node_set_int(n, "input_forget", 1), QE_OK);
  if (strstr(l->attributes, "linear")) cr_assert_eq(qe__node_set_int(n, "linear_before_reset", 1), QE_OK);
  if (strstr(l->attributes, "clip")) cr_assert_eq(qe__node_set_float(n, "clip", 2.0f), QE_OK);
  if (!l->last_only) qe_output(m, "y_out", out[0]);
  qe_output(m, "h_out", out[1]);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s: %s", l->op, qe_last_error());
  return m;
}

static void inputs_of(const struct layer *l, uint64_t seed, qe_named_tensor_t in[2]) {
  in[0] = (qe_named_tensor_t){NULL, test_random(3, (int64_t[]){STEPS, BATCH, INPUTS}, 2.0f, seed)};
  in[1] = (qe_named_tensor_t){NULL, test_random(3, (int64_t[]){l->directions, BATCH, HIDDEN}, 0.7f, seed + 1)};
}

static void release(qe_named_tensor_t *all, int n) {
  for (int i = 0; i < n; i++) qe_tensor_release(&all[i].tensor);
}

static void run(const qe_model_t *m, const char *engine, int no_fuse, uint32_t n_in, const qe_named_tensor_t *in,
                uint32_t n_out, qe_named_tensor_t *out) {
  qe_session_t *s = NULL;
  const qe_session_options_t o = {.struct_size = sizeof o, .engine = engine, .threads = 1, .no_fuse = no_fuse};
  cr_assert_eq(qe_session_create(m, &o, &s), QE_OK, "%s", qe_last_error());
  memset(out, 0, n_out * sizeof *out);
  cr_assert_eq(qe_session_run(s, n_in, in, n_out, out), QE_OK, "%s", qe_last_error());
  qe_session_destroy(&s);
}

static qe_model_t *quantized(const qe_model_t *m, const char *preset, uint32_t n_in, const qe_named_tensor_t *batches,
                             int n_batches, qe_report_t **report) {
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  qe_model_t *q = NULL;
  cr_assert_eq(qe_qconfig_mapping_preset(preset, &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
  for (int i = 0; i < n_batches; i++)
    cr_assert_eq(qe_calibrate(p, n_in, batches + (size_t)i * n_in), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_convert(p, &q, report), QE_OK, "%s", qe_last_error());
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  return q;
}

static double sqnr(const qe_tensor_t *a, const qe_tensor_t *b) {
  double signal = 0, noise = 0;
  cr_assert_eq(qe_tensor_count(a), qe_tensor_count(b));
  for (int64_t i = 0; i < qe_tensor_count(a); i++) {
    const double x = (double)((const float *)qe_tensor_const_data(a))[i];
    const double y = (double)((const float *)qe_tensor_const_data(b))[i];
    signal += x * x;
    noise += (x - y) * (x - y);
  }
  return noise > 0 ? 10 * log10(signal / noise) : 200;
}

static void expect_same(const qe_named_tensor_t *a, const qe_named_tensor_t *b, int n, const char *what) {
  for (int i = 0; i < n; i++) {
    cr_assert_eq(qe_tensor_count(a[i].tensor), qe_tensor_count(b[i].tensor));
    cr_expect_eq(memcmp(qe_tensor_const_data(a[i].tensor), qe_tensor_const_data(b[i].tensor),
                        (size_t)qe_tensor_count(a[i].tensor) * 4),
                 0, "%s: output %d", what, i);
  }
}

static const qe__node *recurrent_node(const qe_model_t *m, const char *op) {
  for (uint32_t i = 0; i < m->graph->n_nodes; i++) {
    if (strcmp(m->graph->nodes[i]->op->name, op) == 0) return m->graph->nodes[i];
  }
  cr_assert_fail("no %s", op);
  return NULL;
}

static void check_layer(const struct layer *l, const char *preset, double least_db) {
  qe_named_tensor_t batches[8], want[2], got[2], other[2], loose[2];
  qe_report_t *report = NULL;
  qe_model_t *m = model_of(l), *back = NULL;
  for (int i = 0; i < 4; i++) inputs_of(l, 10 + 2 * (uint64_t)i, batches + 2 * i);
  qe_model_t *q = quantized(m, preset, 2, batches, 4, &report);
  const qe__node *n = recurrent_node(q, l->op);
  const qe__value *values = q->graph->values;
  cr_expect(n->quantized, "%s", l->op);
  cr_expect_eq(qe_report_at(report, 0)->quantized, 1);
  cr_expect_eq(values[n->in[1]].dtype, QE_INT8);
  cr_expect_eq(values[n->in[3]].dtype, QE_FLOAT32, "B stays float");
  cr_expect_eq(values[n->in[5]].dtype, QE_FLOAT32, "so does the initial state");
  cr_expect_eq(values[n->out[0]].q.view.count, 1u);
  cr_expect_eq(values[n->out[1]].q.view.count, 0u, "and the final one");
  run(m, "reference", 0, 2, batches, 2, want);
  run(q, "reference", 0, 2, batches, 2, got);
  run(q, "reference", 1, 2, batches, 2, loose);
  const double db = sqnr(want[0].tensor, got[0].tensor), db_h = sqnr(want[1].tensor, got[1].tensor),
               db_float = sqnr(want[0].tensor, loose[0].tensor);
  fprintf(stderr, "%s %s %s: y %.1f dB, h %.1f dB (H float from step to step: %.1f dB)\n", l->op, l->attributes, preset,
          db, db_h, db_float);
  cr_expect_geq(db, least_db, "%s %s %s", l->op, l->attributes, preset);
  cr_expect_geq(db_h, least_db, "%s %s %s", l->op, l->attributes, preset);
  run(q, NULL, 0, 2, batches, 2, other);
  expect_same(got, other, 2, "the best engine");
  release(other, 2);
  scratch s;
  scratch_open(&s);
  const char *path = scratch_file(&s, "recurrent.onnx");
  for (int format = QE_FORMAT_QDQ; format <= QE_FORMAT_QOPERATOR; format++) {
    cr_assert_eq(qe_model_save(q, path, (qe_format_t)format, 1), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe_model_load(path, &back), QE_OK, "%s", qe_last_error());
    cr_expect(recurrent_node(back, l->op)->quantized, "%s from a file", l->op);
    run(back, "reference", 0, 2, batches, 2, other);
    expect_same(got, other, 2, "from a file");
    release(other, 2);
    qe_model_destroy(&back);
  }
  scratch_close(&s);
  release(want, 2);
  release(got, 2);
  release(loose, 2);
  release(batches, 8);
  qe_report_destroy(&report);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

Test(recurrent_flow, layers_are_quantized_close_and_kept_by_files) {
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
    check_layer(&layers[i], "default", 25.0);
    check_layer(&layers[i], "qnnpack", 25.0);
  }
}

/* Steps [from, to) of x with the state h: y and the new state. */
static void run_part(const qe_model_t *m, const qe_tensor_t *x, int64_t from, int64_t to, qe_tensor_t *h,
                     qe_named_tensor_t out[2]) {
  const float *data = (const float *)qe_tensor_const_data(x) + from * BATCH * INPUTS;
  qe_named_tensor_t in[2] = {{NULL, NULL}, {NULL, h}};
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 3, (int64_t[]){to - from, BATCH, INPUTS}, data, &in[0].tensor), QE_OK);
  run(m, NULL, 0, 2, in, 2, out);
  qe_tensor_release(&in[0].tensor);
}

Test(recurrent_flow, a_sequence_may_be_cut_anywhere) {
  static const struct layer kinds[] = {{"GRU", "{}", 3, 1, false, false}, {"GRU", "{\"linear_before_reset\": 1}", 3, 1, false, false},
                                       {"RNN", "{}", 1, 1, false, false}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    qe_named_tensor_t in[2], whole[2], first[2], rest[2];
    qe_model_t *m = model_of(&kinds[i]);
    inputs_of(&kinds[i], 10, in);
    qe_model_t *q = quantized(m, "default", 2, in, 1, NULL);
    run(q, NULL, 0, 2, in, 2, whole);
    for (int64_t cut = 1; cut < STEPS; cut++) {
      run_part(q, in[0].tensor, 0, cut, in[1].tensor, first);
      run_part(q, in[0].tensor, cut, STEPS, first[1].tensor, rest);
      const float *y = qe_tensor_const_data(whole[0].tensor);
      const size_t head = (size_t)qe_tensor_count(first[0].tensor), tail = (size_t)qe_tensor_count(rest[0].tensor);
      cr_expect_eq(memcmp(qe_tensor_const_data(first[0].tensor), y, head * 4), 0, "%s, cut at %d", kinds[i].op,
                   (int)cut);
      cr_expect_eq(memcmp(qe_tensor_const_data(rest[0].tensor), y + head, tail * 4), 0, "%s, cut at %d", kinds[i].op,
                   (int)cut);
      expect_same(rest + 1, whole + 1, 1, "final state");
      release(first, 2);
      release(rest, 2);
    }
    release(in, 2);
    release(whole, 2);
    qe_model_destroy(&q);
    qe_model_destroy(&m);
  }
}

Test(recurrent_flow, a_layer_without_its_sequence_says_why_it_stays_float) {
  const struct layer l = {"LSTM", "{}", 4, 1, false, true};
  qe_model_t *m = model_of(&l);
  qe_named_tensor_t in[2];
  qe_report_t *report = NULL;
  inputs_of(&l, 5, in);
  qe_model_t *q = quantized(m, "default", 2, in, 1, &report);
  bool found = false;
  for (uint32_t i = 0; i < qe_report_count(report); i++) {
    const qe_report_row_t *row = qe_report_at(report, i);
    if (strcmp(row->node, "layer") != 0) continue;
    found = true;
    cr_expect(!row->quantized);
    cr_expect_not_null(strstr(row->reason, "first output"), "%s", row->reason);
  }
  cr_expect(found);
  qe_report_destroy(&report);
  release(in, 2);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

/* ---- a character model (../shared/models), in bits per character of the test text ---- */

#define SHARED QE_SOURCE_DIR "/../shared"
enum { STREAMS = 32, LENGTH = 128, STATE = 2 * STREAMS * 256, VOCABULARY = 65 };

/* Every stream's first LENGTH + 1 characters as tokens [LENGTH + 1][STREAMS]; NULL: no such file. */
static int64_t *tokens_of(const char *part, const uint8_t *vocabulary) {
  char path[512];
  snprintf(path, sizeof path, "%s/data/tinyshakespeare.%s.txt", SHARED, part);
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  cr_assert_eq(fseek(f, 0, SEEK_END), 0);
  const long size = ftell(f), step = size / STREAMS;
  int64_t *tokens = malloc(sizeof *tokens * (LENGTH + 1) * STREAMS);
  cr_assert(tokens && step > LENGTH);
  for (int s = 0; s < STREAMS; s++) {
    uint8_t text[LENGTH + 1];
    cr_assert_eq(fseek(f, s * step, SEEK_SET), 0);
    cr_assert_eq(fread(text, 1, sizeof text, f), sizeof text);
    for (int i = 0; i <= LENGTH; i++) {
      const uint8_t *at = memchr(vocabulary, text[i], VOCABULARY);
      cr_assert_not_null(at, "character %d", text[i]);
      tokens[i * STREAMS + s] = at - vocabulary;
    }
  }
  fclose(f);
  return tokens;
}

static void feed_of(const int64_t *tokens, qe_named_tensor_t in[3]) {
  static const char *const names[3] = {"tokens", "h0", "c0"};
  in[0].tensor = in[1].tensor = in[2].tensor = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 2, (int64_t[]){LENGTH, STREAMS}, tokens, &in[0].tensor), QE_OK);
  for (int i = 1; i < 3; i++) {
    cr_assert_eq(qe_tensor_create(QE_FLOAT32, 3, (int64_t[]){2, STREAMS, 256}, &in[i].tensor), QE_OK);
    memset(qe_tensor_data(in[i].tensor), 0, STATE * sizeof(float));
  }
  for (int i = 0; i < 3; i++) in[i].name = names[i];
}

static double bits_per_character(const qe_model_t *m, const int64_t *tokens) {
  qe_named_tensor_t in[3], logits = {"logits", NULL};
  qe_session_t *s = NULL;
  double bits = 0.0;
  feed_of(tokens, in);
  cr_assert_eq(qe_session_create(m, NULL, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, 3, in, 1, &logits), QE_OK, "%s", qe_last_error());
  for (int i = 0; i < LENGTH * STREAMS; i++) {
    const float *row = (const float *)qe_tensor_const_data(logits.tensor) + i * VOCABULARY;
    double sum = 0.0;
    for (int k = 0; k < VOCABULARY; k++) sum += exp((double)row[k]);
    bits += log2(sum) - (double)row[tokens[STREAMS + i]] / log(2.0);
  }
  qe_tensor_release(&logits.tensor);
  qe_session_destroy(&s);
  release(in, 3);
  return bits / (LENGTH * STREAMS);
}

Test(recurrent_flow, a_character_model_keeps_its_bits) {
  uint8_t vocabulary[VOCABULARY];
  const char *rest = "\n !$&',-.3:;?";
  memcpy(vocabulary, rest, 13);
  for (int i = 0; i < 26; i++) {
    vocabulary[13 + i] = (uint8_t)('A' + i);
    vocabulary[39 + i] = (uint8_t)('a' + i);
  }
  int64_t *train = tokens_of("train", vocabulary), *test = tokens_of("test", vocabulary);
  if (!train || !test) cr_skip_test("skipped: no texts in %s/data", SHARED);
  qe_model_t *m = NULL, *dynamic = NULL;
  cr_assert_eq(qe_model_load(SHARED "/models/char_lstm.onnx", &m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_fuse(m), QE_OK, "%s", qe_last_error());
  qe_named_tensor_t in[3];
  feed_of(train, in);
  qe_model_t *fixed = quantized(m, "default", 3, in, 1, NULL);
  cr_expect(recurrent_node(fixed, "LSTM")->quantized);
  cr_assert_eq(qe_quantize_dynamic(m, NULL, &dynamic, NULL), QE_OK, "%s", qe_last_error());
  const double real = bits_per_character(m, test), bits = bits_per_character(fixed, test),
               arriving = bits_per_character(dynamic, test);
  fprintf(stderr, "char_lstm, bits per character: float %.4f, static %.4f, dynamic %.4f\n", real, bits, arriving);
  cr_expect_lt(real, 2.5);
  cr_expect_leq(fabs(bits - real), 0.01);
  cr_expect_leq(fabs(arriving - real), 0.01);
  release(in, 3);
  qe_model_destroy(&fixed);
  qe_model_destroy(&dynamic);
  qe_model_destroy(&m);
  free(train);
  free(test);
}
