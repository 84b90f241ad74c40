/* What the files that make, feed and judge a case share; the interface to everybody else is conform.h. */
#ifndef QE_CORE_CONFORM_CASE_H
#define QE_CORE_CONFORM_CASE_H

#include "conform/conform.h"

/* ---- fields ---- */

/* Value of a field, or NULL. */
const char *qe__case_text(const qe__case *c, const char *key);
/* Replaces, adds (at its place in the order) or, with value NULL, removes a field. False: no room or no such key. */
bool qe__case_set(qe__case *c, const char *key, const char *value);
bool qe__case_set_ints(qe__case *c, const char *key, char separator, uint32_t n, const int64_t *values);
/* The numbers of a field; 0 when absent. Only the first capacity are stored. */
uint32_t qe__case_ints(const qe__case *c, const char *key, uint32_t capacity, int64_t *out);
int64_t qe__case_int(const qe__case *c, const char *key, int64_t fallback);
double qe__case_real(const qe__case *c, const char *key, double fallback);
bool qe__case_is(const qe__case *c, const char *key, const char *value); /* the field has this value */
/* The i-th dtype of the case ("u8s8u8"); the last one when there are fewer. */
qe_dtype_t qe__case_dtype(const qe__case *c, uint32_t i);
uint32_t qe__case_dtype_count(const qe__case *c);
const char *qe__case_dtype_code(qe_dtype_t dtype); /* "u8"; NULL when it has none */

/* ---- random numbers: splitmix64, the same everywhere ---- */

uint64_t qe__random(uint64_t *state);
int64_t qe__random_int(uint64_t *state, int64_t lo, int64_t hi);
float qe__random_float(uint64_t *state, float lo, float hi);

/* ---- a case made concrete ---- */

enum { QE__CASE_IN = 16, QE__CASE_OUT = 4 };

/* What an operand's elements are. */
typedef enum qe__fill {
  QE__FILL_NONE,     /* written while describing, or an output */
  QE__FILL_DATA,     /* by the case's pattern */
  QE__FILL_WEIGHT,   /* by the pattern, with its own part of it (the second factor of a product) */
  QE__FILL_BIAS,     /* int32 in units of the accumulator, or float */
  QE__FILL_INDEX,    /* -limit .. limit - 1 */
  QE__FILL_POSITIVE, /* 0.5 .. 2: variances, scales */
  QE__FILL_TABLE,    /* any bytes */
  QE__FILL_LENGTH    /* 0 .. limit */
} qe__fill;

typedef struct qe__case_operand {
  bool present, constant;
  qe_dtype_t dtype;
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
  int64_t count;
  qe_tensor_t *data; /* row-major elements of an input; owned */
  qe__qparams q;
  qe__fill fill;
  int64_t limit; /* of FILL_INDEX, FILL_LENGTH */
} qe__case_operand;

typedef struct qe__built {
  qe__case text;
  uint64_t seed;
  qe__graph *graph; /* owns the node */
  qe__node *node;
  bool quantized;
  uint32_t n_in, n_kernel_in, n_out;
  qe__case_operand in[QE__CASE_IN], out[QE__CASE_OUT];
  qe_op_params params;
  int32_t clamp_lo, clamp_hi;
  qe__act act;
  int64_t terms; /* products per output of a product op, else 0 */
  int64_t macs;
} qe__built;

/* Shapes, types, attributes, parameters; no data yet. INVALID_ARGUMENT / SHAPE / ...: the case makes no sense. */
qe_status_t qe__case_describe(const qe__case *c, uint64_t base_seed, qe__built *out);
/* Data of all inputs (those that have some already keep it); then output parameters that suit it. */
qe_status_t qe__case_fill(qe__built *b);
/* The codes that the fused activation allows, from the output's parameters. */
void qe__case_clamp(qe__built *b);
void qe__built_free(qe__built *b);
/* The key that the planner would look for. */
void qe__built_key(const qe__built *b, qe_kernel_key *key);
bool qe__key_fits(const qe_kernel_key *row, const qe_kernel_key *wanted);

/* Parts of a description, for conform/build_*.c. */
qe_status_t qe__build_in(qe__built *b, qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe__fill fill);
qe_status_t qe__build_list(qe__built *b, uint32_t n, const int64_t *values, bool scalar); /* a constant int64 input */
qe_status_t qe__build_absent(qe__built *b);
/* An output; dtype NONE: inference says. */
void qe__build_out(qe__built *b, qe_dtype_t dtype);
/* One pair of parameters for each of the quantized operands, chosen by fields sc, zp and gran (conform/build_params.c).
 */
qe_status_t qe__build_params(qe__built *b);
/* The case has parameters that the core must refuse; did it, for every operand? */
bool qe__case_must_refuse(const qe__case *c);
bool qe__case_refused(qe__built *b);
void qe__fill_pattern(const qe__built *b, const qe__case_operand *o, const char *pattern, uint64_t seed, bool second);

/* ---- families: conform/generators.def ---- */

typedef struct qe__axis { /* values of one field that the full suite combines; space between; "-": absent */
  const char *key, *values;
} qe__axis;

typedef struct qe__family {
  const char *fields;                 /* keys that a case may have, space between */
  qe_status_t (*build)(qe__built *b); /* NULL: no kernel is ever asked */
  const qe__axis *axes;               /* key NULL at the end */
  const char *const *must;            /* "n1/hw7x7/..." of the must-pass list; NULL at the end */
} qe__family;

typedef struct qe__generator {
  const qe__family *family;
  const char *dtypes; /* "f32 u8s8u8 ..." */
} qe__generator;
const qe__generator *qe__generator_of(uint32_t op);

/* ---- running ---- */

typedef struct qe__guard_region { /* one buffer between inaccessible pages (conform/guard.c) */
  uint8_t *map, *data;
  size_t map_bytes, bytes;
  char name[24];
} qe__guard_region;

typedef enum qe__arrange { QE__TIGHT, QE__CHANNELS_LAST, QE__GAPS } qe__arrange;

/* How a kernel is run; zeroed: one pass over all tiles, nothing watched. */
typedef struct qe__run_mode {
  qe__arrange arrange;
  bool guard;       /* inaccessible pages, read-only inputs, slack checked */
  bool at_start;    /* buffers start behind the page instead of ending before one */
  uint8_t poison;   /* what scratch and outputs hold before */
  uint32_t order;   /* 0 forward, 1 backward, 2 shuffled */
  uint32_t threads; /* 0, 1: the caller */
  uint32_t lanes;   /* above 1: the caller plays so many threads (at most 16), tile by tile */
  uint32_t repeats; /* runs after the first one, over the same buffers */
  bool flush;       /* denormals are flushed */
  bool registers;   /* through the checking trampoline */
  bool in_place;    /* output 0 is the memory of input 0 */
} qe__run_mode;

typedef struct qe__run_result {
  bool unsupported; /* detail says why */
  bool can_run_in_place;
  bool tiny; /* a float in run() was denormal or underflowed */
  char check[32]; /* empty: fine */
  char detail[500];
  void *out[QE__CASE_OUT]; /* row-major bytes; owned */
  size_t out_bytes[QE__CASE_OUT];
  double ns_min, ns_median;
} qe__run_result;

/* Fails only for memory; what the kernel does wrong is in the result. */
qe_status_t qe__case_run(const qe__kernel *kernel, const qe__built *b, const qe__run_mode *mode, qe__run_result *out);
void qe__run_result_free(qe__run_result *r);
/* Does the kernel take the case's problem in this arrangement? */
bool qe__case_supported(const qe__kernel *kernel, const qe__built *b, qe__arrange arrange, char *reason, size_t size);
/* The arrangement that the case's field "lay" asks for, as far as the kernel's key allows it. */
qe__arrange qe__case_arrange(const qe__kernel *kernel, const qe__built *b);
/* Repeats run() for about so many seconds and writes the times. */
qe_status_t qe__case_time(const qe__kernel *kernel, const qe__built *b, double seconds, qe__run_result *out);

/* ---- judging ---- */

/* Exactness of got against want; fills level, wrong, worst, and detail (without the repro line) when it is not E0. */
void qe__judge(const qe__kernel *kernel, const qe__built *b, const qe__run_result *want, const qe__run_result *got,
               qe__case_result *out);
/* The oracle's output says little: few codes or mostly saturated. */
bool qe__judge_mistrusts(const qe__built *b, const qe__run_result *want, char *why, size_t size);
/* Accumulator of one output element of a product: exact for codes; for floats the sum and the sum of magnitudes. */
typedef struct qe__terms {
  int64_t acc;
  double sum, magnitude, multiplier;
  int64_t count;
} qe__terms;
bool qe__terms_at(const qe__built *b, int64_t index, qe__terms *out);

/* Input position under a kernel tap k at output position y, or false: padding (or, transposed, no input hits). */
bool qe__window_tap(const qe_op_params *p, bool transposed, const int64_t *size, const int64_t *y, const int64_t *k,
                    int64_t *x);
/* An output of a training op in double (conform/judge_train.c). */
typedef struct qe__model {
  double *value, *magnitude;
  int64_t count;
} qe__model;
/* False: the op has none, or there is no memory for it. */
bool qe__model_train(const qe__built *b, uint32_t output, qe__model *out);
/* How far from value[i] a float kernel may be: (count + 2) * eps * magnitude, and what underflows. */
double qe__model_bound(const qe__model *m, int64_t i);
void qe__model_free(qe__model *m);

/* Each returns OK; a broken rule is written to out->check and out->detail. */
qe_status_t qe__check_determinism(const qe__kernel *kernel, const qe__built *b, const qe__run_result *first,
                                  qe__case_result *out);
qe_status_t qe__check_properties(const qe__kernel *kernel, const qe__built *b, const qe__run_result *first,
                                 uint64_t seed, qe__case_result *out);
/* Appends a line to the detail. */
void qe__detail(qe__case_result *out, const char *format, ...) QE__PRINTF(2, 3);

/* ---- watching a call ---- */

/* Room for bytes, aligned to `alignment` and no better; slack around it holds a pattern. */
qe_status_t qe__guard_create(size_t bytes, size_t alignment, bool at_start, const char *name, qe__guard_region *out);
void qe__guard_free(qe__guard_region *r);
void qe__guard_protect(qe__guard_region *r, bool read_only);
/* Bytes around the data that changed: false and where. */
bool qe__guard_intact(const qe__guard_region *r, char *detail, size_t size);

typedef int (*qe__run_fn)(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
typedef struct qe__watched {
  int result;
  bool faulted;
  bool tiny; /* a float was denormal or underflowed */
  const void *address;
  const char *verb;    /* "read", "wrote"; "touched" where the machine does not tell */
  char registers[160]; /* empty: nothing wrong */
} qe__watched;
/* Takes over SIGSEGV and SIGBUS between begin and end; nests not. */
void qe__guard_begin(void);
void qe__guard_end(void);
/* run(), with faults caught on this thread. */
void qe__watch(qe__run_fn run, void *self, const qe_call *call, int64_t begin, int64_t end, bool registers, bool flush,
               qe__watched *out);
/* "3 bytes past the end of input 0" */
void qe__guard_explain(const qe__guard_region *regions, uint32_t n, const qe__watched *w, char *text, size_t size);

/* run() through a trampoline that fills the callee-saved registers (conform/registers.c). */
int qe__registers_run(qe__run_fn run, void *self, const qe_call *call, int64_t begin, int64_t end, char *wrong,
                      size_t size);
/* Whatever run() did to it. */
void qe__restore_float_mode(uint64_t mode);

#endif
