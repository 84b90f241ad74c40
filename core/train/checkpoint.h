/*
 * Checkpoints: everything that training needs to go on at the very step. In the machine's byte order (a file from a machine
 * of the other order has a version that is none):
 *
 *   "QETRAIN\n"  u32 version  u32 0  u64 bytes of the file
 *   u8[32] model  u8[32] teacher (zero: none)  u8[32] training data (zero: not known)
 *   u64 per option that changes results  8 bytes per field of qe__position  u64 steps of an epoch  u64 lines of metrics and 1
 *   u64 tensors; of each: u32 length + kind, u32 length + name, u32 type, u32 rank, u64 per dimension, elements
 *   u8[32] SHA-256 of everything before it
 */
#ifndef QE_CORE_TRAIN_CHECKPOINT_H
#define QE_CORE_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

enum { QE__CHECKPOINT_HASH = 32, QE__CHECKPOINT_VERSION = 1 };

/*
 * Options that change what is computed; what is left out (threads, engine, epochs of a constant rate, files) may differ
 * between one run and the next. I: integers, F: float.
 */
#define QE__OPTIONS_THAT_MATTER(I, F)                                                                                     \
  I(seed) I(loss) F(label_smoothing) I(has_ignore_index) I(ignore_index) I(batch) I(shards) I(no_shuffle) I(drop_last)    \
  I(optimizer) F(lr) F(momentum) I(nesterov) F(weight_decay) I(decay_weights_only) F(beta1) F(beta2) F(adam_eps)          \
  F(clip_norm) I(schedule) F(lr_min) F(lr_gamma) I(lr_step_epochs) I(warmup_steps) F(bn_momentum) F(fake_quantize_from)   \
  F(freeze_observers_at) F(freeze_bn_at) I(bn_exact) I(learn_qparams) F(qparams_lr) F(distill) F(temperature) I(epochs)

#define QE__POSITION_FIELDS(X) \
  X(step, uint64_t) X(epoch, uint32_t) X(batch, uint64_t) X(loss_sum, double) X(rows, int64_t) X(right, int64_t) X(best, double) X(bad_epochs, uint32_t)

#define QE__ONE(...) +1
enum { QE__OPTION_COUNT = 0 QE__OPTIONS_THAT_MATTER(QE__ONE, QE__ONE) };

/* Points into the file's bytes. */
typedef struct qe__checkpoint_entry {
  const char *kind, *name; /* not ended by a zero */
  uint32_t kind_length, name_length;
  qe_dtype_t dtype;
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
  const uint8_t *data;
  size_t bytes;
} qe__checkpoint_entry;

typedef struct qe__checkpoint {
  uint8_t model[QE__CHECKPOINT_HASH], teacher[QE__CHECKPOINT_HASH], data[QE__CHECKPOINT_HASH];
  uint64_t options[QE__OPTION_COUNT];
  qe__position at;
  uint64_t steps_per_epoch, metrics_lines;
  uint64_t count;
  qe__checkpoint_entry *entries; /* qe__free */
} qe__checkpoint;

/* Checks a whole file: magic, version, length, checksum, then what is inside. `name` begins messages. Error: FORMAT. */
qe_status_t qe__checkpoint_parse(const void *data, size_t size, const char *name, qe__checkpoint *out);
/* The same without the frame: bytes between the length and the checksum. */
qe_status_t qe__checkpoint_body(const void *data, size_t size, const char *name, qe__checkpoint *out);

/* Works out the trainer's hashes once; without it, each checkpoint does. */
qe_status_t qe__checkpoint_identify(qe_trainer_t *t);

/* train/fingerprint.c: SHA-256 over nodes, values and constants: another model, or other initial weights, gives another. */
void qe__model_fingerprint(const qe__graph *g, uint8_t out[QE__CHECKPOINT_HASH]);

#endif
