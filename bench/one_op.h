/* Models of one product or convolution, quantized (QDQ, codes in and out) or float. */
#ifndef BENCH_ONE_OP_H
#define BENCH_ONE_OP_H

#include "qengine.h"
#include "shapes.h"

/* Seeded random weights (per channel, normal), u8 input, u8 output. Writes ONNX to `path` and reads it back. */
qe_status_t one_op_model(const shape *s, bool int8, const char *path, qe_model_t **out);

#endif
