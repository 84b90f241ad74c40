/* What one core can multiply and add at most, for comparing kernels' times with. */
#ifndef QE_CORE_CONFORM_PEAK_H
#define QE_CORE_CONFORM_PEAK_H

#include <stdbool.h>
#include <stdint.h>

enum { QE__PEAK_ROUNDS = 10000 };

/* Multiply-adds that stay in registers, in chains enough to hide the latency. */
typedef struct qe__peak_loop {
  const char *name;    /* "vpdpbusd ymm" */
  uint64_t isa;        /* QE_ISA_* that it needs */
  bool integer;        /* u8 times s8, else float32 */
  int64_t macs;        /* of one of QE__PEAK_ROUNDS rounds */
  float (*run)(float factor); /* factor is 0.5, which the compiler must not know */
} qe__peak_loop;

/* A row without name at the end; the loops of one kind stand in order of their instruction sets. */
extern const qe__peak_loop qe__peak_loops[];

/* Measured, about 20 ms: 1e9 multiply-adds a second. */
double qe__peak_measure(const qe__peak_loop *loop);
/*
 * The fastest loop that needs nothing beyond `isa`, and exists on this machine (QENGINE_CPU_MASK included), on 8-bit
 * integers or on float32. isa 0, or one without a loop of its own: whatever the machine has.
 */
double qe__peak_gmacs(bool integer, uint64_t isa);

#endif
