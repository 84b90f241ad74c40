/* One step on tensors that the caller has. */
#include <string.h>

#include "train/feed.h"

static qe_status_t find_input(const qe__graph *g, uint32_t k, const char *name, uint32_t *input) {
  for (*input = 0; name != NULL && *input < g->n_inputs; ++*input) {
    if (strcmp(g->values[g->inputs[*input]].name, name) == 0) return QE_OK;
  }
  *input = k;
  if (name != NULL) return qe__fail(QE_ERROR_NOT_FOUND, "the step: the model has no input '%s'", name);
  return k < g->n_inputs ? QE_OK : qe__fail(QE_ERROR_INVALID_ARGUMENT, "the step: more than %u tensors for %u inputs", k, g->n_inputs);
}

/* Type, rank and known dimensions but the one that counts samples; that one is the same for all. */
static qe_status_t check_tensor(const qe_tensor_t *t, const qe__value *v, uint32_t axis, int64_t *rows) {
  char have[200], want[200];
  if (v->dtype != QE_DTYPE_NONE && t->dtype != v->dtype) {
    return qe__fail(QE_ERROR_DTYPE, "the step: '%s' is %s, the tensor is %s", v->name, qe_dtype_name(v->dtype), qe_dtype_name(t->dtype));
  }
  bool fits = axis < t->rank && (v->rank < 0 || t->rank == (uint32_t)v->rank);
  for (uint32_t d = 0; fits && v->rank >= 0 && d < t->rank; d++) fits = d == axis || v->dims[d] < 0 || v->dims[d] == t->dims[d];
  if (!fits) {
    return qe__fail(QE_ERROR_SHAPE, "the step: '%s' has shape %s, the tensor %s", v->name,
                    v->rank < 0 ? "?" : qe__dims_text((uint32_t)v->rank, v->dims, want, sizeof want),
                    qe__dims_text(t->rank, t->dims, have, sizeof have));
  }
  if (*rows >= 0 && *rows != t->dims[axis]) {
    return qe__fail(QE_ERROR_SHAPE, "the step: '%s' has %lld samples along dimension %u, another input %lld", v->name,
                    (long long)t->dims[axis], axis, (long long)*rows);
  }
  *rows = t->dims[axis];
  return QE_OK;
}

static qe_status_t take_inputs(const qe__graph *g, uint32_t n, const qe_named_tensor_t *inputs, qe__batch *b) {
  b->rows = -1;
  for (uint32_t k = 0; k < n; k++) {
    uint32_t i;
    QE_TRY(find_input(g, k, inputs[k].name, &i));
    const qe__value *v = &g->values[g->inputs[i]];
    if (inputs[k].tensor == NULL) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "the step: the tensor for '%s' is NULL", v->name);
    if (b->inputs[i] != NULL) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "the step: two tensors for '%s'", v->name);
    QE_TRY(check_tensor(inputs[k].tensor, v, qe__batch_axis(g, i), &b->rows));
    b->inputs[i] = qe_tensor_retain(inputs[k].tensor);
  }
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (b->inputs[i] == NULL) QE_TRY(qe__feed_zeros(g, i, "the step", b->rows < 0 ? 0 : b->rows, &b->inputs[i]));
  }
  return QE_OK;
}

static qe_status_t take_labels(const qe__graph *g, qe_loss_t loss, const qe_tensor_t *labels, qe__batch *b) {
  const bool classes = loss == QE_LOSS_CROSS_ENTROPY;
  const uint32_t axis = qe__label_axis(g, labels->rank);
  if (classes ? !qe__is_integer(labels->dtype) : labels->dtype != QE_FLOAT32) {
    return qe__fail(QE_ERROR_DTYPE, "the step: labels are %s; expected %s", qe_dtype_name(labels->dtype),
                    classes ? "class numbers of an integer type" : "float32");
  }
  if (labels->rank == 0 || labels->dims[axis] != b->rows) {
    return qe__fail(QE_ERROR_SHAPE, "the step: labels for %lld samples, inputs of %lld", labels->rank > 0 ? (long long)labels->dims[axis] : 1,
                    (long long)b->rows);
  }
  qe__feed_source s = {0};
  int64_t sample[QE_MAX_RANK], dims[QE_MAX_RANK];
  for (uint32_t d = 0; d < labels->rank; d++) {
    if (d != axis) sample[d < axis ? d : d - 1] = labels->dims[d];
  }
  QE_TRY(qe__feed_label_shape(g, loss, "the step", labels->rank - 1, sample, &s));
  for (uint32_t d = 0; d < s.rank; d++) dims[d < s.axis ? d : d + 1] = s.dims[d];
  dims[s.axis] = b->rows;
  if (!classes) return qe__tensor_reshape(labels, s.rank + 1, dims, &b->labels);
  QE_TRY(qe_tensor_create(QE_INT64, s.rank + 1, dims, &b->labels));
  for (int64_t i = 0; i < labels->count; i++) ((int64_t *)b->labels->data)[i] = qe__tensor_int_at(labels, i);
  return QE_OK;
}

qe_status_t qe__batch_given(const qe__graph *g, qe_loss_t loss, uint32_t n_inputs, const qe_named_tensor_t *inputs, const qe_tensor_t *labels,
                            qe__batch *out) {
  QE_TRY(qe__batch_create(g->n_inputs, out));
  qe_status_t status = take_inputs(g, n_inputs, inputs, out);
  if (status == QE_OK) status = take_labels(g, loss, labels, out);
  if (status != QE_OK) qe__batch_free(out);
  return status;
}

qe_status_t qe_trainer_step(qe_trainer_t *t, uint32_t n_inputs, const qe_named_tensor_t *inputs, const qe_tensor_t *labels, qe_train_metrics_t *out) {
  qe__batch batch;
  qe_train_metrics_t unwanted;
  const double start = qe__seconds();
  if (out != NULL) memset(out, 0, sizeof *out);
  QE_CHECK_ARG(t != NULL && labels != NULL && (n_inputs == 0 || inputs != NULL), "trainer, inputs or labels are NULL");
  if (out == NULL) out = &unwanted;
  QE_TRY(qe__batch_given(t->base->graph, t->options.loss, n_inputs, inputs, labels, &batch));
  qe_status_t status = qe__distill(t, &batch);
  if (status == QE_OK) status = qe__trainer_step(t, &batch, out);
  qe__batch_free(&batch);
  if (status == QE_OK) out->seconds = qe__seconds() - start;
  return status;
}
