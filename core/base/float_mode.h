/*
 * The calling thread's mode of float arithmetic: rounding, and whether denormal numbers are flushed to zero. Results are
 * defined in the default mode (docs/numerics.md), which programs linked with -ffast-math, audio code and others change.
 */
#ifndef QE_BASE_FLOAT_MODE_H
#define QE_BASE_FLOAT_MODE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>

#define QE__FLOAT_MODE_DEFAULT UINT64_C(0x1F80) /* of MXCSR: to nearest, nothing flushed, exceptions masked */
#define QE__FLOAT_MODE_FLUSH   UINT64_C(0x8040)

static inline uint64_t qe__float_mode(void) { return _mm_getcsr() & 0xFFC0u; }
static inline void qe__float_mode_set(uint64_t mode) { _mm_setcsr((_mm_getcsr() & 0x3Fu) | (unsigned)mode); }

/* Of the flags that arithmetic leaves: an operand was denormal, or a result underflowed. */
#define QE__FLOAT_TINY 0x12u
static inline void qe__float_tiny_clear(void) { _mm_setcsr(_mm_getcsr() & ~QE__FLOAT_TINY); }
static inline int qe__float_tiny(void) { return (_mm_getcsr() & QE__FLOAT_TINY) != 0; }

#elif defined(__aarch64__)

#define QE__FLOAT_MODE_DEFAULT UINT64_C(0)
#define QE__FLOAT_MODE_FLUSH   (UINT64_C(1) << 24)

static inline uint64_t qe__float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
static inline void qe__float_mode_set(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }

#define QE__FLOAT_TINY UINT64_C(0x88)
static inline uint64_t qe__float_flags(void) {
  uint64_t flags;
  __asm__ volatile("mrs %0, fpsr" : "=r"(flags));
  return flags;
}
static inline void qe__float_tiny_clear(void) {
  __asm__ volatile("msr fpsr, %0" ::"r"(qe__float_flags() & ~QE__FLOAT_TINY));
}
static inline int qe__float_tiny(void) { return (qe__float_flags() & QE__FLOAT_TINY) != 0; }

#else /* another processor: its mode is taken as it is */

#define QE__FLOAT_MODE_DEFAULT UINT64_C(0)
#define QE__FLOAT_MODE_FLUSH   UINT64_C(0)

static inline uint64_t qe__float_mode(void) { return QE__FLOAT_MODE_DEFAULT; }
static inline void qe__float_mode_set(uint64_t mode) { (void)mode; }
static inline void qe__float_tiny_clear(void) {}
static inline int qe__float_tiny(void) { return 1; }

#endif

/* Sets the default mode and returns the one before, for qe__float_mode_set. Asking is cheap, setting waits for the pipeline. */
static inline uint64_t qe__float_mode_default(void) {
  const uint64_t before = qe__float_mode();
  if (before != QE__FLOAT_MODE_DEFAULT) qe__float_mode_set(QE__FLOAT_MODE_DEFAULT);
  return before;
}
static inline void qe__float_mode_back(uint64_t before) {
  if (before != QE__FLOAT_MODE_DEFAULT) qe__float_mode_set(before);
}

#endif
