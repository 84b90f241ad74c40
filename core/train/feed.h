/* Datasets laid against a model's inputs and its output: any choice of samples becomes a batch. */
#ifndef QE_CORE_TRAIN_FEED_H
#define QE_CORE_TRAIN_FEED_H

#include "base/clock.h"
#include "train/trainer.h"

/* Where one tensor of a batch comes from and how a sample lies in it. */
typedef struct qe__feed_source {
  const qe_dataset_t *data; /* NULL: zeros */
  qe_dtype_t dtype;         /* of the batch */
  uint32_t axis;            /* counts samples */
  uint32_t rank;            /* of a sample */
  int64_t dims[QE_MAX_RANK];
} qe__feed_source;

typedef struct qe__feeder {
  uint32_t n_inputs;
  qe__feed_source *inputs; /* one per graph input */
  qe__feed_source labels;
  int64_t count;           /* samples */
  int64_t fixed;           /* what the inputs insist on as batch; 0: any */
} qe__feeder;

/* What changes samples of float inputs as they are read. */
typedef struct qe__augmentation {
  void (*change)(void *arg, uint32_t input, uint64_t random, uint32_t rank, const int64_t *dims, float *sample);
  void *arg;
  uint64_t stream;         /* of the epoch; each sample has a number of its own in it */
} qe__augmentation;

/*
 * `what` ("training data") begins messages. The datasets must outlive the feed. Errors: NOT_FOUND (an input without
 * data, a name that is no input), SHAPE, DTYPE, INVALID_ARGUMENT (numbers of samples that differ).
 */
qe_status_t qe__feed_open(const qe__graph *g, qe_loss_t loss, const qe_train_data_t *data, const char *what, qe__feeder *out);
void qe__feed_close(qe__feeder *feed);
/* The listed samples in this order; augmentation may be NULL. Errors: DTYPE (an integer that the input's type cannot hold). */
qe_status_t qe__feed_batch(const qe__feeder *feed, int64_t count, const int64_t *samples, const qe__augmentation *augmentation,
                           qe__batch *out);
/* Zeros for an input that only gives recurrent layers their initial state; any other is NOT_FOUND. */
qe_status_t qe__feed_zeros(const qe__graph *g, uint32_t input, const char *what, int64_t count, qe_tensor_t **out);
/* How labels of a sample lie in a batch: class numbers as output 0 without its last dimension, else as output 0; *s gets the
 * axis and the shape. Error: SHAPE. */
qe_status_t qe__feed_label_shape(const qe__graph *g, qe_loss_t loss, const char *what, uint32_t have_rank, const int64_t *have, qe__feed_source *s);
bool qe__is_integer(qe_dtype_t dtype); /* of 8 bits and more */
/* SHA-256 over types, shapes and up to 256 samples spread over the data; for telling one data set from another. */
void qe__feed_fingerprint(const qe__feeder *feed, uint8_t out[32]);

#endif
