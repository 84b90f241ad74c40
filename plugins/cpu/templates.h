/*
 * Words for templates: functions that are compiled once for each set of constant arguments, and loops over registers
 * (arrays of vectors become registers only where every index is known). With sanitizers a template is one function and
 * its loops stay loops: checks of every access in all the copies take gcc minutes and find nothing more.
 */
#ifndef QE_CPU_TEMPLATES_H
#define QE_CPU_TEMPLATES_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FB_INLINE inline
#define FB_UNROLL_TO(most)
#elif defined(__clang__)
#define FB_INLINE inline __attribute__((always_inline))
#define FB_UNROLL_TO(most) _Pragma("clang loop unroll(full)")
#else
#define FB_INLINE inline __attribute__((always_inline))
#define FB_PRAGMA(text)    _Pragma(#text)
#define FB_UNROLL_TO(most) FB_PRAGMA(GCC unroll most)
#endif
#define FB_UNROLL FB_UNROLL_TO(32)

#endif
