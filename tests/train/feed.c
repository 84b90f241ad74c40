/* Batches from datasets: order, axes, types, shapes, states that are left out; and cutting them into shards. */
#include <stdio.h>

#include "graph/model.h"
#include "support/models.h"
#include "tensor/tensor.h"
#include "train/feed.h"
#include "train/random.h"

/* tokens [seq,batch] int64 and a state [1,batch,3] -> GRU -> [seq,1,batch,3] */
static qe__graph *language_model(void) {
  qe__graph *g;
  qe__value_id v[5], y;
  cr_assert_eq(qe__graph_create(&g), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "tokens", QE_INT64, &v[0]), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "h0", QE_FLOAT32, &v[1]), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "w", QE_FLOAT32, &v[2]), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "y", QE_FLOAT32, &y), QE_OK);
  qe__value *t = &g->values[v[0]], *h = &g->values[v[1]];
  t->rank = 2;
  t->dims[0] = t->dims[1] = -1;
  t->symbols[0] = qe__strdup("sequence");
  t->symbols[1] = qe__strdup("batch_size");
  h->rank = 3;
  h->dims[0] = 1, h->dims[1] = -1, h->dims[2] = 3;
  cr_assert_eq(qe__graph_add_input(g, v[0]), QE_OK);
  cr_assert_eq(qe__graph_add_input(g, v[1]), QE_OK);
  const qe__value_id in[6] = {v[0], v[2], v[2], QE__NO_VALUE, QE__NO_VALUE, v[1]};
  cr_assert_eq(qe__graph_add_node(g, "GRU", NULL, 6, in, 1, &y, NULL), QE_OK);
  cr_assert_eq(qe__graph_add_output(g, y), QE_OK);
  return g;
}

static qe_dataset_t *dataset(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data) {
  qe_tensor_t *t;
  qe_dataset_t *d;
  cr_assert_eq(qe_tensor_from_data(dtype, rank, dims, data, &t), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_from_tensor(t, NULL, &d), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t);
  return d;
}

static const uint8_t TOKENS[4][3] = {{0, 1, 2}, {10, 11, 12}, {20, 21, 22}, {30, 31, 32}};

Test(feed, tokens_lie_along_the_batch_axis) {
  qe__graph *g = language_model();
  qe_dataset_t *d = dataset(QE_UINT8, 2, (int64_t[]){4, 3}, TOKENS);
  const qe_train_input_t in = {"tokens", d};
  const qe_train_data_t data = {1, &in, d};
  qe__feeder f;
  qe__batch b, s;
  cr_assert_eq(qe__batch_axis(g, 0), 1u);
  cr_assert_eq(qe__feed_open(g, QE_LOSS_CROSS_ENTROPY, &data, "data", &f), QE_OK, "%s", qe_last_error());
  cr_assert_eq(f.count, 4);
  cr_assert_eq(qe__feed_batch(&f, 3, (const int64_t[]){2, 0, 3}, NULL, &b), QE_OK, "%s", qe_last_error());
  static const int64_t expected[9] = {20, 0, 30, 21, 1, 31, 22, 2, 32}; /* [seq,batch] */
  cr_assert_eq(b.inputs[0]->dtype, QE_INT64);
  cr_assert_arr_eq(b.inputs[0]->data, expected, sizeof expected);
  cr_assert_arr_eq(b.labels->data, expected, sizeof expected);
  cr_assert_eq(b.rows, 3);
  /* the state is zeros of the batch's size */
  cr_assert_eq(b.inputs[1]->rank, 3u);
  cr_assert(b.inputs[1]->dims[0] == 1 && b.inputs[1]->dims[1] == 3 && b.inputs[1]->dims[2] == 3);
  /* a shard, with the teacher's rows */
  float logits[18];
  for (int i = 0; i < 18; i++) logits[i] = (float)i;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 2, (int64_t[]){9, 2}, logits, &b.teacher), QE_OK);
  cr_assert_eq(qe__batch_slice(g, &b, 1, 2, &s), QE_OK, "%s", qe_last_error());
  static const int64_t part[6] = {0, 30, 1, 31, 2, 32};
  static const float teacher[12] = {2, 3, 4, 5, 8, 9, 10, 11, 14, 15, 16, 17};
  cr_assert_arr_eq(s.inputs[0]->data, part, sizeof part);
  cr_assert_arr_eq(s.labels->data, part, sizeof part);
  cr_assert_eq(s.teacher->dims[0], 6);
  cr_assert_arr_eq(s.teacher->data, teacher, sizeof teacher);
  cr_assert_eq(s.inputs[1]->dims[1], 2);
  qe__batch_free(&s);
  cr_assert_eq(qe__batch_slice(g, &b, 2, 2, &s), QE_ERROR_SHAPE);
  qe__batch_free(&b);
  qe__feed_close(&f);
  qe_dataset_destroy(&d);
  qe__graph_destroy(&g);
}

Test(feed, only_states_may_be_left_out) {
  qe__graph *g = language_model();
  qe_dataset_t *d = dataset(QE_UINT8, 2, (int64_t[]){4, 3}, TOKENS);
  float states[4][3] = {{1}};
  qe_dataset_t *h = dataset(QE_FLOAT32, 2, (int64_t[]){4, 3}, states);
  const qe_train_input_t in = {"h0", h};
  qe_train_data_t data = {1, &in, d};
  qe__feeder f;
  cr_assert_eq(qe__feed_open(g, QE_LOSS_CROSS_ENTROPY, &data, "data", &f), QE_ERROR_NOT_FOUND);
  cr_assert_not_null(strstr(qe_last_error(), "'tokens'"), "%s", qe_last_error());
  const qe_train_input_t unknown = {"token", d};
  data.inputs = &unknown;
  cr_assert_eq(qe__feed_open(g, QE_LOSS_CROSS_ENTROPY, &data, "data", &f), QE_ERROR_NOT_FOUND);
  cr_assert_not_null(strstr(qe_last_error(), "'token'"), "%s", qe_last_error());
  qe_dataset_destroy(&h);
  qe_dataset_destroy(&d);
  qe__graph_destroy(&g);
}

static void negate(void *arg, uint32_t input, uint64_t random, uint32_t rank, const int64_t *dims, float *sample) {
  uint64_t *seen = arg;
  cr_assert(input == 0 && rank == 3 && dims[0] == 3 && dims[1] == 8);
  seen[(int)sample[0] / 192] = random;
  sample[1] = -sample[1];
}

Test(feed, images_in_any_order_with_augmentation) {
  qe_model_t *m = test_cnn(1);
  float *x = calloc(6 * 192, sizeof *x);
  for (int i = 0; i < 6 * 192; i++) x[i] = (float)i;
  qe_dataset_t *images = dataset(QE_FLOAT32, 4, (int64_t[]){6, 3, 8, 8}, x),
               *labels = dataset(QE_INT16, 2, (int64_t[]){6, 1}, (int16_t[]){0, 1, 2, 3, 4, -1});
  const qe_train_input_t in = {NULL, images};
  const qe_train_data_t data = {1, &in, labels};
  qe__feeder f;
  qe__batch b;
  uint64_t random[6] = {0};
  const qe__augmentation a = {negate, random, 99};
  cr_assert_eq(qe__feed_open(m->graph, QE_LOSS_CROSS_ENTROPY, &data, "data", &f), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__feed_batch(&f, 2, (const int64_t[]){5, 2}, &a, &b), QE_OK, "%s", qe_last_error());
  const float *y = b.inputs[0]->data;
  for (int i = 0; i < 384; i++) {
    const float plain = (float)((i < 192 ? 5 * 192 : 192) + i), want = i % 192 == 1 ? -plain : plain;
    cr_assert_eq(y[i], want, "element %d: %g", i, (double)y[i]);
  }
  cr_assert_eq(((const int64_t *)b.labels->data)[0], -1);
  cr_assert_eq(((const int64_t *)b.labels->data)[1], 2);
  cr_assert_eq(random[5], qe__random_at(99, 5));
  cr_assert_eq(random[2], qe__random_at(99, 2));
  qe__batch_free(&b);
  /* the same data have the same fingerprint, others have another */
  uint8_t one[32], two[32];
  qe__feed_fingerprint(&f, one);
  qe__feed_close(&f);
  x[5 * 192 + 7] += 1;
  qe_dataset_destroy(&images);
  images = dataset(QE_FLOAT32, 4, (int64_t[]){6, 3, 8, 8}, x);
  const qe_train_input_t changed = {"x", images};
  const qe_train_data_t other = {1, &changed, labels};
  cr_assert_eq(qe__feed_open(m->graph, QE_LOSS_CROSS_ENTROPY, &other, "data", &f), QE_OK, "%s", qe_last_error());
  qe__feed_fingerprint(&f, two);
  cr_assert_neq(memcmp(one, two, sizeof one), 0);
  qe__feed_close(&f);
  qe_dataset_destroy(&images);
  qe_dataset_destroy(&labels);
  qe_model_destroy(&m);
  free(x);
}

Test(feed, what_does_not_fit_is_named) {
  qe_model_t *m = test_cnn(1);
  const qe__graph *g = m->graph;
  float *x = calloc(2 * 192, sizeof *x);
  uint8_t *bytes = calloc(2 * 192, 1);
  qe_dataset_t *good = dataset(QE_FLOAT32, 4, (int64_t[]){2, 3, 8, 8}, x), *narrow = dataset(QE_FLOAT32, 4, (int64_t[]){2, 3, 8, 4}, x),
               *raw = dataset(QE_UINT8, 4, (int64_t[]){2, 3, 8, 8}, bytes), *labels = dataset(QE_UINT8, 1, (int64_t[]){2}, bytes),
               *three = dataset(QE_UINT8, 1, (int64_t[]){3}, bytes), *floats = dataset(QE_FLOAT32, 1, (int64_t[]){2}, x);
  const struct {
    const qe_dataset_t *x, *labels;
    qe_status_t status;
    const char *says;
  } cases[] = {
    {good, labels, QE_OK, ""},
    {narrow, labels, QE_ERROR_SHAPE, "[3,8,4]"},
    {raw, labels, QE_ERROR_DTYPE, "normalize"},
    {good, three, QE_ERROR_INVALID_ARGUMENT, "3 labels for 2 samples"},
    {good, floats, QE_ERROR_DTYPE, "class numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const qe_train_input_t in = {"x", cases[i].x};
    const qe_train_data_t data = {1, &in, cases[i].labels};
    qe__feeder f;
    cr_assert_eq(qe__feed_open(g, QE_LOSS_CROSS_ENTROPY, &data, "data", &f), cases[i].status, "case %zu: %s", i, qe_last_error());
    if (cases[i].status == QE_OK) qe__feed_close(&f);
    else cr_assert_not_null(strstr(qe_last_error(), cases[i].says), "case %zu: %s", i, qe_last_error());
  }
  /* for a squared error the labels are as the output: [batch,5] */
  const qe_train_input_t in = {"x", good};
  const qe_train_data_t data = {1, &in, floats};
  qe__feeder f;
  cr_assert_eq(qe__feed_open(g, QE_LOSS_MSE, &data, "data", &f), QE_ERROR_SHAPE);
  qe_dataset_destroy(&good);
  qe_dataset_destroy(&narrow);
  qe_dataset_destroy(&raw);
  qe_dataset_destroy(&labels);
  qe_dataset_destroy(&three);
  qe_dataset_destroy(&floats);
  qe_model_destroy(&m);
  free(x);
  free(bytes);
}
