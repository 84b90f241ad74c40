/* What the metamorphic properties share: variants of a case with the same data, and comparing their outputs. */
#ifndef QE_CORE_CONFORM_PROPERTIES_H
#define QE_CORE_CONFORM_PROPERTIES_H

#include "conform/case.h"

typedef struct qe__property {
  const qe__kernel *kernel;
  const qe__built *b;
  const qe__run_result *first; /* the kernel's outputs on b */
  qe__case_result *out;
} qe__property;

/* The same case with one field changed (key NULL: none; value NULL: left out); operands of equal shape have b's data
 * and parameters. */
qe_status_t qe__variant(const qe__built *b, const char *key, const char *value, qe__built *out);
/* Runs the variant; *ran false: not supported (no verdict). A fault is reported under the property's name. */
qe_status_t qe__variant_run(const qe__property *p, const char *name, const qe__kernel *kernel, const qe__built *v,
                            qe__run_result *r, bool *ran);
/* Reports that element `index` of output 0 breaks the property. */
void qe__property_broken(const qe__property *p, const char *name, const qe__run_result *got, int64_t index,
                         int64_t want_index, const char *rule);
/* A tensor with dimension d in reverse order. */
qe_status_t qe__reversed(const qe_tensor_t *t, uint32_t d, qe_tensor_t **out);

/* Reverses `count` inputs, each along its dimension, and expects output 0 reversed along dimension y. */
qe_status_t qe__property_permuted(const qe__property *p, const char *name, uint32_t count, const uint32_t *inputs,
                                  const uint32_t *dims, int y, const char *rule);
/* The first kernel of the engine that takes this case; NULL: none. */
const qe__kernel *qe__property_kernel(const qe__engine *engine, const qe__built *v);
/* a [pixels, C] from x [N, C, pixels]. */
void qe__pixels_first(const qe_tensor_t *x, qe_tensor_t *a);

/* Integer codes of an operand's bytes. */
int32_t qe__code_of(qe_dtype_t dtype, const void *data, int64_t i);

/* conform/properties_shape.c: permutations, splitting, other memory layouts, other ops that compute the same. */
qe_status_t qe__property_permute(const qe__property *p);
qe_status_t qe__property_split(const qe__property *p);
qe_status_t qe__property_layout(const qe__property *p);
qe_status_t qe__property_gemm(const qe__property *p);
qe_status_t qe__property_grouped(const qe__property *p);
/* conform/properties_train.c: what holds for gradients. */
qe_status_t qe__property_train(const qe__property *p);
/* conform/properties_params.c: zero points, bias, scales, activation. */
qe_status_t qe__property_zero_point(const qe__property *p);
qe_status_t qe__property_bias(const qe__property *p);
qe_status_t qe__property_rescale(const qe__property *p);
qe_status_t qe__property_unfused(const qe__property *p);

#endif
