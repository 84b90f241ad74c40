/* Data sets: arrays joined along axis 0, kept as they are in their files and converted batch by batch. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/dataset.h"
#include "data/fit.h"
#include "tensor/tensor.h"

enum { DIMS_TEXT = 200 };

struct qe_dataset {
  uint32_t n_parts;
  qe_tensor_t **parts;
  int64_t *starts; /* number of the first sample of each part */
  int64_t count;
  qe_dtype_t stored, dtype; /* in the files; of batches */
  uint32_t sample_rank;
  int64_t sample_dims[QE_MAX_RANK];
  int64_t sample_count; /* elements of one sample */
  float mean, std;
};

void qe_dataset_destroy(qe_dataset_t **dataset) {
  if (dataset == NULL || *dataset == NULL) return;
  qe_dataset_t *d = *dataset;
  *dataset = NULL;
  if (d->parts != NULL) {
    for (uint32_t i = 0; i < d->n_parts; i++) qe_tensor_release(&d->parts[i]);
  }
  qe__free(d->parts);
  qe__free(d->starts);
  qe__free(d);
}

/* Takes over t. The first part's type and sample shape are the data set's; the others are held to them. */
static qe_status_t add_part(qe_dataset_t *d, const char *const *paths, uint32_t index, qe_tensor_t *t) {
  char mine[DIMS_TEXT], first[DIMS_TEXT];
  d->parts[index] = t;
  if (t->rank == 0) return qe__fail(QE_ERROR_SHAPE, "%s: a single number; expected samples along axis 0", paths[index]);
  if (qe_dtype_bits(t->dtype) < 8) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "%s: a data set of %s elements; expected whole bytes", paths[index],
                    qe_dtype_name(t->dtype));
  }
  const uint32_t rank = t->rank - 1;
  if (index == 0) {
    d->stored = t->dtype;
    d->sample_rank = rank;
    memcpy(d->sample_dims, t->dims + 1, rank * sizeof t->dims[0]);
    if (!qe__dims_count(rank, d->sample_dims, &d->sample_count)) {
      return qe__fail(QE_ERROR_SHAPE, "%s: a sample of shape %s exceeds the address space", paths[index],
                      qe__dims_text(rank, d->sample_dims, mine, sizeof mine));
    }
  }
  if (t->dtype != d->stored) {
    return qe__fail(QE_ERROR_DTYPE, "%s holds %s, %s holds %s; files of one data set need one type", paths[0],
                    qe_dtype_name(d->stored), paths[index], qe_dtype_name(t->dtype));
  }
  if (rank != d->sample_rank || memcmp(d->sample_dims, t->dims + 1, rank * sizeof t->dims[0]) != 0) {
    return qe__fail(QE_ERROR_SHAPE,
                    "%s holds samples of shape %s, %s of shape %s; files of one data set need one shape", paths[0],
                    qe__dims_text(d->sample_rank, d->sample_dims, first, sizeof first), paths[index],
                    qe__dims_text(rank, t->dims + 1, mine, sizeof mine));
  }
  d->starts[index] = d->count;
  if (__builtin_add_overflow(d->count, t->dims[0], &d->count))
    return qe__fail(QE_ERROR_SHAPE, "%s: too many samples", paths[index]);
  return QE_OK;
}

static qe_status_t set_normalization(qe_dataset_t *d, const qe_dataset_options_t *options, const char *path) {
  d->dtype = d->stored;
  if (options == NULL || !options->normalize) return QE_OK;
  if (!isfinite(options->mean) || !isfinite(options->std) || options->std == 0) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "normalization: mean %g, std %g; expected finite numbers, std not 0",
                    (double)options->mean, (double)options->std);
  }
  if (d->stored != QE_UINT8 && d->stored != QE_INT8 && d->stored != QE_UINT16 && d->stored != QE_INT16 &&
      d->stored != QE_INT32 && d->stored != QE_INT64) {
    return qe__fail(QE_ERROR_DTYPE, "%s: normalization is for integer images, (x / 255 - mean) / std; the data are %s",
                    path, qe_dtype_name(d->stored));
  }
  d->dtype = QE_FLOAT32;
  d->mean = options->mean;
  d->std = options->std;
  return QE_OK;
}

/* One part per path: what the file holds, or, when there is a tensor, that one (and paths[0] is its name in messages). */
static qe_status_t open_parts(uint32_t n, const char *const *paths, qe_tensor_t *tensor,
                              const qe_dataset_options_t *options, qe_dataset_t **out) {
  qe_dataset_t *d = qe__calloc(1, sizeof *d);
  if (d == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  d->n_parts = n;
  d->parts = qe__calloc(n, sizeof *d->parts);
  d->starts = qe__calloc(n, sizeof *d->starts);
  if (d->parts == NULL || d->starts == NULL) goto failed;
  for (uint32_t i = 0; i < n; i++) {
    qe_tensor_t *t = qe_tensor_retain(tensor);
    if (t == NULL) QE_TRY_GOTO(qe_tensor_load(paths[i], NULL, &t), failed);
    QE_TRY_GOTO(add_part(d, paths, i, t), failed);
  }
  QE_TRY_GOTO(set_normalization(d, options, paths[0]), failed);
  *out = d;
  return QE_OK;
failed:
  qe_dataset_destroy(&d);
  return status;
}

static qe_status_t check_options(const qe_dataset_options_t *options) {
  QE_CHECK_ARG(options == NULL || options->struct_size >= sizeof *options,
               "options.struct_size is not sizeof(qe_dataset_options_t)");
  return QE_OK;
}

qe_status_t qe_dataset_open(uint32_t n_paths, const char *const *paths, const qe_dataset_options_t *options,
                            qe_dataset_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(n_paths > 0 && paths != NULL, "no paths");
  for (uint32_t i = 0; i < n_paths; i++) QE_CHECK_ARG(paths[i] != NULL, "a path is NULL");
  QE_TRY(check_options(options));
  return open_parts(n_paths, paths, NULL, options, out);
}

qe_status_t qe_dataset_from_tensor(qe_tensor_t *tensor, const qe_dataset_options_t *options, qe_dataset_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(tensor != NULL, "tensor is NULL");
  QE_TRY(check_options(options));
  return open_parts(1, (const char *const[]){"the tensor"}, tensor, options, out);
}

int64_t qe_dataset_count(const qe_dataset_t *dataset) { return dataset == NULL ? 0 : dataset->count; }
qe_dtype_t qe_dataset_dtype(const qe_dataset_t *dataset) { return dataset == NULL ? QE_DTYPE_NONE : dataset->dtype; }
uint32_t qe_dataset_sample_rank(const qe_dataset_t *dataset) { return dataset == NULL ? 0 : dataset->sample_rank; }
const int64_t *qe_dataset_sample_dims(const qe_dataset_t *dataset) {
  return dataset == NULL ? NULL : dataset->sample_dims;
}

qe_status_t qe_dataset_fit(qe_dataset_t *dataset, uint32_t rank, const int64_t *dims) {
  QE_CHECK_ARG(dataset != NULL, "dataset is NULL");
  QE_CHECK_ARG(rank == 0 || dims != NULL, "dims is NULL");
  int64_t fitted[QE_MAX_RANK];
  char have[DIMS_TEXT], want[DIMS_TEXT];
  const uint32_t ways =
      rank < QE_MAX_RANK ? qe__fit_dims(dataset->sample_rank, dataset->sample_dims, rank, dims, fitted) : 0;
  if (ways == 1) {
    dataset->sample_rank = rank;
    memcpy(dataset->sample_dims, fitted, rank * sizeof fitted[0]);
    return QE_OK;
  }
  qe__dims_text(dataset->sample_rank, dataset->sample_dims, have, sizeof have);
  qe__dims_text(rank < QE_MAX_RANK ? rank : QE_MAX_RANK, dims, want, sizeof want);
  if (ways > 1) {
    return qe__fail(QE_ERROR_SHAPE,
                    "the data's samples have shape %s, the input wants %s, and there is more than one way to make them "
                    "fit; save the data in the input's shape",
                    have, want);
  }
  return qe__fail(QE_ERROR_SHAPE,
                  "the data's samples have shape %s, the input wants %s; only dimensions of 1 are inserted or removed",
                  have, want);
}

#define NORMALIZE(type)                                                                                  \
  for (int64_t i = 0; i < n; i++) out[i] = ((float)((const type *)x)[first + i] / 255.0f - d->mean) / d->std

/* docs: (x / 255 - mean) / std in float32, each operation rounded. */
static void normalize(const qe_dataset_t *d, const void *x, int64_t first, int64_t n, float *out) {
  switch (d->stored) {
  case QE_UINT8: NORMALIZE(uint8_t); break;
  case QE_INT8: NORMALIZE(int8_t); break;
  case QE_UINT16: NORMALIZE(uint16_t); break;
  case QE_INT16: NORMALIZE(int16_t); break;
  case QE_INT32: NORMALIZE(int32_t); break;
  default: NORMALIZE(int64_t); break;
  }
}

void qe__dataset_copy(const qe_dataset_t *d, int64_t first, int64_t count, void *out) {
  int64_t done = 0;
  for (uint32_t i = 0; i < d->n_parts && done < count; i++) {
    const int64_t begin = first + done - d->starts[i], size = d->parts[i]->dims[0];
    if (begin >= size) continue;
    const int64_t n = size - begin < count - done ? size - begin : count - done;
    const int64_t from = begin * d->sample_count, to = done * d->sample_count, elements = n * d->sample_count;
    if (d->dtype != d->stored) {
      normalize(d, d->parts[i]->data, from, elements, (float *)out + to);
    } else {
      const size_t element = qe_dtype_bits(d->stored) / 8;
      memcpy((uint8_t *)out + (size_t)to * element, (const uint8_t *)d->parts[i]->data + (size_t)from * element,
             (size_t)elements * element);
    }
    done += n;
  }
}

qe_status_t qe_dataset_batch(const qe_dataset_t *dataset, int64_t first, int64_t count, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(dataset != NULL, "dataset is NULL");
  if (first < 0 || count < 0 || first > dataset->count || count > dataset->count - first) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "batch of %" PRId64 " samples from %" PRId64 " on; the data set has %" PRId64, count, first,
                    dataset->count);
  }
  int64_t dims[QE_MAX_RANK] = {count};
  memcpy(dims + 1, dataset->sample_dims, dataset->sample_rank * sizeof dims[0]);
  QE_TRY(qe_tensor_create(dataset->dtype, dataset->sample_rank + 1, dims, out));
  qe__dataset_copy(dataset, first, count, (*out)->data);
  return QE_OK;
}
