/*
 * A plan: a lowered graph made concrete for one set of input shapes. Kernels are chosen, layouts settled, constants
 * folded and packed, memory laid out; running it is a walk over the steps.
 */
#ifndef QE_CORE_PLAN_H
#define QE_CORE_PLAN_H

#include "engine/engine.h"
#include "graph/graph.h"
#include "qengine/session.h"
#include "runtime/pack.h"
#include "runtime/pool.h"

/* ---- lowering (once per session): what quantized nodes are made of ---- */

typedef struct qe__lowered {
  qe__graph *graph;      /* value ids below the model's n_values are the model's own */
  uint32_t n_notes;      /* entries of the two arrays below; n_nodes unless lowering failed */
  char **note;           /* per node: what lowering did, or NULL */
  int32_t *model_node;   /* per node: index of the model's node it came from */
  bool *needs_value;     /* per value: its content must be known while planning */
  bool *varies;          /* per value: made from a graph input, or from the shape of one */
} qe__lowered;

/* no_fuse: every quantized node runs as dequantize, float op, quantize. */
qe_status_t qe__lower(const qe__graph *model, bool no_fuse, qe__lowered *out);
void qe__lowered_free(qe__lowered *l);

enum { QE__MAX_ENGINES = 32 }; /* that one plan looks for kernels in */

/* ---- physical values ---- */

typedef enum qe__place { QE__PLACE_NONE, QE__PLACE_ARENA, QE__PLACE_INPUT, QE__PLACE_OUTPUT, QE__PLACE_CONSTANT } qe__place;

/* One layout of one value. */
typedef struct qe__phys {
  qe__value_id value;
  qe_operand operand;     /* dtype, dims, strides, quantization */
  qe__place place;
  uint32_t slot;          /* of PLACE_INPUT / PLACE_OUTPUT */
  qe_tensor_t *constant;  /* of PLACE_CONSTANT; retained */
  int32_t alias_of;       /* shares memory with this one (an earlier index), or -1 */
  size_t bytes;
  size_t offset;          /* in the arena */
  int32_t first, last;    /* first and last step that touches the memory (of the root) */
} qe__phys;

typedef struct qe__step {
  uint32_t node;              /* of the lowered graph */
  const qe__kernel *kernel;   /* NULL: a view, or a tap */
  qe_problem problem;
  qe_op_params params;
  uint32_t n_in, n_out;
  int32_t *in, *out;          /* phys indices, -1: absent */
  const qe_operand **in_operands, **out_operands;
  const void **in_data;       /* scratch arrays for the call */
  void **out_data;
  qe_kernel_plan sizes;
  const qe__pack *pack;       /* of the session's pack cache, or own_pack; NULL: the kernel packs nothing */
  qe__pack *own_pack;         /* packed weights that vary from plan to plan */
  qe__pack_header pack_header; /* that it must have */
  int32_t tap;                /* >= 0: the model value handed to the tap; in[0] is its phys */
  bool relayout;              /* written by the planner, belongs to no node of the model */
  bool fallback;
  char *note, *dtypes;        /* dtypes: text for reports, or NULL as long as nobody asked */
  double milliseconds;
  uint64_t runs;
  int64_t macs;
} qe__step;

typedef struct qe__plan_output { /* a wanted output that shares memory with something else is copied at the end */
  int32_t phys;
  bool copy;
} qe__plan_output;

typedef struct qe__plan {
  uint32_t n_steps, n_phys, n_outputs;
  size_t cap_steps, cap_phys;
  qe__step *steps;
  qe__phys *phys;
  qe__plan_output *outputs;
  uint32_t n_quantized, n_fallback;
  size_t arena_bytes, scratch_bytes; /* scratch per thread */
  size_t scratch_alignment;
  const qe__engine *engines[QE__MAX_ENGINES]; /* that its steps run on; referenced */
  uint32_t n_engines;
} qe__plan;

typedef struct qe__plan_request {
  const qe__lowered *lowered;
  const qe__engine *engine;     /* for quantized ops; NULL: none */
  bool strict;
  uint32_t threads;
  qe__pack_cache *packs;
  qe_tensor_t *const *inputs;   /* one per graph input, shapes (and values where needed) */
  uint32_t n_outputs;
  const qe__value_id *outputs;  /* values wanted as outputs */
  uint32_t n_taps;
  const qe__value_id *taps;     /* values handed to the tap */
} qe__plan_request;

qe_status_t qe__plan_create(const qe__plan_request *request, qe__plan **out);
void qe__plan_destroy(qe__plan **plan);

/* Chooses offsets for all arena values: lifetimes that overlap never share memory (runtime/memory.c). */
qe_status_t qe__plan_memory(qe__plan *plan);
/* The phys whose memory p lives in. */
int32_t qe__phys_root(const qe__plan *plan, int32_t p);

/* Memory that runs use, grown to the largest plan; kept by the session. */
typedef struct qe__memory {
  void *arena, *scratch;
  size_t arena_bytes, scratch_bytes; /* scratch of all threads */
} qe__memory;
void qe__memory_free(qe__memory *m);

/* Runs all steps. outputs: tensors to be filled, one per wanted output. */
qe_status_t qe__plan_run(qe__plan *plan, const qe__lowered *lowered, qe__pool *pool, qe__memory *memory,
                         qe_tensor_t *const *inputs, qe_tensor_t *const *outputs, qe_tap_fn tap, void *tap_arg, bool profile);
/*
 * Fills step->sizes and the packed weights by asking the step's kernel. packs NULL: the step gets weights of its own,
 * which may differ from plan to plan. `name` is for messages. Errors: ENGINE (the kernel
 * failed, or asks for what no machine has), OUT_OF_MEMORY.
 */
qe_status_t qe__step_prepare(qe__plan *plan, qe__step *step, qe__pack_cache *packs, const char *name);
/* One kernel over all its tiles, on the pool (NULL: the caller). scratch: one block of scratch_stride per thread. */
qe_status_t qe__step_execute(const qe__step *step, qe__pool *pool, const void *const *in, void *const *out,
                             void *scratch, size_t scratch_stride, const char *node_name);

/* ---- making a plan: what plan.c and place.c share ---- */

typedef struct qe__planner {
  const qe__plan_request *request;
  const qe__graph *g;
  qe__plan *plan;
  int32_t (*phys_of)[2];        /* per value: its phys in row-major / channels-last layout, -1: none */
  qe__operand_info *info;       /* per value: dtype, dims, data once known */
  qe_tensor_t **known;          /* per value: the constant behind info[v].data when folding made it; owned */
  const qe__engine *order[QE__MAX_ENGINES]; /* engines, preferred first; referenced while planning */
  uint32_t n_order;
} qe__planner;

/*
 * Chooses the kernel of node `index` and adds its step (and the relayout steps its layout asks for), or folds it
 * when every input is constant. params are those that inference gave. QE_ERROR_UNSUPPORTED lists every kernel that
 * was asked and why it declined.
 */
qe_status_t qe__place_node(qe__planner *p, uint32_t index, const qe_op_params *params);
/* The value in this layout; makes a Relayout step when it has to. */
qe_status_t qe__place_layout(qe__planner *p, qe__value_id v, uint8_t layout, int32_t *phys);
/* A new phys of value v; strides by layout. */
qe_status_t qe__place_phys(qe__planner *p, qe__value_id v, uint8_t layout, qe__place place, int32_t *phys);
qe_status_t qe__plan_add_step(qe__plan *plan, uint32_t n_in, uint32_t n_out, qe__step **out);
/* Computes a step whose inputs are all constant; its outputs become constants. */
qe_status_t qe__plan_fold(qe__planner *p, qe__step *step);

/* "uint8 int8 int32 -> uint8" */
char *qe__step_dtypes(const qe__step *step);

#endif
