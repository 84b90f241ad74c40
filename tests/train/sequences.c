/* A language model: tokens [N,T] laid along an input [sequence,batch], an initial state left out, labels that do not count. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "graph/model.h"
#include "train/train_case.h"

enum { WORDS = 11, LENGTH = 6, FEATURES = 6, HIDDEN = 8, SAMPLES = 32, IGNORED = 10 };

/* tokens [sequence,batch], h0 and c0 [1,batch,8] -> embedding -> LSTM -> linear -> [sequence,batch,11] */
static qe_model_t *language_model(void) {
  qe_model_t *m;
  qe_tensor_t *table = test_random(2, (int64_t[]){WORDS, FEATURES}, 0.7f, 1), *w = test_random(2, (int64_t[]){4 * HIDDEN, FEATURES}, 0.4f, 2),
              *r = test_random(2, (int64_t[]){4 * HIDDEN, HIDDEN}, 0.4f, 3), *out = test_random(2, (int64_t[]){WORDS, HIDDEN}, 0.4f, 4);
  TEST_OK(qe_model_create("lm", &m));
  const qe_value_t x = qe_input(m, "tokens", QE_INT64, 2, (int64_t[]){-1, -1});
  const qe_value_t h = qe_input(m, "h0", QE_FLOAT32, 3, (int64_t[]){1, -1, HIDDEN}), c = qe_input(m, "c0", QE_FLOAT32, 3, (int64_t[]){1, -1, HIDDEN});
  const qe_value_t y = qe_lstm(m, "lstm", qe_embedding(m, "table", x, table), h, c, w, r, NULL, NULL, NULL, NULL);
  qe_output(m, "logits", qe_linear(m, "head", y, out, NULL));
  TEST_OK(qe_model_finish(m));
  for (uint32_t i = 0; i < 3; i++) { /* the building API gives dimensions no names */
    qe__value *v = &m->graph->values[m->graph->inputs[i]];
    v->symbols[1] = qe__strdup("batch");
    if (i == 0) v->symbols[0] = qe__strdup("sequence");
  }
  qe_tensor_release(&table);
  qe_tensor_release(&w);
  qe_tensor_release(&r);
  qe_tensor_release(&out);
  return m;
}

typedef struct text {
  qe_dataset_t *tokens, *labels;
  qe_train_input_t in;
  qe_train_data_t data;
} text;

/* Each word is followed by 3 * word + 1 modulo 10. */
static void text_open(text *d) {
  uint8_t tokens[SAMPLES][LENGTH], labels[SAMPLES][LENGTH];
  qe_tensor_t *t;
  for (int n = 0; n < SAMPLES; n++) {
    uint8_t word = (uint8_t)(n * 7 % 10);
    for (int k = 0; k < LENGTH; k++) {
      tokens[n][k] = word;
      word = (uint8_t)((3 * word + 1) % 10);
      labels[n][k] = (n + k) % 9 ? word : IGNORED;
    }
  }
  TEST_OK(qe_tensor_from_data(QE_UINT8, 2, (int64_t[]){SAMPLES, LENGTH}, tokens, &t));
  TEST_OK(qe_dataset_from_tensor(t, NULL, &d->tokens));
  qe_tensor_release(&t);
  TEST_OK(qe_tensor_from_data(QE_UINT8, 2, (int64_t[]){SAMPLES, LENGTH}, labels, &t));
  TEST_OK(qe_dataset_from_tensor(t, NULL, &d->labels));
  qe_tensor_release(&t);
  d->in = (qe_train_input_t){"tokens", d->tokens};
  d->data = (qe_train_data_t){1, &d->in, d->labels};
}

Test(sequences, learns_the_next_word_whatever_the_shards) {
  double loss[2];
  text d;
  text_open(&d);
  for (int way = 0; way < 2; way++) {
    qe_model_t *m = language_model();
    qe_trainer_t *t;
    qe_train_metrics_t before, after;
    qe_train_options_t o = test_options();
    o.threads = 1;
    o.optimizer = QE_OPTIMIZER_ADAM;
    o.lr = 0.02f;
    o.batch = 8;
    o.epochs = 12;
    o.has_ignore_index = 1;
    o.ignore_index = IGNORED;
    o.shards = way ? 3 : 1;
    TEST_OK(qe_trainer_create(m, &o, &t));
    TEST_OK(qe_trainer_evaluate(t, &d.data, &before));
    int64_t counted = 0;
    for (int n = 0; n < SAMPLES; n++) {
      for (int k = 0; k < LENGTH; k++) counted += (n + k) % 9 != 0;
    }
    cr_assert_eq(before.count, counted);
    TEST_OK(qe_trainer_fit(t, &d.data, NULL, NULL));
    TEST_OK(qe_trainer_evaluate(t, &d.data, &after));
    cr_assert_lt(after.loss, 0.5 * before.loss, "%g, was %g", after.loss, before.loss);
    cr_assert_gt(after.top1, 0.8);
    loss[way] = after.loss;
    qe_trainer_destroy(&t);
    qe_model_destroy(&m);
  }
  /* the sums of shards are those of the batch but for their rounding; Adam spreads that a little */
  cr_assert_float_eq(loss[0], loss[1], 1e-2 * loss[0], "%g with one shard, %g with three", loss[0], loss[1]);
  qe_dataset_destroy(&d.tokens);
  qe_dataset_destroy(&d.labels);
}
