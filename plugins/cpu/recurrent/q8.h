/*
 * Products of codes for the recurrent ops, by the cores of q8/core.h: how W and R are packed (q8_pack.c), and how rows
 * are multiplied (q8.c). An engine has one core for any rows and, for constants, one for many: each matrix gets its own.
 *
 * A packed matrix: fb_rnn_packed, then for its columns the sums of codes, zero points (as core.h wants both) and
 * scales, then what the core packs.
 */
#ifndef QE_CPU_RECURRENT_Q8_H
#define QE_CPU_RECURRENT_Q8_H

#include "q8/core.h"
#include "recurrent/recurrent.h"

typedef struct fb_rnn_packed {
  int64_t has_zeros; /* a zero point other than 0 */
  int64_t many;      /* packed by the kind's core for many rows */
  int64_t reserved[6];
} fb_rnn_packed;

/* Arrays of a packed matrix, per column. */
typedef struct fb_rnn_columns {
  int32_t *sums, *zeros;
  float *scales;
  void *core;
} fb_rnn_columns;

static inline fb_rnn_columns fb_rnn_columns_of(const void *packed, int64_t n) {
  const int64_t step = fb_round_up(n, 16);
  int32_t *words = (int32_t *)(uintptr_t)((const fb_rnn_packed *)packed + 1); /* readers keep it const */
  return (fb_rnn_columns){words, words + step, (float *)(void *)(words + 2 * step), words + 3 * step};
}

/* Members of both makers. */
int64_t fb_rnn_q8_hidden(const qe_problem *p, bool codes);
int fb_rnn_q8_supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size);
bool fb_rnn_q8_constant(const fb_rnn_kind *kind, const qe_problem *p);
bool fb_rnn_q8_packed_size(const fb_rnn_kind *kind, void *self, const qe_problem *p, int which, int64_t direction,
                           uint64_t *size);
bool fb_rnn_q8_pack(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int which,
                    int64_t direction, void *packed, uint64_t *size);

#endif
