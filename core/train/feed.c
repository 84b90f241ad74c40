/* See feed.h: which dataset feeds which input, and whether it fits. */
#include "train/feed.h"

#include <string.h>

#include "base/sha256.h"
#include "data/dataset.h"
#include "data/fit.h"
#include "tensor/codes.h"
#include "train/random.h"

enum { TEXT = 200, FINGERPRINTED = 256 };

bool qe__is_integer(qe_dtype_t dtype) {
  return dtype == QE_UINT8 || dtype == QE_INT8 || dtype == QE_UINT16 || dtype == QE_INT16 || dtype == QE_INT32 ||
         dtype == QE_INT64 || dtype == QE_UINT32 || dtype == QE_UINT64;
}

/* Integers of another type are checked one by one; other floats are rounded to float32. */
static bool converts(qe_dtype_t from, qe_dtype_t to) {
  const bool to_float = to == QE_FLOAT32 && (from == QE_FLOAT64 || from == QE_FLOAT16 || from == QE_BFLOAT16);
  return from == to || to_float || (qe__is_integer(from) && qe__is_integer(to) && to != QE_UINT32 && to != QE_UINT64);
}

/* ---- inputs that may be left out ---- */

static bool is_recurrent(uint16_t op) {
  return op == QE__OP_LSTM || op == QE__OP_GRU || op == QE__OP_RNN || op == QE__OP_DynamicQuantizeLSTM ||
         op == QE__OP_DynamicQuantizeGRU || op == QE__OP_DynamicQuantizeRNN;
}

static bool only_moves(uint16_t op) {
  return op == QE__OP_Slice || op == QE__OP_Split || op == QE__OP_Squeeze || op == QE__OP_Unsqueeze || op == QE__OP_Reshape ||
         op == QE__OP_Transpose || op == QE__OP_Identity || op == QE__OP_Gather;
}

/* Is v nothing but what recurrent layers begin with, directly or through ops that only move elements? Nodes are in
 * topological order, so one pass sees every reader of a value after its producer. */
static qe_status_t is_initial_state(const qe__graph *g, qe__value_id v, bool *yes) {
  bool *state = qe__calloc((size_t)g->n_values + 1, sizeof *state), read = false;
  if (state == NULL) return QE_ERROR_OUT_OF_MEMORY;
  *yes = true;
  state[v] = true;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    for (uint32_t i = 0; i < n->n_in && !n->dead; i++) {
      if (n->in[i] == QE__NO_VALUE || !state[n->in[i]]) continue;
      read = true;
      if (is_recurrent(n->op->id)) *yes = *yes && (i == 5 || i == 6);
      else if (only_moves(n->op->id) && i == 0) {
        for (uint32_t o = 0; o < n->n_out; o++) {
          if (n->out[o] != QE__NO_VALUE) state[n->out[o]] = true;
        }
      } else *yes = false;
    }
  }
  *yes = *yes && read;
  qe__free(state);
  return QE_OK;
}

static qe_status_t take_zeros(const qe__graph *g, uint32_t input, const char *what, qe__feed_source *s) {
  const qe__value *v = &g->values[g->inputs[input]];
  bool allowed = false;
  QE_TRY(is_initial_state(g, g->inputs[input], &allowed));
  for (int32_t d = 0; d < v->rank; d++) allowed = allowed && ((uint32_t)d == s->axis || v->dims[d] >= 0);
  if (!allowed || v->rank < 1 || v->dtype == QE_DTYPE_NONE) {
    return qe__fail(QE_ERROR_NOT_FOUND, "%s: there is none for the input '%s'; name a data set for it", what, v->name);
  }
  for (int32_t d = 0; d < v->rank; d++) {
    if ((uint32_t)d != s->axis) s->dims[s->rank++] = v->dims[d];
  }
  return QE_OK;
}

/* ---- what fits ---- */

/* A sample of shape `have` in the shape of v without the dimension `axis`. */
static qe_status_t fit(const qe__value *v, const char *role, const char *what, uint32_t have_rank, const int64_t *have, qe__feed_source *s) {
  int64_t want[QE_MAX_RANK];
  uint32_t rank = 0;
  char a[TEXT], b[TEXT];
  if (v->rank < 0) { /* nothing is known about it */
    s->rank = have_rank;
    if (have_rank > 0) memcpy(s->dims, have, have_rank * sizeof *have);
    return QE_OK;
  }
  for (int32_t d = 0; d < v->rank; d++) {
    if ((uint32_t)d != s->axis) want[rank++] = v->dims[d];
  }
  const uint32_t ways = v->rank > 0 ? qe__fit_dims(have_rank, have, rank, want, s->dims) : 0;
  s->rank = rank;
  if (ways == 1) return QE_OK;
  qe__dims_text(have_rank, have, a, sizeof a);
  qe__dims_text((uint32_t)v->rank, v->dims, b, sizeof b);
  if (ways > 1) {
    return qe__fail(QE_ERROR_SHAPE,
                    "%s: samples of shape %s fit the %s '%s' of shape %s (dimension %u counts samples) in more than one "
                    "way; save them in that shape",
                    what, a, role, v->name, b, s->axis);
  }
  return qe__fail(QE_ERROR_SHAPE, "%s: samples of shape %s do not fit the %s '%s' of shape %s, whose dimension %u counts samples",
                  what, a, role, v->name, b, s->axis);
}

qe_status_t qe__feed_label_shape(const qe__graph *g, qe_loss_t loss, const char *what, uint32_t have_rank, const int64_t *have, qe__feed_source *s) {
  qe__value shape = g->values[g->outputs[0]]; /* of the labels; only read */
  if (loss == QE_LOSS_CROSS_ENTROPY && shape.rank > 0) {
    while (shape.rank > 2 && shape.dims[shape.rank - 1] == 1) shape.rank--; /* [N, classes, 1, 1] */
    shape.rank--;
  }
  s->axis = qe__label_axis(g, shape.rank > 0 ? (uint32_t)shape.rank : have_rank + 1);
  return fit(&shape, loss == QE_LOSS_CROSS_ENTROPY ? "rows of the output" : "output", what, have_rank, have, s);
}

static qe_status_t check_dtype(const char *role, const char *name, const char *what, const qe__feed_source *s) {
  const qe_dtype_t have = qe_dataset_dtype(s->data);
  if (converts(have, s->dtype)) return QE_OK;
  const bool image = s->dtype == QE_FLOAT32 && qe__is_integer(have);
  return qe__fail(QE_ERROR_DTYPE, "%s: samples are %s, the %s '%s' is %s%s", what, qe_dtype_name(have), role, name,
                  qe_dtype_name(s->dtype), image ? "; normalize integer images, which makes them float32" : "");
}

static qe_status_t open_input(const qe__graph *g, uint32_t input, const char *what, qe__feeder *f) {
  const qe__value *v = &g->values[g->inputs[input]];
  qe__feed_source *s = &f->inputs[input];
  s->axis = qe__batch_axis(g, input);
  s->dtype = v->dtype;
  if (s->data == NULL) return take_zeros(g, input, what, s);
  if (s->dtype == QE_DTYPE_NONE) s->dtype = qe_dataset_dtype(s->data);
  QE_TRY(fit(v, "input", what, qe_dataset_sample_rank(s->data), qe_dataset_sample_dims(s->data), s));
  if (v->rank > 0 && v->dims[s->axis] > 0) f->fixed = v->dims[s->axis];
  return check_dtype("input", v->name, what, s);
}

static qe_status_t open_labels(const qe__graph *g, qe_loss_t loss, const char *what, qe__feeder *f) {
  qe__feed_source *s = &f->labels;
  const char *output = g->values[g->outputs[0]].name;
  const bool classes = loss == QE_LOSS_CROSS_ENTROPY;
  if (qe_dataset_count(s->data) != f->count) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: %lld labels for %lld samples", what, (long long)qe_dataset_count(s->data),
                    (long long)f->count);
  }
  s->dtype = classes ? QE_INT64 : QE_FLOAT32;
  if (classes && !qe__is_integer(qe_dataset_dtype(s->data))) {
    return qe__fail(QE_ERROR_DTYPE, "%s: labels are %s; expected class numbers of an integer type", what,
                    qe_dtype_name(qe_dataset_dtype(s->data)));
  }
  QE_TRY(qe__feed_label_shape(g, loss, what, qe_dataset_sample_rank(s->data), qe_dataset_sample_dims(s->data), s));
  return check_dtype("output", output, what, s);
}

static qe_status_t name_sources(const qe__graph *g, const qe_train_data_t *data, const char *what, qe__feeder *f) {
  for (uint32_t k = 0; k < data->n_inputs; k++) {
    const qe_train_input_t *in = &data->inputs[k];
    uint32_t i = k;
    if (in->data == NULL) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: the data set of input %u is NULL", what, k);
    if (in->name != NULL) {
      for (i = 0; i < g->n_inputs && strcmp(g->values[g->inputs[i]].name, in->name) != 0;) i++;
    }
    if (i >= g->n_inputs) {
      return in->name != NULL ? qe__fail(QE_ERROR_NOT_FOUND, "%s: the model has no input '%s'", what, in->name)
                              : qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: %u data sets for %u inputs", what, data->n_inputs, g->n_inputs);
    }
    if (f->inputs[i].data != NULL) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: two data sets for the input '%s'", what, g->values[g->inputs[i]].name);
    }
    const int64_t count = qe_dataset_count(in->data);
    if (k > 0 && count != f->count) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: %lld samples for the input '%s', %lld for another; expected as many", what,
                      (long long)count, g->values[g->inputs[i]].name, (long long)f->count);
    }
    f->inputs[i].data = in->data;
    f->count = count;
  }
  return QE_OK;
}

qe_status_t qe__feed_open(const qe__graph *g, qe_loss_t loss, const qe_train_data_t *data, const char *what, qe__feeder *out) {
  memset(out, 0, sizeof *out);
  if (data->n_inputs == 0 || data->inputs == NULL || data->labels == NULL) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: inputs or labels are missing", what);
  }
  if (g->n_outputs == 0) return qe__fail(QE_ERROR_UNSUPPORTED, "%s: the model has no output", what);
  out->inputs = qe__calloc((size_t)g->n_inputs + 1, sizeof *out->inputs);
  if (out->inputs == NULL) return QE_ERROR_OUT_OF_MEMORY;
  out->n_inputs = g->n_inputs;
  out->labels.data = data->labels;
  qe_status_t status = name_sources(g, data, what, out);
  for (uint32_t i = 0; i < g->n_inputs && status == QE_OK; i++) status = open_input(g, i, what, out);
  if (status == QE_OK) status = open_labels(g, loss, what, out);
  if (status != QE_OK) qe__feed_close(out);
  return status;
}

void qe__feed_close(qe__feeder *feed) {
  qe__free(feed->inputs);
  memset(feed, 0, sizeof *feed);
}

/* ---- batches ---- */

static qe_status_t convert(const qe_tensor_t *from, qe_tensor_t *to, int64_t sample) {
  for (int64_t i = 0; i < to->count; i++) {
    if (to->dtype == QE_FLOAT32) {
      ((float *)to->data)[i] = (float)qe__tensor_float_at(from, i);
      continue;
    }
    const int64_t v = qe__tensor_int_at(from, i);
    int32_t low, high;
    if (to->dtype == QE_INT64) {
      ((int64_t *)to->data)[i] = v;
      continue;
    }
    if (!qe__dtype_integer_range(to->dtype, &low, &high) || v < low || v > high) {
      return qe__fail(QE_ERROR_DTYPE, "sample %lld holds %lld, which %s cannot hold", (long long)sample, (long long)v,
                      qe_dtype_name(to->dtype));
    }
    const int32_t code = (int32_t)v;
    qe__codes_store(to->dtype, to->data, i, 1, &code);
  }
  return QE_OK;
}

/* Sample k of a batch of `count`, along the axis. */
static void place(const qe__feed_source *s, const qe_tensor_t *sample, int64_t k, qe_tensor_t *batch) {
  size_t outer = 1, inner = qe_dtype_bits(s->dtype) / 8;
  for (uint32_t d = 0; d < s->rank; d++) {
    if (d < s->axis) outer *= (size_t)s->dims[d];
    else inner *= (size_t)s->dims[d];
  }
  const size_t count = (size_t)batch->dims[s->axis];
  if (sample->count == 0) return;
  for (size_t o = 0; o < outer; o++) {
    memcpy((uint8_t *)batch->data + (o * count + (size_t)k) * inner, (const uint8_t *)sample->data + o * inner, inner);
  }
}

static qe_status_t gather(const qe__feed_source *s, uint32_t input, int64_t count, const int64_t *samples,
                          const qe__augmentation *a, qe_tensor_t **out) {
  int64_t dims[QE_MAX_RANK];
  qe_tensor_t *raw = NULL, *sample = NULL;
  if (s->rank >= QE_MAX_RANK || s->axis > s->rank) return qe__fail(QE_ERROR_SHAPE, "a sample has %u dimensions, too many", s->rank);
  for (uint32_t d = 0; d < s->rank; d++) dims[d < s->axis ? d : d + 1] = s->dims[d];
  dims[s->axis] = count;
  QE_TRY(qe_tensor_create(s->dtype, s->rank + 1, dims, out));
  if (s->data == NULL) return QE_OK;
  const qe_dtype_t stored = qe_dataset_dtype(s->data);
  qe_status_t status = qe_tensor_create(s->dtype, s->rank, s->dims, &sample);
  if (status == QE_OK && stored != s->dtype) status = qe_tensor_create(stored, s->rank, s->dims, &raw);
  for (int64_t k = 0; k < count && status == QE_OK; k++) {
    qe__dataset_copy(s->data, samples[k], 1, raw != NULL ? raw->data : sample->data);
    if (raw != NULL) status = convert(raw, sample, samples[k]);
    if (a != NULL && a->change != NULL && s->dtype == QE_FLOAT32) {
      a->change(a->arg, input, qe__random_at(a->stream, (uint64_t)samples[k]), s->rank, s->dims, sample->data);
    }
    if (status == QE_OK) place(s, sample, k, *out);
  }
  qe_tensor_release(&raw);
  qe_tensor_release(&sample);
  return status;
}

qe_status_t qe__feed_zeros(const qe__graph *g, uint32_t input, const char *what, int64_t count, qe_tensor_t **out) {
  qe__feed_source s = {.dtype = g->values[g->inputs[input]].dtype, .axis = qe__batch_axis(g, input)};
  *out = NULL;
  QE_TRY(take_zeros(g, input, what, &s));
  return gather(&s, input, count, NULL, NULL, out);
}

qe_status_t qe__feed_batch(const qe__feeder *f, int64_t count, const int64_t *samples, const qe__augmentation *a, qe__batch *out) {
  QE_TRY(qe__batch_create(f->n_inputs, out));
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < f->n_inputs && status == QE_OK; i++) {
    status = gather(&f->inputs[i], i, count, samples, a, &out->inputs[i]);
  }
  if (status == QE_OK) status = gather(&f->labels, f->n_inputs, count, samples, NULL, &out->labels);
  out->rows = count;
  if (status != QE_OK) qe__batch_free(out);
  return status;
}

/* ---- fingerprints ---- */

static void add_source(qe__sha256_state *sha, const qe__feed_source *s, int64_t count, int64_t k) {
  qe_tensor_t *t = NULL;
  const int64_t sample = count <= FINGERPRINTED ? k : (int64_t)((double)k / FINGERPRINTED * (double)count);
  if (s->data == NULL || qe_dataset_batch(s->data, sample, 1, &t) != QE_OK) return;
  qe__sha256_update(sha, t->data, t->bytes);
  qe_tensor_release(&t);
}

void qe__feed_fingerprint(const qe__feeder *f, uint8_t out[32]) {
  qe__sha256_state sha;
  qe__sha256_init(&sha);
  qe__sha256_update(&sha, &f->count, sizeof f->count);
  for (uint32_t i = 0; i <= f->n_inputs; i++) {
    const qe__feed_source *s = i < f->n_inputs ? &f->inputs[i] : &f->labels;
    const int64_t shape[2] = {(int64_t)s->dtype, (int64_t)s->rank};
    qe__sha256_update(&sha, shape, sizeof shape);
    qe__sha256_update(&sha, s->dims, s->rank * sizeof s->dims[0]);
    for (int64_t k = 0; k < FINGERPRINTED && k < f->count; k++) add_source(&sha, s, f->count, k);
  }
  qe__sha256_final(&sha, out);
}
