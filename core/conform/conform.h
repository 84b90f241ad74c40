/*
 * Conformance of one kernel on one case, in this process. What runs cases in worker processes, reports and minimizes
 * stands on this interface (conform/run.c and its neighbours); what makes, feeds and judges a case is behind it.
 */
#ifndef QE_CORE_CONFORM_H
#define QE_CORE_CONFORM_H

#include "engine/engine.h"
#include "graph/graph.h"

/* ---- a case: one line of text ---- */

enum { QE__CASE_FIELDS = 32, QE__CASE_TEXT = 400, QE__CASE_VALUES = 8 };

/* One "key=value" or "key" of a case; numbers are kept as text so that print(parse(s)) == s. */
typedef struct qe__case_field {
  char key[16];
  char value[48];
} qe__case_field;

/*
 * "Conv:u8s8u8/n1/hw7x7/c64>128/k3x3/p1x1/gran=c/zp=3,0,5/act=relu/pat=edge/seed=1f2e": the op, the dtypes of its
 * operands, and fields in a fixed order (conform/case.c). Equal texts are equal cases; the text alone decides the data.
 */
typedef struct qe__case {
  uint16_t op;       /* QE__OP_* */
  char dtypes[24];   /* "u8s8u8", "f32", ... */
  uint32_t n_fields;
  qe__case_field fields[QE__CASE_FIELDS];
} qe__case;

qe_status_t qe__case_parse(const char *text, qe__case *out); /* FORMAT error: where, what was expected */
/* Canonical text; buffer of QE__CASE_TEXT bytes. */
const char *qe__case_print(const qe__case *c, char *buffer);
/* The seed of a case's data: hash of base seed and text (without its seed field, when it has none). */
uint64_t qe__case_seed(const qe__case *c, uint64_t base);

/* ---- lists of cases ---- */

typedef enum qe__suite { QE__SUITE_SMOKE, QE__SUITE_MUSTPASS, QE__SUITE_FULL } qe__suite;

/*
 * Calls emit for every case of a suite that this kernel's key can serve, in a fixed order, boundary shapes taken from its
 * tile hints. Every op of the registry has a generator (conform/generators.def; the build fails without).
 * emit returning false stops. must: a must-pass case.
 */
typedef bool (*qe__case_fn)(void *arg, const qe__case *c, bool must);
qe_status_t qe__suite_cases(qe__suite suite, const qe_kernel *row, qe__case_fn emit, void *arg);
/* Hash of all must-pass cases of all ops: the list's version. Hex SHA-256, 65 bytes. */
void qe__mustpass_hash(char out[65]);

/* Smaller cases to try when this one fails, nearest first (fewer channels, smaller kernels, simpler patterns, ...). */
uint32_t qe__case_shrink(const qe__case *c, uint32_t capacity, qe__case *out);

/* ---- running one case ---- */

typedef enum qe__verdict {
  QE__PASS, QE__FAIL, QE__MISTRUSTED, QE__UNSUPPORTED, QE__CRASH, QE__TIMEOUT, QE__WAIVED, QE__REFUSED
} qe__verdict;
const char *qe__verdict_name(qe__verdict v); /* "PASS" ... */

typedef struct qe__conform_options {
  uint64_t seed;            /* base seed */
  const qe__engine *against;/* the oracle's engine (normally the reference) */
  bool memory;              /* guard pages, poison, read-only inputs (default on) */
  bool determinism;         /* threads x tile order x repeats x FTZ/DAZ */
  bool properties;          /* metamorphic properties */
  bool registers;           /* callee-saved registers, MXCSR/x87/FPCR, direction flag */
  uint32_t n_replays;       /* inputs from files (conform/replay.h) */
  const struct qe_conform_replay *replays;
} qe__conform_options;

/* What happened, for the report. Texts are empty when they do not apply. */
typedef struct qe__case_result {
  qe__verdict verdict;
  uint32_t level;           /* exactness observed: QE_EXACT_* (0 = E0); 255: none of them */
  int64_t elements, wrong;  /* of all outputs */
  double worst;             /* largest difference: quanta for integers, ulp-free relative error for floats */
  char check[32];           /* which check failed: "bytes", "guard", "determinism", "property:permute_rows", "registers", ...;
                              with UNSUPPORTED: "elsewhere" when another kernel of the same engine takes the case */
  char detail[1200];        /* up to 12 lines: worst element with coordinates, accumulator, multiplier, expected, got, map */
  int64_t macs;
} qe__case_result;

/* Never fails for what the kernel does wrong (that is the result); fails for what we can't do (memory, unknown op). */
qe_status_t qe__conform_case(const qe__kernel *kernel, const qe__case *c, const qe__conform_options *options, qe__case_result *out);

/* Time of one run of a case in nanoseconds (minimum and median of repeats after warm-up), and its work. */
typedef struct qe__case_perf {
  double min_ns, median_ns;
  int64_t macs, bytes;
} qe__case_perf;
qe_status_t qe__conform_perf(const qe__kernel *kernel, const qe__case *c, double seconds, qe__case_perf *out);

#endif
