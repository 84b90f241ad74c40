/* Tables whose rows are looked up: torch's Embedding and EmbeddingBag. */
#include "graph/build.h"

qe_value_t qe_embedding(qe_model_t *m, const char *name, qe_value_t indices, qe_tensor_t *weight) {
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[2] = {QE__NO_VALUE, indices};
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "Embedding", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, indices), done);
  QE_TRY_GOTO(qe__build_weight(&b, "weight", weight, 2), done);
  QE_TRY_GOTO(qe__build_constant(&b, "weight", weight, &in[0]), done);
  QE_TRY_GOTO(qe__build_node(&b, "Gather", 2, in, 1, &v), done);
  QE_TRY_GOTO(qe__node_set_int(b.node, "axis", 0), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_embedding_bag(qe_model_t *m, const char *name, qe_value_t indices, qe_value_t offsets,
                            qe_value_t per_sample_weights, qe_tensor_t *weight,
                            const qe_embedding_bag_options_t *options) {
  const qe_embedding_bag_options_t defaults = {.mode = NULL};
  const qe_embedding_bag_options_t *o = options != NULL ? options : &defaults;
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[6] = {QE__NO_VALUE, indices, offsets, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "EmbeddingBag", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, indices), done);
  QE_TRY_GOTO(qe__build_operand(&b, offsets), done);
  if (per_sample_weights >= 0) {
    QE_TRY_GOTO(qe__build_operand(&b, per_sample_weights), done);
    in[5] = per_sample_weights;
  }
  QE_TRY_GOTO(qe__build_weight(&b, "weight", weight, 2), done);
  QE_TRY_GOTO(qe__build_constant(&b, "weight", weight, &in[0]), done);
  QE_TRY_GOTO(qe__build_node(&b, "EmbeddingBag", in[5] >= 0 ? 6 : 3, in, 1, &v), done);
  QE_TRY_GOTO(qe__node_set_string(b.node, "mode", o->mode != NULL ? o->mode : "mean"), done);
  if (o->include_last_offset) QE_TRY_GOTO(qe__node_set_int(b.node, "include_last_offset", 1), done);
  if (o->has_padding_idx) {
    const int64_t row = o->padding_idx < 0 ? o->padding_idx + weight->dims[0] : o->padding_idx;
    if (row < 0 || row >= weight->dims[0]) {
      status = qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': padding_idx is %lld; the table has %lld rows", b.name,
                        (long long)o->padding_idx, (long long)weight->dims[0]);
      goto done;
    }
    QE_TRY_GOTO(qe__node_set_int(b.node, "padding_idx", row), done);
  }
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}
