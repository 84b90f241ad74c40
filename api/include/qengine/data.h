/*
 * qengine/data.h - data files: .npy (v1-3), .npz, idx-ubyte (.gz too), ONNX TensorProto (.pb).
 *
 * Every size in a file is checked against the file's length before memory is asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_DATA_H
#define QENGINE_DATA_H

#include "qengine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reads the first (or, for .npz, the named or only) array; the kind is told by content, not by the file's name.
 * `member` NULL: the only array, or the one that a path of the form "file.npz:member" names. Fortran order and foreign
 * byte order are converted; float64 stays float64.
 * Errors: IO, FORMAT (what, where in the file), UNSUPPORTED (object arrays, pickles).
 */
QE_API qe_status_t qe_tensor_load(const char *path, const char *member, qe_tensor_t **out);
/* Writes .npy v1 to a temporary file, then renames. */
QE_API qe_status_t qe_tensor_save_npy(const qe_tensor_t *tensor, const char *path, int overwrite);

/* A set of samples along axis 0 of one or more arrays or files, read in batches. */
typedef struct qe_dataset qe_dataset_t;

typedef struct qe_dataset_options {
  uint32_t struct_size;
  int normalize;      /* 1: integer images become (x / 255 - mean) / std, float32 */
  float mean, std;
} qe_dataset_options_t;

/*
 * Several files of the same element type and sample shape follow one another; "file.npz:member" names an array of an
 * .npz. Options may be NULL. The elements are kept as they are in the file; batches convert.
 */
QE_API qe_status_t qe_dataset_open(uint32_t n_paths, const char *const *paths, const qe_dataset_options_t *options, qe_dataset_t **out);
/* The same over a tensor in memory, which is retained and must not change while the data set is used. */
QE_API qe_status_t qe_dataset_from_tensor(qe_tensor_t *tensor, const qe_dataset_options_t *options, qe_dataset_t **out);
QE_API int64_t qe_dataset_count(const qe_dataset_t *dataset);
QE_API qe_dtype_t qe_dataset_dtype(const qe_dataset_t *dataset);
/* Rank and dims of one sample (without axis 0). */
QE_API uint32_t qe_dataset_sample_rank(const qe_dataset_t *dataset);
QE_API const int64_t *qe_dataset_sample_dims(const qe_dataset_t *dataset);
/*
 * Gives the samples the shape of a model's input (without axis 0; -1: any size) when only dimensions of 1 need to be
 * inserted or removed, e.g. [28,28] -> [1,28,28]. Errors: SHAPE naming both, also when unknown dimensions leave more
 * than one way. On error nothing changes. Not while other threads use the dataset.
 */
QE_API qe_status_t qe_dataset_fit(qe_dataset_t *dataset, uint32_t rank, const int64_t *dims);
/* Samples [first, first + count) as one tensor [count, ...]. Errors: INVALID_ARGUMENT past the end. Thread-safe. */
QE_API qe_status_t qe_dataset_batch(const qe_dataset_t *dataset, int64_t first, int64_t count, qe_tensor_t **out);
QE_API void qe_dataset_destroy(qe_dataset_t **dataset);

#ifdef __cplusplus
}
#endif
#endif
