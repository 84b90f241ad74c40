/* Inputs and outputs for the states of recurrent layers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "graph/model.h"
#include "support/models.h"

#define DIMS(...) (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
#define OK(call) cr_assert_eq(call, QE_OK, "%s", qe_last_error())
#define W(...) qe_constant(m, NULL, test_weight(&pool, DIMS(__VA_ARGS__)))

enum { I = 3, H = 4 };

/* A layer of `op` with `gates` gates; x is [seq,batch,I], or [batch,seq,I] by `attributes`. */
static qe_model_t *one_layer(const char *op, int64_t gates, int64_t directions, int64_t batch, const char *attributes) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = 1};
  OK(qe_model_create("layer", &m));
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, batch, I));
  const qe_value_t in[3] = {x, W(directions, gates * H, I), W(directions, gates * H, H)};
  qe_output(m, "y", qe_op(m, op, "layer", 3, in, attributes));
  OK(qe_model_finish(m));
  test_pool_free(&pool);
  return m;
}

static qe_value_info_t input(const qe_model_t *m, uint32_t i) {
  qe_value_info_t info;
  OK(qe_model_input(m, i, &info));
  return info;
}

Test(expose, every_op_gets_its_states) {
  static const struct {
    const char *op;
    int64_t gates;
    uint32_t states;
  } cases[] = {{"LSTM", 4, 2}, {"GRU", 3, 1}, {"RNN", 1, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe_model_t *m = one_layer(cases[i].op, cases[i].gates, 1, -1, NULL);
    uint32_t count = 9;
    OK(qe_model_expose_state(m, &count));
    cr_assert_eq(count, cases[i].states, "%s", cases[i].op);
    cr_assert_eq(qe_model_input_count(m), 1 + count);
    cr_assert_eq(qe_model_output_count(m), 1 + count);
    const qe_value_info_t x = input(m, 0), h = input(m, 1);
    cr_assert_str_eq(h.name, "layer.h");
    cr_assert_eq(h.rank, 3);
    cr_assert(h.dims[0] == 1 && h.dims[1] == -1 && h.dims[2] == H && h.dtype == QE_FLOAT32);
    cr_assert_str_eq(h.symbols[1], "batch");
    cr_assert_str_eq(x.symbols[1], "batch", "the dimension that the batch comes from has the symbol too");
    cr_assert_null(x.symbols[0]);
    qe_value_info_t out;
    OK(qe_model_output(m, 1, &out));
    cr_assert_str_eq(out.name, "layer.h_next");
    if (count == 2) cr_assert_str_eq(input(m, 2).name, "layer.c");
    OK(qe_model_expose_state(m, &count)); /* they are explicit now */
    cr_assert_eq(count, 0u);
    qe_model_destroy(&m);
  }
}

Test(expose, a_fixed_batch_and_batch_first) {
  qe_model_t *m = one_layer("GRU", 3, 1, 6, NULL);
  uint32_t count;
  OK(qe_model_expose_state(m, &count));
  cr_assert(input(m, 1).dims[1] == 6);
  qe_model_destroy(&m);
  m = one_layer("GRU", 3, 1, -1, "{\"layout\": 1, \"hidden_size\": 4}");
  OK(qe_model_expose_state(m, &count));
  const qe_value_info_t x = input(m, 0), h = input(m, 1);
  cr_assert(h.dims[0] == -1 && h.dims[1] == 1 && h.dims[2] == H);
  cr_assert_str_eq(h.symbols[0], "batch");
  cr_assert_str_eq(x.symbols[0], "batch");
  qe_model_destroy(&m);
}

Test(expose, layers_that_read_from_the_end_are_refused_by_name) {
  static const char *const directions[2] = {"reverse", "bidirectional"};
  for (int i = 0; i < 2; i++) {
    char attributes[64];
    snprintf(attributes, sizeof attributes, "{\"direction\": \"%s\"}", directions[i]);
    qe_model_t *m = one_layer("RNN", 1, i + 1, -1, attributes);
    uint32_t count = 9;
    cr_assert_eq(qe_model_expose_state(m, &count), QE_ERROR_UNSUPPORTED);
    cr_assert_eq(count, 0u);
    cr_assert_not_null(strstr(qe_last_error(), "'layer'"), "%s", qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), directions[i]), "%s", qe_last_error());
    cr_assert_eq(qe_model_input_count(m), 1u, "nothing was changed");
    qe_model_destroy(&m);
  }
}

Test(expose, a_layer_with_a_start_of_its_own_is_left_alone) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = 2};
  qe_value_t hn, cn;
  OK(qe_model_create("explicit", &m));
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, -1, I)), h0 = qe_input(m, "h0", QE_FLOAT32, DIMS(1, -1, H));
  qe_output(m, "y", qe_lstm(m, "layer", x, h0, h0, test_weight(&pool, DIMS(4 * H, I)), test_weight(&pool, DIMS(4 * H, H)), NULL, NULL, &hn, &cn));
  qe_output(m, "hn", hn);
  OK(qe_model_finish(m));
  uint32_t count = 9;
  OK(qe_model_expose_state(m, &count));
  cr_assert_eq(count, 0u);
  cr_assert_eq(qe_model_input_count(m), 2u);
  test_pool_free(&pool);
  qe_model_destroy(&m);
}

Test(expose, a_last_state_that_is_used_already_keeps_its_name) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = 3};
  qe_value_t hn;
  uint32_t count;
  OK(qe_model_create("used", &m));
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, -1, I));
  qe_output(m, "y", qe_lstm(m, "layer", x, -1, -1, test_weight(&pool, DIMS(4 * H, I)), test_weight(&pool, DIMS(4 * H, H)), NULL, NULL, &hn, NULL));
  qe_output(m, "hn", hn);
  OK(qe_model_finish(m));
  OK(qe_model_expose_state(m, &count));
  cr_assert_eq(count, 2u);
  qe_value_info_t out;
  OK(qe_model_output(m, 1, &out));
  cr_assert_str_eq(out.name, "hn");
  OK(qe_model_output(m, 2, &out));
  cr_assert_str_eq(out.name, "layer.h_next");
  test_pool_free(&pool);
  qe_model_destroy(&m);
}

/* Codes of weights have the gates along the last dimension, so the hidden size is elsewhere. */
Test(expose, dynamically_quantized_layers_too) {
  static const struct {
    const char *op;
    int64_t gates;
  } cases[] = {{"LSTM", 4}, {"GRU", 3}, {"RNN", 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe_model_t *m = one_layer(cases[i].op, cases[i].gates, 1, -1, "{\"layout\": 0}"), *q = NULL;
    uint32_t count;
    OK(qe_quantize_dynamic(m, NULL, &q, NULL));
    qe_node_info_t node;
    OK(qe_model_node(q, 0, &node));
    cr_assert(strncmp(node.op, "DynamicQuantize", 15) == 0, "%s", node.op);
    OK(qe_model_expose_state(q, &count));
    cr_assert_eq(count, i == 0 ? 2u : 1u, "%s", node.op);
    const qe_value_info_t h = input(q, 1);
    cr_assert(h.dims[0] == 1 && h.dims[1] == -1 && h.dims[2] == H && h.dtype == QE_FLOAT32, "%s", node.op);
    qe_model_destroy(&m);
    qe_model_destroy(&q);
  }
}
