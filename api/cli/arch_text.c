/*
 * BERT-base as exporters write it (matrix products over [batch, tokens, width], attention by reshapes and transposes),
 * a word-level LSTM language model, and LSTM layers alone.
 */
#include <math.h>
#include <stdlib.h>

#include "arch.h"

static qe_value_t linear(arch_net *net, const char *name, qe_value_t x, int64_t in, int64_t out, float gain) {
  const int64_t dims[2] = { out, in };
  qe_tensor_t *weight = arch_normal(net, 2, dims, gain / sqrtf((float)in));
  qe_tensor_t *bias = arch_uniform(net, out, -0.1f, 0.1f);
  x = qe_linear(net->m, name, x, weight, bias);
  qe_tensor_release(&weight);
  qe_tensor_release(&bias);
  return x;
}

static qe_value_t embedding(arch_net *net, const char *name, qe_value_t ids, int64_t words, int64_t width) {
  const int64_t dims[2] = { words, width };
  qe_tensor_t *weight = arch_normal(net, 2, dims, 1.0f);
  ids = qe_embedding(net->m, name, ids, weight);
  qe_tensor_release(&weight);
  return ids;
}

/* ---- BERT ---- */

enum { WIDTH = 768, INNER = 3072, LAYERS = 12, HEADS = 12, DEPTH = WIDTH / HEADS };

static qe_value_t layer_norm(arch_net *net, const char *name, qe_value_t x) {
  qe_tensor_t *weight = arch_uniform(net, WIDTH, 0.7f, 1.3f), *bias = arch_uniform(net, WIDTH, -0.2f, 0.2f);
  x = qe_layer_norm(net->m, name, x, weight, bias, 1e-12f);
  qe_tensor_release(&weight);
  qe_tensor_release(&bias);
  return x;
}

/* Names of a layer's parts, valid until the next call. */
static const char *part(int layer, const char *what) {
  static char name[64];
  snprintf(name, sizeof name, "encoder.layer.%d.%s", layer, what);
  return name;
}

/* [batch, tokens, width] -> [batch, heads, tokens, depth], or with the last two turned. */
static qe_value_t heads(arch_net *net, int layer, const char *what, qe_value_t x, int64_t tokens, bool turned) {
  const int64_t dims[4] = { net->o.batch, tokens, HEADS, DEPTH };
  const int64_t perm[4] = { 0, 2, turned ? 3 : 1, turned ? 1 : 3 };
  char name[64];
  x = linear(net, part(layer, what), x, WIDTH, WIDTH, 1.0f);
  snprintf(name, sizeof name, "%s.split", what);
  x = qe_reshape(net->m, part(layer, name), x, 4, dims);
  snprintf(name, sizeof name, "%s.turn", what);
  return qe_transpose(net->m, part(layer, name), x, 4, perm);
}

static qe_value_t scalar(arch_net *net, const char *name, float number) {
  qe_tensor_t *t = NULL;
  if (qe_tensor_from_data(QE_FLOAT32, 0, NULL, &number, &t) != QE_OK) cli_out_of_memory();
  const qe_value_t v = qe_constant(net->m, name, t);
  qe_tensor_release(&t);
  return v;
}

static qe_value_t attention(arch_net *net, int layer, qe_value_t x, int64_t tokens) {
  static const int64_t back[4] = { 0, 2, 1, 3 };
  const int64_t dims[3] = { net->o.batch, tokens, WIDTH };
  qe_model_t *m = net->m;
  const qe_value_t q = heads(net, layer, "attention.query", x, tokens, false);
  const qe_value_t k = heads(net, layer, "attention.key", x, tokens, true);
  const qe_value_t v = heads(net, layer, "attention.value", x, tokens, false);
  qe_value_t y = qe_matmul(m, part(layer, "attention.scores"), q, k);
  const qe_value_t root = scalar(net, part(layer, "attention.root"), sqrtf((float)DEPTH));
  const qe_value_t operands[2] = { y, root };
  y = qe_op(m, "Div", part(layer, "attention.scale"), 2, operands, NULL);
  y = qe_softmax(m, part(layer, "attention.softmax"), y, -1);
  y = qe_matmul(m, part(layer, "attention.context"), y, v);
  y = qe_transpose(m, part(layer, "attention.turn"), y, 4, back);
  y = qe_reshape(m, part(layer, "attention.join"), y, 3, dims);
  return linear(net, part(layer, "attention.output"), y, WIDTH, WIDTH, 1.0f);
}

void arch_bert_base(arch_net *net) {
  const int64_t tokens = net->o.length, dims[2] = { net->o.batch, tokens };
  const int64_t places[3] = { 1, tokens, WIDTH };
  qe_model_t *m = net->m;
  qe_tensor_t *position = arch_normal(net, 3, places, 0.5f);
  const qe_value_t ids = qe_input(m, "input_ids", QE_INT64, 2, dims);
  qe_value_t x = embedding(net, "embeddings.word", ids, ARCH_BERT_WORDS, WIDTH);
  x = qe_add(m, "embeddings.add", x, qe_constant(m, "embeddings.position", position));
  qe_tensor_release(&position);
  x = layer_norm(net, "embeddings.norm", x);
  for (int i = 0; i < LAYERS; i++) {
    qe_value_t y = qe_add(m, part(i, "attention.add"), attention(net, i, x, tokens), x);
    x = layer_norm(net, part(i, "attention.norm"), y);
    y = linear(net, part(i, "intermediate"), x, WIDTH, INNER, 1.0f);
    y = qe_op(m, "Gelu", part(i, "gelu"), 1, &y, NULL);
    y = linear(net, part(i, "output"), y, INNER, WIDTH, 1.4f);
    x = layer_norm(net, part(i, "output.norm"), qe_add(m, part(i, "output.add"), y, x));
  }
  qe_output(m, "last_hidden_state", x);
}

/* ---- the language model ---- */

enum { STACK = 2 };

static qe_value_t lstm(arch_net *net, const char *name, qe_value_t x, int64_t in, int64_t units) {
  const int64_t of_input[2] = { 4 * units, in }, of_state[2] = { 4 * units, units };
  qe_tensor_t *w = arch_normal(net, 2, of_input, 1.0f / sqrtf((float)in));
  qe_tensor_t *r = arch_normal(net, 2, of_state, 1.0f / sqrtf((float)units));
  qe_tensor_t *b = arch_uniform(net, 4 * units, -0.1f, 0.1f);
  x = qe_lstm(net->m, name, x, -1, -1, w, r, b, NULL, NULL, NULL);
  qe_tensor_release(&w);
  qe_tensor_release(&r);
  qe_tensor_release(&b);
  return x;
}

static qe_value_t stack(arch_net *net, qe_value_t x) {
  for (int i = 0; i < STACK; i++) {
    char name[16];
    snprintf(name, sizeof name, "lstm.%d", i);
    x = lstm(net, name, x, net->o.hidden, net->o.hidden);
  }
  return x;
}

void arch_lstm(arch_net *net) {
  const int64_t units = net->o.hidden, dims[2] = { net->o.length, net->o.batch };
  qe_value_t x = embedding(net, "embedding", qe_input(net->m, "tokens", QE_INT64, 2, dims), ARCH_LSTM_WORDS, units);
  x = stack(net, x);
  qe_output(net->m, "logits", linear(net, "decoder", x, units, ARCH_LSTM_WORDS, 1.0f));
}

/* ---- the recurrent layers alone ---- */

void arch_lstm_650(arch_net *net) {
  const int64_t dims[3] = { net->o.length, net->o.batch, net->o.hidden };
  qe_output(net->m, "y", stack(net, qe_input(net->m, "x", QE_FLOAT32, 3, dims)));
}

void arch_lstm_1500(arch_net *net) {
  arch_lstm_650(net);
}
