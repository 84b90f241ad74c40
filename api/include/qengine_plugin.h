/*
 * qengine_plugin.h - the whole contract between qengine and a backend.
 *
 * A backend ("engine") is one shared object that exports exactly one symbol, qe_plugin_query, and links
 * to nothing of qengine. Everything it needs arrives in the host table. This header is self-contained
 * (stddef.h and stdint.h only), compiles as C99 and C++, and is the only file a vendor needs.
 *
 * Versioning: same abi_major required. Every structure starts with struct_size, the writer's sizeof; a
 * reader copies min(sizes) into its own zeroed structure, or looks at struct_size before it touches a field
 * that an earlier minor version did not have. New fields are appended, never inserted; reserved fields are 0.
 *
 * Life of a plugin: mapped -> qe_plugin_query -> create -> kernels and observers are called -> destroy. Each
 * call belongs to one thread; which calls may overlap is said at each function. Texts are UTF-8 and end in 0.
 *
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

/*
 * The machine, as the host sees it (already capped by QENGINE_CPU_MASK, so ask here and not the processor). Owner:
 * the host; constant, valid until the process ends.
 */
typedef struct qe_cpu {
  uint32_t struct_size;
  uint32_t cores;   /* physical cores this process may use; at least 1 */
  uint64_t isa;     /* QE_ISA_* that the processor and the operating system offer */
  uint64_t l1d, l2, l3; /* bytes per core (l1d, l2) or per package (l3); 0 = unknown */
  uint32_t cache_line;
  uint32_t reserved;
} qe_cpu;

/*
 * Services of the host. Owner: the host; the structure and its functions are valid from create() until destroy()
 * returns, so keep the pointer. Every function may be called from any thread and from any call into the plugin
 * but qe_kernel.run, where none may be called. None of them fails otherwise than it says here.
 */
typedef struct qe_host {
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  void *ctx; /* first argument of the functions below */
  /* Content undefined, at least 64-byte aligned. NULL: out of memory, or alignment is no power of 2 (0 is: 64). */
  void *(*alloc)(void *ctx, size_t size, size_t alignment);
  void (*free)(void *ctx, void *ptr); /* of alloc, from any thread; NULL is allowed. All before destroy returns. */
  /* level: 0 error, 1 warning, 2 info, 3 debug. The message is copied, cut at 1000 bytes. */
  void (*log)(void *ctx, int level, const char *message);
  /* Why the call that this thread is in will fail; then return not 0. Copied, cut at 1000 bytes; the last counts. */
  void (*error)(void *ctx, const char *message);
  /*
   * Calls fn on ranges that cover [0, n) once, on several threads, and returns when all are done. A call from within
   * fn runs on its caller. 0 = ok; not 0: n < 0 or fn is NULL, nothing was called. For create and prepack.
   */
  int (*parallel_for)(void *ctx, int64_t n, void (*fn)(void *arg, int64_t begin, int64_t end), void *arg);
  /* The value of "engine.key=value" in QENGINE_OPTIONS, or NULL. Valid until destroy returns. */
  const char *(*option)(void *ctx, const char *key);
  const qe_cpu *cpu; /* never NULL */
} qe_host;

/*
 * One input or output of a problem. Owner: the host; it and all it points to are constant and valid while the plan
 * that holds it lives: from plan() to the last run(). In supports() it is valid during the call only.
 */
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
  const void *data;             /* a constant's elements, laid out by strides, known in supports too; else NULL */
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
 * A problem: one op with everything known about it. Owner: the host; constant and valid like its operands. It is
 * the same in plan, prepack and run of one plan; a plugin may keep nothing that points into it.
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

/*
 * What a plan of one kernel needs. Owner: the host, which passes it zeroed with struct_size set; qe_kernel.plan fills
 * the fields that lie within struct_size. Sizes in bytes. What no machine can give (negative or more than 2^40 tiles,
 * more memory than there is) is refused as the kernel's mistake.
 */
typedef struct qe_kernel_plan {
  uint32_t struct_size;
  uint32_t flags;         /* QE_PLAN_* */
  int64_t tiles;          /* run() covers tile range [0, tiles); 0 is legal (empty output) */
  uint64_t packed_size;   /* 0: no prepack call; else the kernel must have prepack */
  uint64_t scratch_size;  /* per thread */
} qe_kernel_plan;
#define QE_PLAN_INPLACE 1u /* output 0 may be the same memory as input 0 */

/*
 * One execution. Owner: the host; valid during the call. in[i] / out[i] are NULL where the problem's operand is NULL,
 * else laid out as its strides say and aligned to its element type, no more. Nothing may be read or written outside of
 * an operand's elements. Outputs overlap no input, except output 0 and input 0 with QE_PLAN_INPLACE.
 */
typedef struct qe_call {
  uint32_t struct_size;
  uint32_t thread;         /* 0..threads-1; no two calls that run at the same time have the same */
  const qe_problem *problem;
  const void *const *in;
  void *const *out;
  const void *packed;      /* what prepack wrote, aligned as asked; NULL when packed_size is 0 */
  void *scratch;           /* scratch_size bytes of this thread, aligned as asked, content undefined; or NULL */
} qe_call;

/*
 * What a kernel is for; plain bytes, comparable with memcmp. dtypes are those of the operands in ONNX input
 * order, QE_DT_NONE past the last one that matters, QE_DT_ANY where supports() decides. Part of qe_kernel by value,
 * so it never grows.
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
 * A kernel. Owner: the plugin; constant, and texts and functions valid while the object is mapped. `self` is what
 * create gave. All functions may be called on any thread and at the same time as any other function of the plugin but
 * create and destroy. Functions that return int: 0 = ok, anything else = failed (after host->error, except in run);
 * the user then gets the code and the words, and the session fails: having said yes in supports and failing later is a
 * mistake of the kernel, not a way to decline.
 */
typedef struct qe_kernel {
  uint32_t struct_size;
  int32_t priority;       /* higher is tried first among kernels of one op; two of one key must differ in it */
  qe_kernel_key key;
  const char *name;       /* "q8gemm_6x16__avx2": 1..63 printable characters without blanks, unique in the plugin */
  uint64_t isa_required;  /* QE_ISA_*; a kernel whose bits the machine lacks is left out */
  uint32_t flags;         /* 0 */
  uint32_t exactness;     /* QE_EXACT_* claimed */
  uint32_t alignment;     /* wanted for packed and scratch memory: a power of 2 up to 4096; 0 = 64 */
  uint32_t mr, nr, kr;    /* tile hints for tests; 0 = none */
  /*
   * 1 = yes; 0 (and anything else) = no, with the reason in `reason`, of reason_size bytes and zero-terminated, for the
   * user to read. A function of the problem alone; keeps nothing. NULL: always yes.
   */
  int (*supports)(void *self, const qe_problem *p, char *reason, size_t reason_size);
  /* A function of the problem alone; keeps nothing. Called once per plan, after supports said yes. */
  int (*plan)(void *self, const qe_problem *p, qe_kernel_plan *plan);
  /*
   * Writes packed_size bytes at `packed` (aligned as asked, content undefined before, read-only afterwards; the host
   * owns them and never saves them). May use: constants, types, layouts, quantization, clamps and params - not the
   * dimensions of operands that are no constants, because one blob serves all of them. May run at the same time as
   * itself for another blob. NULL: nothing to pack.
   */
  int (*prepack)(void *self, const qe_problem *p, void *packed);
  /*
   * Computes tiles [tile_begin, tile_end), a part of [0, tiles) as large as the host likes; every tile comes once, in
   * any order, on any threads. A pure function of its tile range: no host function, allocation, lock, I/O, global or
   * errno; it writes only its tiles of the outputs and its scratch, and leaves the floating-point control state and
   * the callee-saved registers as they were.
   */
  int (*run)(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end);
} qe_kernel;

/*
 * Arguments of an observer, as the qconfig gives them. Owner: the host; valid during init, so copy what is needed.
 * Fields an observer has no use for are ignored by it.
 */
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
 * An observer: a state machine fed with float32 batches that ends in quantization parameters. Owner of the table: the
 * plugin; constant, valid while the object is mapped. Owner of a state: the host (state_size bytes, zeroed, aligned
 * for any type, never moved), which serialises calls on one state; calls on different states may overlap. Functions
 * return 0 or fail after host->error. Results must not depend on threads or machine: statistics are compared and merged
 * between them.
 */
typedef struct qe_observer {
  uint32_t struct_size;
  uint32_t flags;        /* 0 */
  const char *name;      /* as a qconfig names it; 1..63 printable characters without blanks, unique in the plugin */
  size_t state_size;     /* at most 1 GiB; 0 is legal */
  int (*init)(void *self, void *state, const qe_observer_args *args); /* once, first; may refuse the arguments */
  void (*fini)(void *self, void *state); /* last, also after an init that failed; NULL: nothing to do */
  /* x: finite, row-major, at least one element; valid during the call. */
  int (*observe)(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims);
  /* Adds what `other` saw: a state of this observer with the same arguments, which stays as it is. */
  int (*merge)(void *self, void *state, const void *other);
  /*
   * Sets *count to the number of parameter pairs, 0 when nothing was observed. With capacity 0 (scales and zero_points
   * are NULL) that is all; else fills that many, at most `capacity`. Scales finite and > 0, zero points in the range.
   */
  int (*qparams)(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points,
                 uint32_t *count);
  /* Sets *size to the bytes of the saved state and, unless buffer is NULL, writes them: same state, same bytes. */
  int (*save)(void *self, const void *state, void *buffer, size_t *size);
  /* Into a state after init. The bytes may come from a file somebody tampered with: refuse what save never writes. */
  int (*load)(void *self, void *state, const void *buffer, size_t size);
} qe_observer;

/* Sanitizers a plugin was built with; must match the host's. */
enum { QE_SANITIZER_NONE = 0, QE_SANITIZER_ADDRESS = 1, QE_SANITIZER_THREAD = 2 };

/*
 * The plugin's constant table: static data, as all it points to. Owner: the plugin; valid while the object is mapped,
 * which is until the process ends. The host copies it and checks all of it before anything of it is used; a single bad
 * row refuses the whole plugin, with the reason.
 */
typedef struct qe_plugin {
  uint32_t magic;          /* QE_PLUGIN_MAGIC */
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t sanitizer;      /* QE_SANITIZER_* */
  uint64_t flags;          /* 0 */
  const char *engine;      /* [a-z0-9_]{1,31} */
  const char *vendor, *version, *build_id, *license; /* never NULL; at most 127 bytes; no control characters */
  uint64_t isa_required;   /* QE_ISA_* without which no kernel here runs */
  int32_t priority;        /* order in which engines are asked that nobody named; the reference is 0 */
  uint32_t kernel_count, kernel_stride;     /* stride: sizeof(qe_kernel) as the plugin knows it */
  uint32_t observer_count, observer_stride; /* likewise */
  uint32_t reserved;
  const qe_kernel *kernels;
  const qe_observer *observers;
  const char *default_qconfig; /* JSON text (docs/qconfig.md), at most 1 MiB; or NULL */
  /*
   * Once per process, before anything else of the table. *self is NULL before; what is in it after is passed to every
   * function. 0 = ok; not 0: the engine is refused with the words of host->error, and destroy is not called. create
   * and destroy of all plugins are serialized.
   */
  int (*create)(const qe_host *host, void **self);
  /* At most once: when the engine was retired and the last user of it is gone. Not when the process ends. */
  void (*destroy)(void *self);
  /*
   * Right after create: a few milliseconds to see that the machine does what the plugin counts on. Not 0: the engine is
   * destroyed and refused. NULL: nothing to test.
   */
  int (*self_test)(void *self);
} qe_plugin;

/*
 * The one exported symbol. Returns constant data, or NULL when the plugin can't serve this host. Pure; called before
 * anything else of the plugin, on any thread, perhaps more than once.
 */
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
