/* Times of contenders that take turns: the smallest of many short rounds, so that a busy machine disturbs all alike. */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include <stddef.h>

enum { MOST_CONTENDERS = 8, MOST_ROUNDS = 1000 };

typedef struct contender {
  const char *name;        /* "ours", "oneDNN", ... */
  char detail[160];        /* the kernel that ran */
  void *state;             /* NULL: it could not be made, `detail` says why */
  int (*call)(void *state); /* once; not 0: it failed */
  void (*close)(void *state);
  /* Times that the contender took itself, for those whose call does more than what is measured: the smallest mean over
   * a round, in ns, given the calls of every round in order, the warm-up (one round) first. NULL: the clock's. */
  double (*own_ns)(void *state, const long *calls, size_t rounds);
  double ns;               /* of one call; 0: none */
  long calls[MOST_ROUNDS];
} contender;

double now_ns(void);
/* Rounds until `seconds` for each contender are spent; fills ns. */
void run_rounds(contender *list, size_t count, double seconds);
void close_contenders(contender *list, size_t count);
/* The calling thread (and what it starts) stays on one processor, and nobody interrupts it where that may be asked for. */
void pin(void);

#endif
