/*
 * Weights alone: their codes are expanded to float32 where they are used, activations stay float32. Embeddings keep rows
 * of 8 or 4 bits, linear layers blocks of 8 or 4 bits (MatMulNBits); a float16 weight is a constant and a Cast.
 */
#include <stdio.h>
#include <string.h>

#include "flow/dynamic.h"
#include "flow/weight_only.h"

enum { AS_ROWS = -3, AS_FLOAT16 = -4, AS_BLOCKS = 16 /* plus the output axis */ }; /* kinds of these weights */
enum { BLOCK_4BIT = 32, BLOCK_8BIT = 128 }; /* without block_size */

static const char not_a_weight[] = "it has no weight that can be quantized by itself";

/* ---- embeddings ---- */

static const char *refuse_table(const qe__graph *g, const qe__node *n) {
  const qe_tensor_t *t = g->values[n->in[0]].data;
  if (!t) return "its table is not a constant";
  if (t->dtype != QE_FLOAT32 || t->rank != 2) return "its table is not a float32 matrix";
  const int64_t axis = qe__node_int(n, "axis", 0);
  if (n->op->id == QE__OP_Gather && axis != 0 && axis != -2) return "it does not gather rows";
  return t->count == 0 ? "its table is empty" : NULL;
}

/* Rows by torch's rule, with an offset each. */
static qe_status_t make_rows(qe__dynamic *d, const qe__node *n, qe__value_id of, const qe_observer_config_t *config, qe__dynamic_weight **out) {
  if ((*out = qe__dynamic_weight_find(d, of, AS_ROWS, config)) != NULL) return QE_OK;
  qe__dynamic_weight w = {.of = of, .kind = AS_ROWS, .config = config};
  qe_tensor_t *codes = NULL, *scale = NULL, *offset = NULL;
  qe_status_t status;
  QE_TRY(qe__quantize_rows(d->g->values[of].data, config->dtype, n->name, &codes, &scale, &offset, &w.sqnr_db));
  snprintf(w.scheme, sizeof w.scheme, "%s rows", qe_dtype_name(config->dtype));
  QE_TRY_GOTO(qe__dynamic_constant(d, of, "_quantized", codes, &w.codes), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, of, "_scale", scale, &w.scale), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, of, "_offset", offset, &w.zero_point), done);
  status = qe__dynamic_weight_add(d, &w, out);
done:
  qe_tensor_release(&codes);
  qe_tensor_release(&scale);
  qe_tensor_release(&offset);
  return status;
}

static qe_status_t embedding(qe__dynamic *d, qe__node *n, const qe_observer_config_t *config, qe__dynamic_note *note) {
  qe__dynamic_weight *w;
  const bool symmetric = config->dtype == QE_INT8 && config->qscheme == QE_PER_CHANNEL_SYMMETRIC;
  note->refusal = refuse_table(d->g, n);
  if (note->refusal) return QE_OK;
  if (!symmetric && config->dtype != QE_UINT8 && config->dtype != QE_UINT4) {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "node '%s' (%s): its qconfig asks for rows of %s; there are uint8 and uint4, and int8 with the scheme "
                    "per_channel_symmetric (the codes of a linear layer that reads the same weight)",
                    n->name, n->op->name, qe_dtype_name(config->dtype));
  }
  if (symmetric) QE_TRY(qe__dynamic_matrix(d, n, n->in[0], 0, config, &w));
  else QE_TRY(make_rows(d, n, n->in[0], config, &w));
  note->sqnr_db = w->sqnr_db;
  memcpy(note->weight, w->scheme, sizeof note->weight);
  const qe__value_id offset = symmetric ? QE__NO_VALUE : w->zero_point;
  if (n->op->id == QE__OP_Gather) {
    qe__node_remove_attr(n, "axis");
    return qe__node_become(n, QE__OP_Embedding, 4, (qe__value_id[]){w->codes, n->in[1], w->scale, offset});
  }
  const qe__value_id in[6] = {w->codes, n->in[1], n->in[2], w->scale, offset, n->n_in > 5 ? n->in[5] : QE__NO_VALUE};
  return qe__node_become(n, QE__OP_EmbeddingBag, 6, in);
}

/* ---- linear layers ---- */

static qe_status_t make_blocks(qe__dynamic *d, const qe__node *n, const qe_observer_config_t *config, int bits, int64_t block,
                               qe__dynamic_weight **out) {
  const int32_t axis = qe__weight_axis(d->g, n);
  const bool symmetric = config->qscheme == QE_PER_CHANNEL_SYMMETRIC || config->qscheme == QE_PER_TENSOR_SYMMETRIC;
  if ((*out = qe__dynamic_weight_find(d, n->in[1], AS_BLOCKS + axis, config)) != NULL) return QE_OK;
  qe__dynamic_weight w = {.of = n->in[1], .kind = AS_BLOCKS + axis, .config = config, .zero_point = QE__NO_VALUE};
  qe_tensor_t *packed = NULL, *scales = NULL, *zeros = NULL;
  qe_status_t status;
  QE_TRY(qe__quantize_blocks(d->g->values[w.of].data, axis == 0, bits, block, symmetric, n->name, &packed, &scales, &zeros, &w.sqnr_db));
  snprintf(w.scheme, sizeof w.scheme, "%s blocks of %lld", bits == 4 ? "int4" : "int8", (long long)block);
  QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_quantized", packed, &w.codes), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_scale", scales, &w.scale), done);
  if (zeros) QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_zero_point", zeros, &w.zero_point), done);
  status = qe__dynamic_weight_add(d, &w, out);
done:
  qe_tensor_release(&packed);
  qe_tensor_release(&scales);
  qe_tensor_release(&zeros);
  return status;
}

static qe_status_t linear(qe__dynamic *d, qe__node *n, const qe_observer_config_t *config, qe__dynamic_note *note) {
  const int bits = (int)qe_dtype_bits(config->dtype);
  const int64_t block = config->block_size > 0 ? config->block_size : bits == 4 ? BLOCK_4BIT : BLOCK_8BIT;
  const int32_t axis = qe__weight_axis(d->g, n);
  qe__dynamic_weight *w;
  qe__value_id bias;
  if (bits != 4 && bits != 8) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): its qconfig asks for %s weights beside float activations; there are "
                    "int4, int8 and float16", n->name, n->op->name, qe_dtype_name(config->dtype));
  }
  if (block < 16 || (block & (block - 1)) != 0) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): block_size is %lld; a power of 2, at least 16, was expected", n->name,
                    n->op->name, (long long)block);
  }
  QE_TRY(make_blocks(d, n, config, bits, block, &w));
  note->sqnr_db = w->sqnr_db;
  memcpy(note->weight, w->scheme, sizeof note->weight);
  const int64_t *dims = d->g->values[n->in[1]].data->dims;
  const int64_t depth = dims[axis == 0 ? 1 : 0], columns = dims[axis];
  QE_TRY(qe__linear_bias(d, n, &bias));
  QE_TRY(qe__node_become(n, QE__OP_MatMulNBits, 6, (qe__value_id[]){n->in[0], w->codes, w->scale, w->zero_point, QE__NO_VALUE, bias}));
  qe__linear_drop_attributes(n, false);
  QE_TRY(qe__node_set_int(n, "K", depth));
  QE_TRY(qe__node_set_int(n, "N", columns));
  QE_TRY(qe__node_set_int(n, "bits", bits));
  return qe__node_set_int(n, "block_size", block);
}

/* ---- float16 ---- */

static qe_status_t half(qe__dynamic *d, const qe__node *n, qe__value_id of, qe__dynamic_weight **out) {
  static const qe_observer_config_t none = {.struct_size = sizeof none};
  if ((*out = qe__dynamic_weight_find(d, of, AS_FLOAT16, &none)) != NULL) return QE_OK;
  qe__dynamic_weight w = {.of = of, .kind = AS_FLOAT16, .config = &none, .scheme = "float16"};
  qe_tensor_t *t = NULL;
  qe__value_id stored;
  qe__node *cast;
  qe_status_t status;
  QE_TRY(qe__to_float16(d->g->values[of].data, n->name, &t, &w.sqnr_db));
  QE_TRY_GOTO(qe__dynamic_constant(d, of, "_float16", t, &stored), done);
  QE_TRY_GOTO(qe__dynamic_value(d, of, "_float32", QE_FLOAT32, &w.codes), done);
  QE_TRY_GOTO(qe__dynamic_node(d, "Cast", of, 1, &stored, 1, &w.codes, &cast), done);
  QE_TRY_GOTO(qe__node_set_int(cast, "to", QE_FLOAT32), done);
  status = qe__dynamic_weight_add(d, &w, out);
done:
  qe_tensor_release(&t);
  return status;
}

/* The inputs of n from `first` to `last` that are float32 constants. */
static qe_status_t halve(qe__dynamic *d, qe__node *n, uint32_t first, uint32_t last, qe__dynamic_note *note) {
  note->refusal = not_a_weight;
  for (uint32_t i = first; i <= last && i < n->n_in; i++) {
    const qe_tensor_t *t = n->in[i] == QE__NO_VALUE ? NULL : d->g->values[n->in[i]].data;
    qe__dynamic_weight *w;
    if (!t || t->dtype != QE_FLOAT32) continue;
    QE_TRY(half(d, n, n->in[i], &w));
    n->in[i] = w->codes;
    if (note->refusal || w->sqnr_db < note->sqnr_db) note->sqnr_db = w->sqnr_db;
    memcpy(note->weight, w->scheme, sizeof note->weight);
    note->refusal = NULL;
  }
  return QE_OK;
}

qe_status_t qe__dynamic_weight_only(qe__dynamic *d, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note) {
  const bool float16 = q->weight.dtype == QE_FLOAT16;
  switch (n->op->id) {
    case QE__OP_Gather: case QE__OP_EmbeddingBag:
      return float16 ? halve(d, n, 0, 0, note) : embedding(d, n, &q->weight, note);
    case QE__OP_Gemm: case QE__OP_MatMul:
      note->refusal = qe__linear_refusal(d->g, n);
      if (note->refusal) return QE_OK;
      return float16 ? halve(d, n, 1, 1, note) : linear(d, n, &q->weight, note);
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN:
      if (float16) return halve(d, n, 1, 2, note);
      note->refusal = "recurrent layers have their weights alone in float16 only";
      return QE_OK;
    default: note->refusal = not_a_weight; return QE_OK;
  }
}
