/*
 * Ops of domain "qengine" in files. ONNX has no such ops, so a file that uses one defines it: a model-local function whose
 * body is made of ONNX's own ops, which any runtime runs. This library knows the op and does not look at the body.
 *
 * The body computes what the op means in float arithmetic of the runtime's own order, so results are close and not the
 * same: DynamicQuantizeGRU and -RNN quantize X but not H, and EmbeddingBag adds in any order.
 */
#ifndef QE_CORE_ONNX_FUNCTIONS_H
#define QE_CORE_ONNX_FUNCTIONS_H

#include "graph/graph.h"

#define QE__FUNCTION_DOMAIN "qengine"

/* What a body depends on; a line of it is written when all its bits are set. */
enum {
  QE__FN_SMALL = 1,     /* the table has 4-bit codes, which runtimes cannot gather */
  QE__FN_BYTES = 2,     /* 8-bit codes */
  QE__FN_CODES = 4,     /* either */
  QE__FN_FLOAT = 8,     /* a float table */
  QE__FN_OFFSET = 16,   /* rows have an offset */
  QE__FN_PLAIN = 32,    /* they have none */
  QE__FN_SUM = 64,
  QE__FN_MEAN = 128,
  QE__FN_MAX = 256,
  QE__FN_WEIGHTS = 512, /* per_sample_weights */
  QE__FN_EQUAL = 1024,  /* none */
  QE__FN_LAST = 2048,   /* include_last_offset */
  QE__FN_OPEN = 4096,   /* not so: the last bag ends with the indices */
  QE__FN_PADDING = 8192,
  QE__FN_WHOLE = 16384, /* no padding_idx */
  QE__FN_OLD = 32768,   /* reductions have their axes as an attribute (opset below 18) */
  QE__FN_NEW = 65536
};

/*
 * One op in a body: "out out = Op(in, in) name:kind=value", kinds i f s I as in the table of attributes; ":kind@other" is
 * the function's own attribute `other`, absent where the call does not give it.
 */
typedef struct qe__function_line {
  unsigned when;
  const char *text;
} qe__function_line;

typedef struct qe__function {
  uint16_t op;
  const char *name, *inputs, *outputs, *attributes; /* separated by spaces */
  const qe__function_line *lines;                   /* the last one has no text */
} qe__function;

/* NULL: the op has none. */
const qe__function *qe__function_of(uint16_t op);
/* By the op_type of a file's node: the op's name, and behind a '_' what makes its body different. NULL: unknown. */
const qe__function *qe__function_find(const char *op_type);
/* The bits that hold for a node in a file of this opset. */
unsigned qe__function_features(const qe__graph *g, const qe__node *n, int64_t opset);
/* The op_type of a node with these features ("EmbeddingBag_offset_mean") into buffer. */
void qe__function_name(const qe__function *f, unsigned features, char *buffer, size_t size);

#endif
