/* Batches: which dimension counts samples, and cutting a batch into shards along it. */
#include <string.h>
#include <strings.h>

#include "train/trainer.h"

static int32_t named_batch_axis(const qe__value *v) {
  for (int32_t d = 0; d < v->rank; d++) {
    if (v->symbols[d] != NULL && strncasecmp(v->symbols[d], "batch", 5) == 0) return d;
  }
  return -1;
}

uint32_t qe__batch_axis(const qe__graph *g, uint32_t input) {
  const qe__value *v = &g->values[g->inputs[input]];
  const int32_t named = named_batch_axis(v);
  if (named >= 0) return (uint32_t)named;
  for (int32_t d = 0; d < v->rank; d++) {
    if (v->dims[d] < 0) return (uint32_t)d;
  }
  return 0;
}

uint32_t qe__label_axis(const qe__graph *g, uint32_t rank) {
  const int32_t named = g->n_outputs > 0 ? named_batch_axis(&g->values[g->outputs[0]]) : -1;
  const uint32_t axis = named >= 0 ? (uint32_t)named : g->n_inputs > 0 ? qe__batch_axis(g, 0) : 0;
  return axis < rank ? axis : rank > 0 ? rank - 1 : 0;
}

qe_status_t qe__batch_create(uint32_t n_inputs, qe__batch *out) {
  memset(out, 0, sizeof *out);
  out->inputs = qe__calloc((size_t)n_inputs + 1, sizeof(qe_tensor_t *));
  if (out->inputs == NULL) return QE_ERROR_OUT_OF_MEMORY;
  out->n_inputs = n_inputs;
  return QE_OK;
}

void qe__batch_free(qe__batch *batch) {
  for (uint32_t i = 0; i < batch->n_inputs; i++) qe_tensor_release(&batch->inputs[i]);
  qe__free(batch->inputs);
  qe_tensor_release(&batch->labels);
  qe_tensor_release(&batch->teacher);
  memset(batch, 0, sizeof *batch);
}

/* Entries [first, first + count) along a dimension. */
static qe_status_t slice(const qe_tensor_t *t, uint32_t axis, int64_t first, int64_t count, qe_tensor_t **out) {
  int64_t dims[QE_MAX_RANK];
  size_t outer = 1, inner = qe_dtype_bits(t->dtype) / 8;
  char text[200];
  if (axis >= t->rank || first < 0 || count < 0 || first > t->dims[axis] - count) {
    return qe__fail(QE_ERROR_SHAPE,
                    "samples %lld to %lld of a tensor of shape %s along dimension %u; give every input and the labels "
                    "the same number of samples",
                    (long long)first, (long long)(first + count), qe__dims_text(t->rank, t->dims, text, sizeof text),
                    axis);
  }
  memcpy(dims, t->dims, t->rank * sizeof dims[0]);
  for (uint32_t d = 0; d < t->rank; d++) {
    if (d < axis) outer *= (size_t)dims[d];
    if (d > axis) inner *= (size_t)dims[d];
  }
  dims[axis] = count;
  QE_TRY(qe_tensor_create(t->dtype, t->rank, dims, out));
  const size_t from = (size_t)t->dims[axis] * inner, to = (size_t)count * inner;
  const uint8_t *src = (const uint8_t *)t->data + (size_t)first * inner;
  for (size_t o = 0; o < outer && to > 0; o++) memcpy((uint8_t *)(*out)->data + o * to, src + o * from, to);
  return QE_OK;
}

/* The teacher's rows are in the order of the labels, a row for each. */
static qe_status_t slice_teacher(const qe__batch *batch, uint32_t axis, int64_t first, int64_t count, qe_tensor_t **out) {
  const qe_tensor_t *labels = batch->labels, *teacher = batch->teacher;
  const int64_t classes = teacher->rank == 2 ? teacher->dims[1] : 0;
  int64_t dims[QE_MAX_RANK + 1];
  char have[200], want[200];
  memcpy(dims, labels->dims, labels->rank * sizeof dims[0]);
  dims[labels->rank] = classes;
  if (labels->rank >= QE_MAX_RANK || teacher->count != labels->count * classes) {
    return qe__fail(QE_ERROR_SHAPE, "the teacher's logits have shape %s for labels of shape %s; expected a row for each label",
                    qe__dims_text(teacher->rank, teacher->dims, have, sizeof have),
                    qe__dims_text(labels->rank, labels->dims, want, sizeof want));
  }
  qe_tensor_t *wide = NULL, *part = NULL;
  QE_TRY(qe__tensor_reshape(teacher, labels->rank + 1, dims, &wide));
  qe_status_t status = slice(wide, axis, first, count, &part);
  if (status == QE_OK) {
    const int64_t rows[2] = {classes > 0 ? part->count / classes : 0, classes};
    status = qe__tensor_reshape(part, 2, rows, out);
  }
  qe_tensor_release(&part);
  qe_tensor_release(&wide);
  return status;
}

qe_status_t qe__batch_slice(const qe__graph *g, const qe__batch *batch, int64_t first, int64_t count, qe__batch *out) {
  QE_TRY(qe__batch_create(batch->n_inputs, out));
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < batch->n_inputs; i++) {
    QE_TRY_GOTO(slice(batch->inputs[i], qe__batch_axis(g, i), first, count, &out->inputs[i]), failed);
  }
  if (batch->labels != NULL) {
    const uint32_t axis = qe__label_axis(g, batch->labels->rank);
    QE_TRY_GOTO(slice(batch->labels, axis, first, count, &out->labels), failed);
    if (batch->teacher != NULL) QE_TRY_GOTO(slice_teacher(batch, axis, first, count, &out->teacher), failed);
  }
  out->rows = count;
  return QE_OK;
failed:
  qe__batch_free(out);
  return status;
}
