/* See predict.h; and the teacher's word on a batch. */
#include "train/predict.h"

int64_t qe__classes(const qe_tensor_t *y) {
  uint32_t rank = y->rank;
  while (rank > 2 && y->dims[rank - 1] == 1) rank--;
  return rank > 0 ? y->dims[rank - 1] : 1;
}

/* Codes as the numbers that they stand for. */
static qe_status_t as_float(qe_tensor_t *y, qe_tensor_t **out) {
  if (y->dtype == QE_FLOAT32) {
    *out = qe_tensor_retain(y);
    return QE_OK;
  }
  if (y->q.view.count > 0) return qe_dequantize(y, out);
  return qe__fail(QE_ERROR_DTYPE, "output 0 is %s; expected float32 or quantized codes", qe_dtype_name(y->dtype));
}

qe_status_t qe__run_batch(qe_session_t *session, const qe__batch *batch, qe_tensor_t **out) {
  qe_named_tensor_t result = {NULL, NULL}, *in = qe__calloc((size_t)batch->n_inputs + 1, sizeof *in);
  if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < batch->n_inputs; i++) in[i].tensor = batch->inputs[i];
  qe_status_t status = qe_session_run(session, batch->n_inputs, in, 1, &result);
  qe__free(in);
  if (status == QE_OK) status = as_float(result.tensor, out);
  qe_tensor_release(&result.tensor);
  return status;
}

qe_status_t qe__distill(qe_trainer_t *t, qe__batch *batch) {
  qe_tensor_t *y = NULL;
  char have[200], want[200];
  if (t->options.teacher == NULL || batch->teacher != NULL) return QE_OK;
  if (t->teacher == NULL) {
    const qe_session_options_t o = {.struct_size = sizeof o, .engine = t->options.engine, .threads = t->options.threads};
    const qe_status_t created = qe_session_create(t->options.teacher, &o, &t->teacher);
    if (created != QE_OK) return qe__fail_in(created, "the teacher");
  }
  qe_status_t status = qe__run_batch(t->teacher, batch, &y);
  if (status != QE_OK) return qe__fail_in(status, "the teacher");
  const int64_t classes = qe__classes(y), rows[2] = {classes > 0 ? y->count / classes : 0, classes};
  if (batch->labels->dtype == QE_INT64 && rows[0] != batch->labels->count) {
    status = qe__fail(QE_ERROR_SHAPE, "the teacher gives logits of shape %s for labels of shape %s; expected a row for each label",
                      qe__dims_text(y->rank, y->dims, have, sizeof have),
                      qe__dims_text(batch->labels->rank, batch->labels->dims, want, sizeof want));
  } else {
    status = qe__tensor_reshape(y, 2, rows, &batch->teacher);
  }
  qe_tensor_release(&y);
  return status;
}
