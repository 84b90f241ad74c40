/*
 * qengine_plugin.h - the whole contract between qengine and a backend.
 *
 * A backend ("engine") is one shared object that exports exactly one symbol, qe_plugin_query, and links
 * to nothing of qengine. Everything it needs arrives in the host table. This header is self-contained
 * (stddef.h and stdint.h only), compiles as C99 and C++, and is the only file a vendor needs.
 *
 * Versioning: same abi_major required. Every structure starts with struct_size, the writer's sizeof; a
 * reader copies min(sizes) into its own zeroed structure. New fields are appended, never inserted.
 * WARNING: a change to any layout below must bump QE_ABI_MINOR (append) or QE_ABI_MAJOR (anything else)
 * and update tests/api/plugin_abi.golden in the same commit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_PLUGIN_H
#define QENGINE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QE_ABI_MAJOR    0
#define QE_ABI_MINOR    1
#define QE_PLUGIN_MAGIC 0x71454e47u /* "qENG" */
#define QE_MAX_RANK     8
#define QE_MAX_SPATIAL  3

/* Element types. The values are those of ONNX TensorProto.DataType. */
enum {
  QE_DT_NONE = 0, QE_DT_F32 = 1, QE_DT_U8 = 2, QE_DT_I8 = 3, QE_DT_U16 = 4, QE_DT_I16 = 5,
  QE_DT_I32 = 6, QE_DT_I64 = 7, QE_DT_BOOL = 9, QE_DT_F16 = 10, QE_DT_F64 = 11, QE_DT_U32 = 12,
  QE_DT_U64 = 13, QE_DT_BF16 = 16, QE_DT_U4 = 21, QE_DT_I4 = 22,
  QE_DT_ANY = 255 /* in a kernel key: any type; supports() decides */
};

/* Memory layout of an operand. dims and axes are always logical (ONNX order); only strides change. */
enum {
  QE_LAYOUT_ROW_MAJOR = 0,     /* dense, last dimension fastest (NCHW) */
  QE_LAYOUT_CHANNELS_LAST = 1, /* dense, dimension 1 fastest (NHWC, NWC, NDHWC); rank >= 3 */
  /* In a kernel key only: */
  QE_LAYOUT_SAME = 2,   /* element for element: every operand of the output's shape has one common dense layout */
  QE_LAYOUT_STRIDED = 3 /* any strides */
};

/* What a kernel promises against the reference engine (docs/conformance). */
enum { QE_EXACT_E0 = 0, QE_EXACT_E1 = 1, QE_EXACT_E2 = 2, QE_EXACT_E3 = 3, QE_EXACT_E4 = 4 };

/* CPU features, as bits of qe_cpu.isa and of the isa_required fields. */
#define QE_ISA_X86_FMA        (UINT64_C(1) << 0)
#define QE_ISA_X86_AVX2       (UINT64_C(1) << 1) /* implies BMI2 and F16C */
#define QE_ISA_X86_AVXVNNI    (UINT64_C(1) << 2)
#define QE_ISA_X86_AVX512BW   (UINT64_C(1) << 3) /* F, BW, DQ, VL */
#define QE_ISA_X86_AVX512VNNI (UINT64_C(1) << 4)
#define QE_ISA_X86_AMX_INT8   (UINT64_C(1) << 5)
#define QE_ISA_ARM_NEON       (UINT64_C(1) << 16)
#define QE_ISA_ARM_DOTPROD    (UINT64_C(1) << 17)
#define QE_ISA_ARM_I8MM       (UINT64_C(1) << 18)

/* The machine, as the host sees it (already capped by QENGINE_CPU_MASK). Constant for the process. */
typedef struct qe_cpu {
  uint32_t struct_size;
  uint32_t cores;   /* physical cores this process may use */
  uint64_t isa;     /* QE_ISA_* */
  uint64_t l1d, l2, l3; /* bytes per core (l1d, l2) or per package (l3); 0 = unknown */
  uint32_t cache_line;
  uint32_t reserved;
} qe_cpu;

/*
 * Services of the host. Owner: the host; valid from create() until destroy() returns. Every function may
 * be called from any thread, except inside qe_kernel.run, where none may be called.
 */
typedef struct qe_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  void *ctx; /* first argument of the functions below */
  void *(*alloc)(void *ctx, size_t size, size_t alignment); /* NULL when out of memory; alignment: power of 2 */
  void (*free)(void *ctx, void *ptr);
  void (*log)(void *ctx, int level, const char *message);   /* 0 error, 1 warning, 2 info, 3 debug; copied */
  void (*error)(void *ctx, const char *message);            /* why the call about to fail fails; copied */
  int (*parallel_for)(void *ctx, int64_t n, void (*fn)(void *arg, int64_t begin, int64_t end), void *arg);
  const char *(*option)(void *ctx, const char *key);        /* engine option given by the user, or NULL */
  const qe_cpu *cpu;
} qe_host;

/* One input or output of a problem. Owner: the host; constant while the plan that holds it lives. */
typedef struct qe_operand {
  uint32_t struct_size;
  uint8_t dtype;    /* QE_DT_* */
  uint8_t rank;
  uint8_t layout;   /* QE_LAYOUT_ROW_MAJOR or QE_LAYOUT_CHANNELS_LAST */
  uint8_t reserved;
  int64_t dims[QE_MAX_RANK];    /* logical dimensions, all >= 0 */
  int64_t strides[QE_MAX_RANK]; /* in elements, logical order */
  int64_t count;                /* product of dims */
  /* Quantization: real = (q - zero_point) * scale. q_count 0: plain numbers; 1: per tensor; n: per channel. */
  uint32_t q_count;
  int32_t q_axis;               /* dimension that the channels run along; -1 per tensor */
  const float *scales;          /* q_count of them, finite and > 0 */
  const int32_t *zero_points;   /* q_count of them, in the range of dtype */
  const void *data;             /* a constant's elements, valid in plan and prepack too; else NULL */
} qe_operand;

/* Values of qe_op_params.mode, by op. */
enum { QE_RESIZE_NEAREST = 0, QE_RESIZE_LINEAR = 1 };
enum { /* Resize coordinate transformation, in params.coord */
  QE_COORD_HALF_PIXEL = 0, QE_COORD_ASYMMETRIC = 1, QE_COORD_ALIGN_CORNERS = 2,
  QE_COORD_PYTORCH_HALF_PIXEL = 3, QE_COORD_HALF_PIXEL_SYMMETRIC = 4, QE_COORD_TF_CROP_AND_RESIZE = 5
};
enum { QE_NEAREST_ROUND_PREFER_FLOOR = 0, QE_NEAREST_ROUND_PREFER_CEIL = 1, QE_NEAREST_FLOOR = 2, QE_NEAREST_CEIL = 3 };
enum { QE_RNN_DEFAULT = 0, QE_RNN_TANH = 1, QE_RNN_SIGMOID = 2, QE_RNN_RELU = 3 }; /* LSTM, GRU, RNN: params.perm */
enum { QE_PAD_CONSTANT = 0, QE_PAD_REFLECT = 1, QE_PAD_EDGE = 2, QE_PAD_WRAP = 3 };

/*
 * Attributes of an op, resolved by the host against the actual shapes: automatic padding is computed,
 * negative axes are made positive, shape-like inputs (Slice starts, Pad sizes, axes) are read. Which
 * fields an op uses is written beside the op in docs/ops.md. Unused fields are 0.
 */
typedef struct qe_op_params {
  uint32_t struct_size;
  uint32_t spatial; /* number of spatial dimensions of conv and pool: 1..3 */
  int64_t kernel[QE_MAX_SPATIAL], stride[QE_MAX_SPATIAL], dilation[QE_MAX_SPATIAL];
  int64_t pad_begin[QE_MAX_SPATIAL], pad_end[QE_MAX_SPATIAL];
  int64_t groups;
  int64_t axis;              /* Concat, Split, Softmax, Gather, LayerNormalization (first), Quantize axis, ArgMax */
  uint32_t axes;             /* bit i: dimension i is reduced (Reduce*, BatchNorm-like ops) */
  uint32_t mode;             /* Resize: QE_RESIZE_*, Pad: QE_PAD_*, Gelu: 0 erf, 1 tanh; Mod: fmod */
  uint32_t coord, nearest;   /* Resize */
  uint32_t trans_a, trans_b; /* Gemm, MatMul */
  uint32_t count_include_pad;/* AveragePool */
  uint32_t keepdims, select_last_index; /* ArgMax / ArgMin */
  uint32_t reserved0;
  float alpha, beta, gamma, epsilon; /* Gemm alpha/beta, LeakyRelu, Elu, Selu, HardSigmoid, *Normalization, ... */
  float fill;                /* Pad and ConstantOfShape value; Resize extrapolation */
  float clip_lo, clip_hi;    /* Clip bounds (-inf, +inf: none) */
  uint32_t reserved1;
  int64_t perm[QE_MAX_RANK];            /* Transpose */
  int64_t starts[QE_MAX_RANK], steps[QE_MAX_RANK]; /* Slice, per dimension of the input; Pad: starts = begin pads */
  float scales[QE_MAX_RANK];            /* Resize: factor per dimension */
  float roi[2 * QE_MAX_RANK];           /* Resize tf_crop_and_resize: starts, then ends */
  int64_t fill_int;                     /* Pad / ConstantOfShape value for integer types */
} qe_op_params;

/*
 * A problem: one op with everything known about it. Owner: the host; constant while the plan lives.
 * A plain float op clamps its result to [act_lo, act_hi] last (fused activation; -inf, +inf: none).
 * A quantized op clamps its output code to [clamp_lo, clamp_hi] last (the type's range when nothing is fused).
 */
typedef struct qe_problem {
  uint32_t struct_size;
  uint32_t n_in, n_out;
  int32_t clamp_lo, clamp_hi;
  float act_lo, act_hi;
  uint32_t reserved;
  const char *op;                /* registry name, e.g. "Conv" */
  const qe_operand *const *in;   /* NULL entry: optional input not given */
  const qe_operand *const *out;  /* NULL entry: optional output not wanted */
  const qe_op_params *params;
} qe_problem;

/* What a plan of one kernel needs. Filled by qe_kernel.plan; sizes in bytes; checked by the host. */
typedef struct qe_kernel_plan {
  uint32_t struct_size;
  uint32_t flags;         /* QE_PLAN_* */
  int64_t tiles;          /* run() covers tile range [0, tiles); 0 is legal (empty output) */
  uint64_t packed_size;   /* 0: no prepack call */
  uint64_t scratch_size;  /* per thread */
} qe_kernel_plan;
#define QE_PLAN_INPLACE 1u /* output 0 may be the same memory as input 0 */

/* One execution. in[i] / out[i] are NULL where the problem's operand is NULL. */
typedef struct qe_call {
  uint32_t struct_size;
  uint32_t thread;         /* 0..threads-1 */
  const qe_problem *problem;
  const void *const *in;
  void *const *out;
  const void *packed;      /* what prepack wrote, aligned as asked */
  void *scratch;           /* scratch_size bytes of this thread, content undefined */
} qe_call;

/*
 * What a kernel is for; plain bytes, comparable with memcmp. dtypes are those of the operands in ONNX input
 * order, QE_DT_NONE past the last one that matters, QE_DT_ANY where supports() decides.
 */
#define QE_KEY_INPUTS 4
typedef struct qe_kernel_key {
  char op[28];                /* registry name, zero padded */
  uint8_t in[QE_KEY_INPUTS];  /* QE_DT_* */
  uint8_t out;                /* dtype of output 0 */
  uint8_t quantized;          /* 1: output 0 or input 0 carries quantization parameters that the math uses */
  uint8_t layout;             /* QE_LAYOUT_* */
  uint8_t reserved[5];
} qe_kernel_key;

/*
 * A kernel. supports, plan and prepack never keep state; run is a pure function of its tile range: no
 * allocation, lock, I/O, global, errno; it writes only its tile of the outputs and its scratch, and leaves
 * the floating-point control state as it was. Functions that return int: 0 = ok, anything else = failed
 * (after host->error); supports: 1 = yes, 0 = no, with the reason copied to `reason` (zero-terminated).
 */
typedef struct qe_kernel {
  uint32_t struct_size;
  int32_t priority;       /* higher is tried first among kernels of one key */
  qe_kernel_key key;
  const char *name;       /* "q8gemm_6x16__avx2" */
  uint64_t isa_required;  /* QE_ISA_*; a kernel whose bits the machine lacks is left out */
  uint32_t flags;         /* 0 */
  uint32_t exactness;     /* QE_EXACT_* claimed */
  uint32_t alignment;     /* wanted for packed and scratch memory; 0 = 64 */
  uint32_t mr, nr, kr;    /* tile hints for tests; 0 = none */
  int (*supports)(void *self, const qe_problem *p, char *reason, size_t reason_size); /* NULL: always */
  int (*plan)(void *self, const qe_problem *p, qe_kernel_plan *plan);
  int (*prepack)(void *self, const qe_problem *p, void *packed);                      /* NULL: nothing to pack */
  int (*run)(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
} qe_kernel;

/* Arguments of an observer, as the qconfig gives them. Fields an observer has no use for are ignored by it. */
typedef struct qe_observer_args {
  uint32_t struct_size;
  uint8_t dtype;           /* QE_DT_U8, QE_DT_I8, ... of the quantized tensor */
  uint8_t symmetric;       /* 1: zero_point fixed at the middle */
  uint8_t per_channel;     /* 1: one pair of parameters per channel along ch_axis */
  uint8_t reserved;
  int32_t quant_min, quant_max; /* effective range, reduce_range already applied */
  int32_t ch_axis;
  int32_t bins;            /* histogram bins */
  float eps;               /* smallest scale */
  float averaging_constant;
  float percentile;        /* share of the mass kept, 0..1 */
  uint32_t method;         /* histogram search: 0 torch (L2 walk), 1 mse, 2 percentile, 3 entropy */
  float scale;             /* fixed_qparams */
  int32_t zero_point;      /* fixed_qparams */
  int32_t upsample_rate;   /* histogram: refinement of the old bins when the range grows */
  uint32_t reserved2;
} qe_observer_args;

/*
 * An observer: a state machine fed with float32 batches that ends in quantization parameters. The host owns
 * the state (state_size bytes, zeroed, moved never) and serialises calls on one state. Functions return 0 or
 * fail after host->error. save with buffer NULL returns the size in *size.
 */
typedef struct qe_observer {
  uint32_t struct_size;
  uint32_t flags;
  const char *name;      /* as a qconfig names it */
  size_t state_size;
  int (*init)(void *self, void *state, const qe_observer_args *args);
  void (*fini)(void *self, void *state);
  int (*observe)(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims); /* row-major */
  int (*merge)(void *self, void *state, const void *other);
  int (*qparams)(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points, uint32_t *count);
  int (*save)(void *self, const void *state, void *buffer, size_t *size);
  int (*load)(void *self, void *state, const void *buffer, size_t size);
} qe_observer;

/* Sanitizers a plugin was built with; must match the host's. */
enum { QE_SANITIZER_NONE = 0, QE_SANITIZER_ADDRESS = 1, QE_SANITIZER_THREAD = 2 };

/* The plugin's constant table. Owner: the plugin; valid while the object is mapped. */
typedef struct qe_plugin {
  uint32_t magic;          /* QE_PLUGIN_MAGIC */
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t sanitizer;      /* QE_SANITIZER_* */
  uint64_t flags;          /* 0 */
  const char *engine;      /* [a-z0-9_]{1,31} */
  const char *vendor, *version, *build_id, *license; /* never NULL */
  uint64_t isa_required;   /* QE_ISA_* without which no kernel here runs */
  int32_t priority;        /* "best usable engine" order; the reference is 0 */
  uint32_t kernel_count, kernel_stride;
  uint32_t observer_count, observer_stride;
  uint32_t reserved;
  const qe_kernel *kernels;
  const qe_observer *observers;
  const char *default_qconfig; /* JSON text or NULL */
  int (*create)(const qe_host *host, void **self); /* once per process, serialized */
  void (*destroy)(void *self);
  int (*self_test)(void *self);                    /* optional */
} qe_plugin;

/* The one exported symbol. Pure: returns constant data, or NULL when the plugin can't serve this host. */
typedef const qe_plugin *(*qe_plugin_query_fn)(uint16_t host_major, uint16_t host_minor);
#define QE_PLUGIN_QUERY_SYMBOL "qe_plugin_query"

#if defined(__SANITIZE_ADDRESS__)
#define QE_PLUGIN_SANITIZER QE_SANITIZER_ADDRESS
#elif defined(__SANITIZE_THREAD__)
#define QE_PLUGIN_SANITIZER QE_SANITIZER_THREAD
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QE_PLUGIN_SANITIZER QE_SANITIZER_ADDRESS
#elif __has_feature(thread_sanitizer)
#define QE_PLUGIN_SANITIZER QE_SANITIZER_THREAD
#endif
#endif
#ifndef QE_PLUGIN_SANITIZER
#define QE_PLUGIN_SANITIZER QE_SANITIZER_NONE
#endif

#ifdef __cplusplus
}
#endif
#endif
