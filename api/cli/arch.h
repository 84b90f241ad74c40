/*
 * The architectures of `qengine bench --arch`: well-known networks with seeded random weights, made with the public
 * builder, so that speed can be measured without anybody's trained model.
 */
#ifndef QE_CLI_ARCH_H
#define QE_CLI_ARCH_H

#include "cli.h"

typedef struct arch_options {
  int64_t batch;
  int64_t length; /* tokens or time steps; 0: the architecture's own, as with `hidden` */
  int64_t hidden; /* units of recurrent layers */
  uint64_t seed;
} arch_options;

/* A network under construction and the numbers it draws. */
typedef struct arch_net {
  qe_model_t *m;
  arch_options o;
  uint64_t state;
} arch_net;

/* Words of the two vocabularies. */
enum { ARCH_BERT_WORDS = 30522, ARCH_LSTM_WORDS = 10000 };

/* A row of arch.def. */
typedef struct arch {
  const char *name;
  void (*build)(arch_net *net); /* arch_options.length and .hidden are filled in */
  int64_t ids, length, hidden;
} arch;

/* All of them, a row without name at the end. */
extern const arch arch_table[];
/* NULL when there is none of that name. */
const arch *arch_find(const char *name);
/* CLI_OK or an exit code, message printed. */
int arch_build(const arch *a, const arch_options *o, qe_model_t **out);

/* ---- numbers (arch.c): the same on every machine ---- */

/* About normal: the sum of eight uniform ones, which ends at 4.9 deviations. */
void arch_fill_normal(uint64_t *state, int64_t count, float *to, float mean, float deviation);
void arch_fill_uniform(uint64_t *state, int64_t count, float *to, float lo, float hi);
/* Numbers for a model's input by its type: floats are normal, 8-bit ones any, other integers below `ids`, or zeros. */
void arch_fill_input(uint64_t *state, qe_tensor_t *tensor, int64_t ids);
/* New float tensors; the caller releases them. */
qe_tensor_t *arch_normal(arch_net *net, uint32_t rank, const int64_t *dims, float deviation);
qe_tensor_t *arch_uniform(arch_net *net, int64_t count, float lo, float hi);

/* ---- builders ---- */

#define ARCH(name, summary, ids, length, hidden) void arch_##name(arch_net *net);
#include "arch.def"
#undef ARCH

#endif
